//! `/resolve executed the bank's statement shows it`, as a person writes it below the pull request of an execution whose
//! end nobody knows. INVARIANT i21.

use super::{
    case::{Case, Life},
    comment::reason,
    entry::Resolution,
    ids::PersonName,
    policy::Policy,
    review::parties,
};

/// How the command begins.
pub(super) const COMMAND: &str = "/resolve";
const USAGE: &str = "write `/resolve executed` or `/resolve not-executed`, then how you know";

/// What a person found out, and how they know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What became of it.
    pub found: Resolution,
    /// How they know.
    pub reason: String,
}

/// The settlement that a comment's words tell. Errors: why it can't be recorded, and what to write instead.
pub(super) fn asked<'a>(
    mut words: impl Iterator<Item = &'a str>,
    case: &Case,
    policy: &Policy,
    by: &PersonName,
) -> Result<Settlement, String> {
    let found = match words.next().ok_or(USAGE)? {
        "executed" => Resolution::Executed,
        "not-executed" => Resolution::NotExecuted,
        _ => return Err(USAGE.to_owned()),
    };
    if case.life != Life::Unknown {
        return Err(format!("nothing is unknown about it: it is {}", case.life));
    }
    let hands = case.co_writers.iter().chain(case.edited.keys()).copied();
    if parties(&case.proposal.matter(), policy, hands).contains(by) {
        return Err("somebody else has to settle it: its sponsor and whoever changed it may not".to_owned());
    }
    let reason = reason(words)?.ok_or_else(|| format!("it takes how you know; {USAGE}"))?;
    Ok(Settlement { found, reason })
}
