//! The bodies of entries about the rules themselves. INVARIANT i02.

use serde::{Deserialize, Serialize};

use super::Merged;
use crate::domain::{
    ids::{AccountId, Digest, PersonName, PullNumber, Sha},
    observation::Observation,
};

/// The body of `policy`: other rules came into force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enacted {
    /// The digest of the `policies/` tree that was in force.
    pub old: Digest,
    /// The digest of the one that is in force from here on.
    pub new: Digest,
    /// The pull request.
    pub pull: PullNumber,
    /// The commit that was approved.
    pub head: Sha,
    /// Its merge, and who released it.
    pub merged: Merged,
    /// Every approval that was counted.
    pub approvers: Vec<Approver>,
    /// What was seen at the decision, complete.
    pub observation: Box<Observation>,
}

/// Somebody whose approval of a change of the rules was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// By which rules.
    pub under: Under,
    /// The person, as those rules name them.
    pub person: PersonName,
    /// The account that approved.
    pub account: AccountId,
    /// What they stand for: an owning team, or their own name.
    pub requirement: String,
}

/// One of the two sets of rules that a change must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Under {
    /// The rules in force.
    Old,
    /// The rules that would come into force.
    New,
}

/// Rules that stand on the base branch without being in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stray {
    /// The commit that brought them.
    pub sha: Sha,
    /// Their digest; none when they can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
}
