//! The lock that is held while a plan runs. INVARIANT i16.

use std::sync::Arc;

use super::{
    call::Call,
    plan::{ItemPlan, thaws},
};
use crate::domain::{
    credential::TokenNames,
    ids::{Digest, InstanceId, ProposalId, Seq, Timestamp},
    policy::Tier,
    proposal::Proposal,
};

/// The lock is not this plan's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the recorded claim is not this plan's: {0}")]
pub struct NotMine(pub &'static str);

/// What an outbox wrote to disk before a low-tier act. INVARIANT i16.
#[derive(Debug)]
pub struct OutboxRow {
    /// The proposal.
    pub proposal: ProposalId,
    /// The plan.
    pub plan: Digest,
    /// The process that wrote it.
    pub instance: InstanceId,
}

/// What was decided about a plan, for those who are told of it.
#[derive(Debug)]
pub struct Approved {
    /// How risky it is.
    pub tier: Tier,
    /// The rules that it was decided under.
    pub policy: Digest,
    /// The people whose approvals were counted; nobody in low tier.
    pub by: Vec<String>,
}

/// A plan whose lock is held: the only thing an executor takes.
///
/// There is one way to it, through [`decide`](crate::domain::gate::decide), a merge (or low tier) and a recorded claim:
///
/// ```
/// use countersign::domain::{audit::Recorded, case::Case, gate::decide, ids::InstanceId, observation::Observation};
/// use countersign::domain::{policy::Policy, warrant::{Claimed, Merge, Warrant, plan}};
/// fn whole(case: &Case, seen: &Observation, policy: &Policy, merge: Merge, started: &Recorded, me: &InstanceId) -> Option<Claimed> {
///     let open = decide(case, seen, policy).open()?;
///     let warrant = Warrant::merged(open, merge).ok()?;
///     plan(warrant, policy).ok()?.claim(started, me).ok()
/// }
/// ```
///
/// The same without the decision, without the merge, and with an entry that is not recorded:
///
/// ```compile_fail,E0308
/// use countersign::domain::{audit::Recorded, case::Case, gate::decide, ids::InstanceId, observation::Observation};
/// use countersign::domain::{policy::Policy, warrant::{Claimed, Merge, Warrant, plan}};
/// fn whole(case: &Case, policy: &Policy, merge: Merge, started: &Recorded, me: &InstanceId) -> Option<Claimed> {
///     let warrant = Warrant::merged(case.clone(), merge).ok()?;
///     plan(warrant, policy).ok()?.claim(started, me).ok()
/// }
/// ```
/// ```compile_fail,E0308
/// use countersign::domain::{audit::Recorded, case::Case, gate::decide, ids::InstanceId, observation::Observation};
/// use countersign::domain::{policy::Policy, warrant::{Claimed, Merge, Warrant, plan}};
/// fn whole(case: &Case, seen: &Observation, policy: &Policy, started: &Recorded, me: &InstanceId) -> Option<Claimed> {
///     let open = decide(case, seen, policy).open()?;
///     plan(open, policy).ok()?.claim(started, me).ok()
/// }
/// ```
/// ```compile_fail,E0308
/// use countersign::domain::{audit::Recorded, case::Case, gate::decide, ids::InstanceId, observation::Observation};
/// use countersign::domain::{policy::Policy, warrant::{Claimed, Merge, Warrant, plan}};
/// fn whole(case: &Case, seen: &Observation, policy: &Policy, merge: Merge, started: &Recorded, me: &InstanceId) -> Option<Claimed> {
///     let open = decide(case, seen, policy).open()?;
///     let warrant = Warrant::merged(open, merge).ok()?;
///     plan(warrant, policy).ok()?.claim(started.entry(), me).ok()
/// }
/// ```
///
/// Nor can it be made by hand, copied, or read from a store:
///
/// ```compile_fail,E0451
/// fn forged(claimed: countersign::domain::warrant::Claimed) {
///     let forged = countersign::domain::warrant::Claimed { items: Vec::new(), ..claimed };
/// }
/// ```
/// ```compile_fail,E0277
/// fn cloned<T: Clone>(_: &T) {}
/// fn told(claimed: &countersign::domain::warrant::Claimed) {
///     cloned(claimed);
/// }
/// ```
/// ```compile_fail,E0277
/// fn stored<T: serde::de::DeserializeOwned>() {}
/// stored::<countersign::domain::warrant::Claimed>();
/// ```
#[derive(Debug)]
pub struct Claimed {
    proposal: Arc<Proposal>,
    items: Vec<ItemPlan>,
    plan: Digest,
    approved: Approved,
    tokens: TokenNames,
    attempt: u32,
    deadline: Timestamp,
}

impl Claimed {
    pub(super) const fn of(
        proposal: Arc<Proposal>,
        items: Vec<ItemPlan>,
        plan: Digest,
        approved: Approved,
        tokens: TokenNames,
        (attempt, deadline): (u32, Timestamp),
    ) -> Self {
        Self {
            proposal,
            items,
            plan,
            approved,
            tokens,
            attempt,
            deadline,
        }
    }
    /// The proposal.
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }
    /// What is done for each item, in order.
    pub fn items(&self) -> &[ItemPlan] {
        &self.items
    }
    /// The freeze that it ends. INVARIANT i22.
    pub fn thaws(&self) -> Option<Seq> {
        thaws(&self.items)
    }
    /// Whether it has a workflow run, in a step or to take one back, which takes as long as that does.
    pub fn dispatches(&self) -> bool {
        let mut calls = self.items.iter().flat_map(ItemPlan::calls);
        calls.any(|call| matches!(call, Call::Workflow(_)))
    }
    /// 1, or more where an earlier attempt was given up without an end.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
    /// The plan's digest.
    pub const fn plan(&self) -> Digest {
        self.plan
    }
    /// What was decided.
    pub const fn approved(&self) -> &Approved {
        &self.approved
    }
    /// The names of the credentials that may be made for this attempt, from
    /// `sha256(JCS([proposal, plan, body of started]))`. INVARIANT i19.
    pub const fn tokens(&self) -> &TokenNames {
        &self.tokens
    }
    /// Nothing may be begun at or after this.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }
}
