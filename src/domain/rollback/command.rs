//! `/rollback REASON`, as a person writes it below the pull request of a proposal that ran.

use crate::domain::{
    comment::{of_a_proposal, reason},
    ids::ProposalId,
};

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
    let (proposal, words) = of_a_proposal(text, COMMAND)?;
    let reason =
        reason(words).and_then(|reason| reason.ok_or_else(|| format!("it takes your reason; {USAGE}")));
    Some(reason.map(|reason| Wish { proposal, reason }))
}
