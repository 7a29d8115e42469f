//! `/rollback REASON`, as a person writes it below the pull request of a proposal that ran.

use crate::domain::{comment::reason, ids::ProposalId};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/rollback";
const USAGE: &str =
    "write `/rollback`, then why; for a proposal without a pull request, its id in front of the reason";

/// What to take back, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The proposal, when it is not the pull request's own.
    pub proposal: Option<ProposalId>,
    /// Why.
    pub reason: String,
}

/// The rollback that a comment asks for; nothing when it asks for none. Errors: why it can't be, and what to write
/// instead.
pub fn asked(text: &str) -> Option<Result<Wish, String>> {
    let line = text.trim_start().lines().next()?;
    let mut words = line.split_whitespace().peekable();
    (words.next()? == COMMAND).then(|| {
        let proposal = words.peek().and_then(|word| word.parse().ok());
        if proposal.is_some() {
            words.next();
        }
        let reason = reason(words)?.ok_or_else(|| format!("it takes your reason; {USAGE}"))?;
        Ok(Wish { proposal, reason })
    })
}
