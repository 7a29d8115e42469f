//! Erasing a proposal: its key and the answers to it are destroyed, and the record of it stays. INVARIANT i29.
//!
//! Whoever answers for the action may ask for it, and the owners of the rules: a person of the policy, never an agent,
//! and only once nothing can come of the proposal any more.

mod command;

use serde::Serialize;

pub(super) use command::COMMAND;
pub use command::{Erasure, asked};

use super::{
    amendment::DIRECTORY,
    case::Life,
    ids::{AccountId, ActionName, CommentId, PersonName, ProposalId, TeamName},
    observation::Observation,
    policy::{Owner, Policy},
    review::Rolls as _,
};

/// Why a proposal can't be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotErased {
    /// It must be a person's own word.
    #[error("a proposal is erased by a person of people.yaml")]
    Nobody,
    /// It was asked for before.
    #[error("proposal {0} was erased before; nothing more is needed")]
    Already(ProposalId),
    /// No such proposal.
    #[error("proposal {0} is not on this ledger; check the id")]
    Unheard(ProposalId),
    /// Something can still come of it.
    #[error("proposal {id} is {life}, and what it holds is still needed; {remedy}")]
    NotEnded {
        /// The proposal.
        id: ProposalId,
        /// Where it stands.
        life: Life,
        /// What ends it.
        remedy: &'static str,
    },
    /// Not whoever answers for it.
    #[error("a proposal is erased by whoever is accountable for its action, or owns the rules; ask {could}")]
    NotAccountable {
        /// Who could.
        could: String,
    },
    /// Something could not be looked up. INVARIANT i10.
    #[error("who may write or who is in which team can't be read now; write it again in a while")]
    Unread,
}

impl NotErased {
    /// Something can still come of it, and what ends that.
    pub const fn not_ended(id: ProposalId, life: Life) -> Self {
        let remedy = match life {
            Life::Received | Life::Open => "close its pull request first",
            Life::Unknown => "a person has to settle first whether it ran",
            Life::Merged
            | Life::Started
            | Life::Executed
            | Life::Refused
            | Life::Errored
            | Life::Undone
            | Life::Partial
            | Life::Voided
            | Life::Denied
            | Life::Expired
            | Life::Cancelled
            | Life::Superseded
            | Life::Bypassed
            | Life::PolicyChanged
            | Life::RefusedAfterMerge => "write it again when it has ended",
        };
        Self::NotEnded { id, life, remedy }
    }
}

/// Whether an erasure can be recorded, whatever the policy says: a person's word, the first about a proposal that ended.
pub(super) fn admissible(
    id: ProposalId,
    before: Option<CommentId>,
    person: Option<&PersonName>,
) -> Result<(), NotErased> {
    match (person, before) {
        (None, _) => Err(NotErased::Nobody),
        (Some(_), Some(_)) => Err(NotErased::Already(id)),
        (Some(_), None) => Ok(()),
    }
}

/// Who answers for an action's proposals once they ended: the accountable party, and the owners of the rules.
fn answerable(policy: &Policy, operation: &ActionName) -> Vec<Owner> {
    let rules = policy.owners().requirements(&format!("/{DIRECTORY}catalog.yaml"));
    let owners = rules.sets().iter().flat_map(|set| set.owners()).cloned();
    let accountable = policy
        .action(operation)
        .map(|action| Owner::from(action.raci().accountable()));
    let mut all: Vec<Owner> = Vec::new();
    for one in accountable.into_iter().chain(owners) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// The teams whose members may erase an action's proposals: what must be looked up. INVARIANT i09.
pub fn teams(policy: &Policy, operation: &ActionName) -> Vec<TeamName> {
    let team = |owner| match owner {
        Owner::Team(team) => Some(team),
        Owner::Person(_) => None,
    };
    answerable(policy, operation)
        .into_iter()
        .filter_map(team)
        .collect()
}

/// Whether an account may erase an action's proposals now.
pub fn erasable(
    policy: &Policy,
    operation: &ActionName,
    seen: &Observation,
    account: AccountId,
) -> Result<(), NotErased> {
    let all = answerable(policy, operation);
    let could = || {
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        NotErased::NotAccountable {
            could: names.join(" or "),
        }
    };
    let person = policy.person_of(account).ok_or(NotErased::Nobody)?;
    let (mut named, mut unread) = (false, false);
    for owner in &all {
        match owner {
            Owner::Person(name) => named |= name == person.name(),
            Owner::Team(team) if person.teams().contains(team) => match seen.is_member(team, &[account]) {
                Some(member) => named |= member,
                None => unread = true,
            },
            Owner::Team(_) => {}
        }
    }
    match (named, seen.may_write(account)) {
        (true, Some(true)) => Ok(()),
        (true, None) => Err(NotErased::Unread),
        (false, _) if unread => Err(NotErased::Unread),
        (true | false, Some(_) | None) => Err(could()),
    }
}

#[cfg(test)]
mod tests;
