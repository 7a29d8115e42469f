//! From a warrant to the calls to make, and to the entry that claims them.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;

use super::{
    Warrant,
    call::{Call, FillError, For},
    claim::{Approved, Claimed, NotMine, OutboxRow},
};
use crate::domain::{
    audit::Recorded,
    canonical::{NotCanonical, digest_of},
    credential::TokenNames,
    entry::{ClaimedBy, Digests, Draft, Event, Role, Started},
    ids::{Digest, InstanceId, ItemId, Seq, StepName, Timestamp},
    policy::{Execute, Policy, StepRule, Tier},
    proposal::{Item, ObservedFacts, Proposal},
};

/// What is done for one item: its steps, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemPlan {
    /// The item.
    pub item: ItemId,
    /// What was observed and approved, to be observed again right before the act. INVARIANT i13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedFacts>,
    /// Its steps; at least one.
    pub steps: Vec<Step>,
}

/// One step of an item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The call.
    pub call: Call,
    /// Its name, when the action has named steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<StepName>,
    /// The call that takes it back. INVARIANT i21.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Call>,
}

/// Why an approved proposal can't be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The catalog does not know the action any more.
    #[error("the catalog does not know `{0}`")]
    Action(String),
    /// The warrant was given under another policy.
    #[error("the policy in force is not the one the warrant was given under")]
    Policy,
    /// Approvers took every item out.
    #[error("approvers excluded every item; nothing is left to run")]
    Nothing,
    /// A template can't be filled.
    #[error("item `{item}`: {error}")]
    Fill {
        /// The item.
        item: ItemId,
        /// Why.
        error: FillError,
    },
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

/// Exactly what will be called, in order: every item of the proposal but those that approvers excluded.
///
/// ```compile_fail,E0277
/// fn cloned<T: Clone>(_: &T) {}
/// fn told(plan: &countersign::domain::warrant::ExecutionPlan) {
///     cloned(plan);
/// }
/// ```
#[derive(Debug)]
pub struct ExecutionPlan {
    proposal: Arc<Proposal>,
    tier: Tier,
    policy: Digest,
    items: Vec<ItemPlan>,
    excluded: BTreeSet<ItemId>,
    digest: Digest,
    deadline: Timestamp,
    approvers: Vec<String>,
}

/// Turns a warrant into the calls to make, from the approved parameters and the catalog alone.
pub fn plan(warrant: Warrant, policy: &Policy) -> Result<ExecutionPlan, PlanError> {
    if policy.digest() != warrant.policy {
        return Err(PlanError::Policy);
    }
    let proposal = warrant.proposal;
    let operation = &proposal.binding.operation;
    let action = policy
        .action(operation)
        .ok_or_else(|| PlanError::Action(operation.to_string()))?;
    let left_in = proposal.binding.items.iter();
    let items = left_in
        .filter(|item| !warrant.excluded.contains(&item.id))
        .map(|item| {
            plan_item(action.execute(), &proposal, item).map_err(|error| PlanError::Fill {
                item: item.id.clone(),
                error,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() {
        return Err(PlanError::Nothing);
    }
    let digest = digest_of(&items)?;
    Ok(ExecutionPlan {
        excluded: warrant.excluded,
        tier: warrant.tier,
        policy: warrant.policy,
        deadline: warrant.deadline,
        approvers: warrant.approvers,
        items,
        digest,
        proposal,
    })
}

fn plan_item(execute: &Execute, proposal: &Proposal, item: &Item) -> Result<ItemPlan, FillError> {
    let step = |rule: &StepRule| -> Result<Step, FillError> {
        let of = For {
            proposal,
            item,
            step: rule.name(),
        };
        Ok::<_, FillError>(Step {
            name: rule.name().cloned(),
            call: Call::doing(rule.connector(), of)?,
            undo: rule.undo().map(|undo| Call::undoing(undo, of)).transpose()?,
        })
    };
    Ok(ItemPlan {
        item: item.id.clone(),
        observed: proposal.observed_for(&item.id).map(|seen| seen.facts.clone()),
        steps: execute.steps().iter().map(step).collect::<Result<_, _>>()?,
    })
}

impl ItemPlan {
    /// Every call that may be made for the item.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.steps
            .iter()
            .flat_map(|step| std::iter::once(&step.call).chain(&step.undo))
    }
}

/// The freeze that a plan ends; only one of one item ends one.
pub(super) fn thaws(items: &[ItemPlan]) -> Option<Seq> {
    match items {
        [item] => item.calls().find_map(Call::thaws),
        _ => None,
    }
}

impl ExecutionPlan {
    /// The digest that `started` carries.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
    /// The proposal.
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }
    /// What is done for each item.
    pub fn items(&self) -> &[ItemPlan] {
        &self.items
    }
    /// The items that are not called, in the proposal's order.
    fn left_out(&self) -> impl Iterator<Item = &ItemId> {
        let items = self.proposal.binding.items.iter().map(|item| &item.id);
        items.filter(|item| self.excluded.contains(item))
    }
    /// Whether every call may be made again with its key, so that whoever finds it begun may go on. INVARIANT i21.
    fn resumable(&self) -> bool {
        self.items.iter().flat_map(ItemPlan::calls).all(Call::repeatable)
    }
    /// Low tier: the entry that tells of a claim by the outbox.
    pub fn started(&self, instance: InstanceId, now: Timestamp) -> Draft {
        self.claiming(ClaimedBy::Outbox, 1, instance, now)
    }

    /// The entry that claims it for an attempt, counted from 1.
    pub fn attempt(&self, attempt: u32, instance: InstanceId, now: Timestamp) -> Draft {
        self.claiming(ClaimedBy::Ledger, attempt, instance, now)
    }

    fn claiming(&self, claim: ClaimedBy, attempt: u32, instance: InstanceId, now: Timestamp) -> Draft {
        let calls = self.items.iter().flat_map(ItemPlan::calls);
        let long = calls.fold(0_i64, |sum, call| sum.saturating_add(call.timeout().millis()));
        let deadline = Timestamp::from_millis(now.millis().saturating_add(long).saturating_add(60_000));
        Draft {
            role: Role::Executor,
            person: None,
            agent: None,
            time: now,
            proposal: Some(self.proposal.id),
            digests: Digests {
                action: Some(self.proposal.action_digest()),
                policy: Some(self.policy),
                plan: Some(self.digest),
                presentation: None,
            },
            event: Event::Started(Started {
                instance,
                deadline: deadline.min(self.deadline),
                attempt,
                idempotency_key: self.proposal.id.to_string(),
                claim,
                resumable: self.resumable(),
                thaws: thaws(&self.items),
                excluded: self.left_out().cloned().collect(),
            }),
            grouped: claim == ClaimedBy::Outbox,
        }
    }

    /// Claimed by a `started` entry that the remote ledger acknowledged. INVARIANT i16.
    pub fn claim(self, started: &Recorded, me: &InstanceId) -> Result<Claimed, NotMine> {
        let entry = started.entry();
        let Event::Started(body) = &entry.event else {
            return Err(NotMine("not a `started` entry"));
        };
        if body.claim != ClaimedBy::Ledger {
            return Err(NotMine("it was claimed by an outbox"));
        }
        if entry.proposal != Some(self.proposal.id) {
            return Err(NotMine("another proposal"));
        }
        if entry.digests.plan != Some(self.digest)
            || entry.digests.action != Some(self.proposal.action_digest())
            || entry.digests.policy != Some(self.policy)
        {
            return Err(NotMine("another plan"));
        }
        if !self.left_out().eq(&body.excluded) {
            return Err(NotMine("other items"));
        }
        if body.instance != *me {
            return Err(NotMine("another instance"));
        }
        self.claimed(body)
    }

    /// Low tier: claimed by a row of the outbox on disk. INVARIANT i16.
    pub fn claim_low(self, row: &OutboxRow, me: &InstanceId, now: Timestamp) -> Result<Claimed, NotMine> {
        if self.tier != Tier::Low {
            return Err(NotMine("only low tier is claimed by the outbox"));
        }
        if row.proposal != self.proposal.id || row.plan != self.digest || row.instance != *me {
            return Err(NotMine("another plan or instance"));
        }
        let Event::Started(body) = self.started(me.clone(), now).event else {
            return Err(NotMine("not a `started` entry"));
        };
        self.claimed(&body)
    }

    fn claimed(self, started: &Started) -> Result<Claimed, NotMine> {
        let tokens = digest_of(&(self.proposal.id, self.digest, started));
        let tokens = tokens.map_err(|_| NotMine("it has no canonical form"))?;
        let approved = Approved {
            tier: self.tier,
            policy: self.policy,
            by: self.approvers,
        };
        let deadline = started.deadline.min(self.deadline);
        Ok(Claimed::of(
            self.proposal,
            self.items,
            self.digest,
            approved,
            TokenNames::of(tokens),
            (started.attempt, deadline),
        ))
    }
}
