//! `/erase REASON`, as a person writes it below the pull request of a proposal that ended.

use crate::domain::{comment::reason, ids::ProposalId};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/erase";
const USAGE: &str =
    "write `/erase`, then why; for a proposal without a pull request, its id in front of the reason";

/// What to erase, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The proposal, when it is not the pull request's own.
    pub proposal: Option<ProposalId>,
    /// Why.
    pub reason: String,
}

/// The erasure that a comment asks for; nothing when it asks for none. Errors: why it can't be recorded, and what to
/// write instead.
pub fn asked(text: &str) -> Option<Result<Erasure, String>> {
    let line = text.trim_start().lines().next()?;
    let mut words = line.split_whitespace().peekable();
    (words.next()? == COMMAND).then(|| {
        let proposal = words.peek().and_then(|word| word.parse().ok());
        if proposal.is_some() {
            words.next();
        }
        let reason = reason(words)?.ok_or_else(|| format!("it takes your reason; {USAGE}"))?;
        Ok(Erasure { proposal, reason })
    })
}
