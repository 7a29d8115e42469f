//! `/exception text it is a quotation`, as one of a check's approvers writes it below a pull request, and
//! `/exception text withdraw`, as they take it back.

use super::Withdrawal;
use crate::domain::{
    case::Case,
    checks::{CheckResult, Level},
    comment::{reason, shown},
    ids::CheckName,
    source::nearest,
};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/exception";
/// The word that takes one back, where a reason would stand.
const WITHDRAW: &str = "withdraw";
const USAGE: &str = "write `/exception CHECK`, then why this proposal should pass it";

/// A check to depart from, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The check.
    pub check: CheckName,
    /// Why; none where the agent's own request is granted as it stands.
    pub reason: Option<String>,
}

/// What the command asks for.
pub(in crate::domain) enum Asked {
    Except(Departure),
    Withdraw(Withdrawal),
}

/// The exception that a comment's words ask for, or that they take back. Errors: why it can't be recorded, and what to write instead.
pub(in crate::domain) fn asked<'a>(
    words: impl Iterator<Item = &'a str>,
    case: &Case,
) -> Result<Asked, String> {
    let mut words = words.peekable();
    let name = words.next().ok_or(USAGE)?;
    let check = failed(name, case)?;
    if words.next_if_eq(&WITHDRAW).is_some() {
        let reason = reason(words)?;
        return Ok(Asked::Withdraw(Withdrawal { check, reason }));
    }
    let reason = reason(words)?;
    let mut requests = case.proposal.exceptions.iter();
    if reason.is_none() && !requests.any(|asked| asked.check == check) {
        return Err(format!(
            "the agent did not ask for an exception from `{check}`, so it takes your reason; {USAGE}"
        ));
    }
    Ok(Asked::Except(Departure { check, reason }))
}

fn failed(name: &str, case: &Case) -> Result<CheckName, String> {
    let known = |result: &&CheckResult| result.check.as_str() == name;
    if let Some(result) = case.assessment.checks.iter().find(known) {
        return Ok(result.check.clone());
    }
    let denied = case
        .assessment
        .checks
        .iter()
        .filter(|result| result.level == Level::Deny);
    let denied: Vec<&str> = denied.map(|result| result.check.as_str()).collect();
    let near = match nearest(name, denied.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if denied.is_empty() => "no check denied this proposal".to_owned(),
        None => format!("name one that denied this proposal: `{}`", denied.join("`, `")),
    };
    Err(format!("unknown check `{}`; {near}", shown(name)))
}
