//! Items that an approver takes out of a batch: what runs only ever shrinks, and tier, limits and approvals stay those
//! of the whole.

mod command;

use serde::Serialize;

pub(super) use command::{COMMAND, asked};
pub use command::{Exclusion, written};

use super::{
    case::Case,
    entry::Excluded,
    ids::{AccountId, ItemId, PersonName},
    observation::{Observation, Seen},
    policy::Policy,
    review::{self, Review},
};

/// Why items can't be excluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotExcluded {
    /// It must be a person's own word.
    #[error("items are excluded by a person of people.yaml")]
    Nobody,
    /// Not on what is approved.
    #[error("the comment is not on the proposal's commit; write it again on the open pull request")]
    Elsewhere,
    /// No item is named.
    #[error("name the items to exclude, as in `/exclude 3,7`")]
    None,
    /// The proposal has no such item.
    #[error("the proposal has no item `{0}`")]
    Unknown(ItemId),
    /// It is excluded already.
    #[error("item `{0}` is excluded already")]
    Already(ItemId),
    /// Nothing would be left to run.
    #[error("no item would be left; to run none of them, close the pull request")]
    All,
    /// Not somebody who may approve. INVARIANT i08, i09.
    #[error(
        "items are excluded by an owner who may approve; its sponsor and whoever wrote or pushed it may not"
    )]
    NotAnOwner,
    /// Something could not be looked up. INVARIANT i10.
    #[error("owners, teams or who wrote it can't be read now; write it again in a while")]
    Unread,
}

/// Whether an exclusion is one at all, whatever the policy says: known items, each once, and at least one stays.
pub(super) fn admissible(
    case: &Case,
    excluded: &Excluded,
    person: Option<&PersonName>,
) -> Result<(), NotExcluded> {
    if person.is_none() {
        return Err(NotExcluded::Nobody);
    }
    let opened = case.opened.as_ref();
    if opened.is_none_or(|opened| opened.head != excluded.heard.head) {
        return Err(NotExcluded::Elsewhere);
    }
    leaves_some(case, &excluded.items)
}

fn leaves_some(case: &Case, items: &[ItemId]) -> Result<(), NotExcluded> {
    if items.is_empty() {
        return Err(NotExcluded::None);
    }
    for (item, before) in items.iter().zip(0..) {
        if !case.proposal.binding.items.iter().any(|known| known.id == *item) {
            return Err(NotExcluded::Unknown(item.clone()));
        }
        let twice = items.iter().take(before).any(|earlier| earlier == item);
        if twice || case.excludes(item) {
            return Err(NotExcluded::Already(item.clone()));
        }
    }
    if case.left_in().all(|item| items.contains(&item.id)) {
        return Err(NotExcluded::All);
    }
    Ok(())
}

/// Whether an account may exclude items of a case now: whoever's approval of it could count.
pub fn excludable(
    case: &Case,
    seen: &Observation,
    policy: &Policy,
    account: AccountId,
) -> Result<(), NotExcluded> {
    let Seen::Known(pull) = &seen.pull else {
        return Err(NotExcluded::Unread);
    };
    match review::may_approve(&Review { case, seen, pull }, policy, account) {
        Some(true) => Ok(()),
        Some(false) => Err(NotExcluded::NotAnOwner),
        None => Err(NotExcluded::Unread),
    }
}

#[cfg(test)]
mod tests;
