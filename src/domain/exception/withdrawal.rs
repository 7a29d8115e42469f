//! `/exception text withdraw`: whoever let a proposal pass a check takes that back, and the gate shuts again.

use super::NotGranted;
use crate::domain::{
    case::{Case, RecordedException},
    entry::Withdrawn,
    ids::{AccountId, CheckName, CommentId, PersonName},
    policy::{Person, Policy},
};

/// A check that is not to be departed from any more, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The check.
    pub check: CheckName,
    /// Why.
    pub reason: Option<String>,
}

fn standing<'a>(case: &'a Case, check: &'a CheckName) -> impl Iterator<Item = &'a RecordedException> {
    let all = case.exceptions.iter();
    all.filter(move |recorded| recorded.withdrawn.is_none() && recorded.exception.check == *check)
}

/// The comments by which a person, with any account, let a case pass a check: what they can take back. Whether any of
/// them still counts does not matter. Errors: [`NotGranted::NotYours`].
pub fn granted_by(
    case: &Case,
    policy: &Policy,
    check: &CheckName,
    account: AccountId,
) -> Result<Vec<CommentId>, NotGranted> {
    let person = policy.person_of(account).map(Person::name);
    let theirs = |recorded: &&RecordedException| {
        let by = recorded.exception.heard.account;
        by == account || person.is_some() && policy.person_of(by).map(Person::name) == person
    };
    let granted = standing(case, check).filter(theirs);
    let granted: Vec<CommentId> = granted.map(|recorded| recorded.exception.heard.comment).collect();
    if granted.is_empty() {
        return Err(NotGranted::NotYours(check.clone()));
    }
    Ok(granted)
}

/// Whether a word can take exceptions back at all, whatever the policy says: a person's word on what stands. What it
/// does can only shut a gate.
pub(in crate::domain) fn retractable(
    case: &Case,
    said: &Withdrawn,
    person: Option<&PersonName>,
) -> Result<(), NotGranted> {
    if person.is_none() {
        return Err(NotGranted::Nobody);
    }
    let stands = |comment: &CommentId| {
        let mut standing = standing(case, &said.check);
        standing.any(|recorded| recorded.exception.heard.comment == *comment)
    };
    if said.granted.is_empty() || !said.granted.iter().all(stands) {
        return Err(NotGranted::NotStanding(said.check.clone()));
    }
    Ok(())
}
