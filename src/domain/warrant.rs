//! From an open gate to something that may be run: each step is a value that only the step before can make.

mod call;
mod claim;
mod command;
mod plan;
mod workflow;

use std::{collections::BTreeSet, sync::Arc};

use super::{
    gate::OpenGate,
    ids::{AccountId, Digest, ItemId, Sha, Timestamp},
    policy::Tier,
    proposal::{DIFF_FILE, FILES, Proposal},
};

pub use call::{Call, FillError, HttpCall, ThawCall};
pub use claim::{Claimed, NotMine, OutboxRow};
pub use command::CommandCall;
pub use plan::{ExecutionPlan, ItemPlan, PlanError, Step, plan};
pub use workflow::WorkflowCall;

/// A merge as Git itself shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The commit on the base branch.
    pub sha: Sha,
    /// Its parents: the base before, then what was merged.
    pub parents: Vec<Sha>,
    /// Whether the protected branch holds it now.
    pub reachable: bool,
    /// Every path that differs from the first parent.
    pub changed: Vec<String>,
    /// The digest of its `proposal.yaml`.
    pub file: Digest,
    /// The digest of its `report.md`.
    pub presentation: Digest,
    /// The digest of `policies/` at its first parent.
    pub policy_before: Digest,
    /// The digest of its own `policies/`.
    pub policy_after: Digest,
    /// The proposal its `proposal.yaml` holds.
    pub proposal: Proposal,
    /// When, as GitHub says.
    pub at: Timestamp,
    /// Who released it.
    pub by: Option<AccountId>,
}

/// Why a merge is not the one that was approved. INVARIANT i14.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeViolation {
    /// Decided before the merge, when its releaser was not known and approvals were judged at another time.
    #[error("the gate was decided before the merge; look again and decide on the merged pull request")]
    Before,
    /// Not the commit that GitHub or the ledger names.
    #[error("the commit is not the merge that was decided on")]
    Commit,
    /// Nothing was reviewed: low tier has no merge.
    #[error("this gate was opened without a pull request")]
    Unreviewed,
    /// Squashed, rebased, or another head.
    #[error("the commit's parents are not the base and the approved head; merge with a merge commit")]
    Parents,
    /// Not on the protected branch any more.
    #[error("the protected branch does not hold the commit")]
    Unreachable,
    /// Another file than the proposal's.
    #[error("the commit also changes `{0}`")]
    Changed(String),
    /// One of the proposal's files was there before.
    #[error("the commit does not add `{0}`: it was merged before")]
    NotAdded(&'static str),
    /// The proposal's files are not the approved ones.
    #[error("`{0}` is not the one that was approved")]
    Content(&'static str),
    /// The policy is not the one it was approved under.
    #[error("`policies/` at the merge is not the policy it was approved under")]
    Policy,
}

/// Low tier alone runs without review.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} tier needs people's approval first")]
pub struct NotLow(pub Tier);

/// Leave to execute one proposal; made from an open gate and a proved merge, or an open low gate.
///
/// ```compile_fail,E0451
/// fn forged(warrant: countersign::domain::warrant::Warrant) {
///     let tier = countersign::domain::policy::Tier::Low;
///     let forged = countersign::domain::warrant::Warrant { tier, ..warrant };
/// }
/// ```
/// ```compile_fail,E0277
/// fn cloned<T: Clone>(_: &T) {}
/// fn told(warrant: &countersign::domain::warrant::Warrant) {
///     cloned(warrant);
/// }
/// ```
#[derive(Debug)]
pub struct Warrant {
    proposal: Arc<Proposal>,
    excluded: BTreeSet<ItemId>,
    tier: Tier,
    policy: Digest,
    deadline: Timestamp,
    approvers: Vec<String>,
}

impl Warrant {
    /// Proves that what was merged is what was approved, and nothing else. INVARIANT i14.
    pub fn merged(gate: OpenGate, merge: Merge) -> Result<Self, MergeViolation> {
        let reviewed = gate.reviewed().ok_or(MergeViolation::Unreviewed)?;
        let merged = reviewed.merged.ok_or(MergeViolation::Before)?;
        if merged.sha.is_some_and(|sha| sha != merge.sha) {
            return Err(MergeViolation::Commit);
        }
        match merge.parents.as_slice() {
            [_, head] if *head == reviewed.head => {}
            _ => return Err(MergeViolation::Parents),
        }
        if !merge.reachable {
            return Err(MergeViolation::Unreachable);
        }
        // Whole paths, not a prefix: nothing else may ride along, not even inside the proposal's directory.
        let files = FILES.map(|name| (name, format!("{}/{name}", reviewed.directory)));
        let foreign = |path: &&String| files.iter().all(|(_, file)| file != *path);
        if let Some(path) = merge.changed.iter().find(foreign) {
            return Err(MergeViolation::Changed(path.clone()));
        }
        let added = |(name, file): &&(&str, String)| *name == DIFF_FILE || merge.changed.contains(file);
        if let Some((name, _)) = files.iter().find(|file| !added(file)) {
            return Err(MergeViolation::NotAdded(name));
        }
        if merge.file != reviewed.file {
            return Err(MergeViolation::Content("proposal.yaml"));
        }
        if merge.presentation != reviewed.presentation {
            return Err(MergeViolation::Content("report.md"));
        }
        if merge.proposal != **gate.whole() {
            return Err(MergeViolation::Content("the proposal"));
        }
        if merge.policy_before != gate.policy() || merge.policy_after != gate.policy() {
            return Err(MergeViolation::Policy);
        }
        let until = merge.proposal.binding.valid.until;
        Ok(Self {
            tier: gate.tier(),
            policy: gate.policy(),
            deadline: until,
            approvers: gate.approvers().to_vec(),
            excluded: gate.excluded().clone(),
            proposal: Arc::new(merge.proposal),
        })
    }

    /// Low tier runs without review; it is sampled later.
    pub fn unreviewed(gate: OpenGate, proposal: Arc<Proposal>) -> Result<Self, NotLow> {
        if gate.tier() != Tier::Low || *proposal != **gate.whole() {
            return Err(NotLow(gate.tier().max(Tier::Medium)));
        }
        let deadline = proposal.binding.valid.until;
        Ok(Self {
            tier: gate.tier(),
            policy: gate.policy(),
            deadline,
            approvers: gate.approvers().to_vec(),
            excluded: gate.excluded().clone(),
            proposal,
        })
    }
}

#[cfg(test)]
mod tests;
