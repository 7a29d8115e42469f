//! From an open gate to something that may be run: each step is a value that only the step before can make.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::{
    audit::Recorded,
    canonical::{NotCanonical, digest_of},
    entry::{ClaimedBy, Digests, Draft, Event, Role, Started},
    gate::OpenGate,
    ids::{AccountId, Digest, InstanceId, ItemId, ProposalId, Sha, Span, Timestamp},
    policy::{BodyError, Execute, Filling, HttpExecute, Policy, Tier, UrlError},
    proposal::{DIFF_FILE, FILES, ObservedFacts, Proposal},
};

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
            excluded: gate.excluded().clone(),
            proposal,
        })
    }
}

/// One call to make, complete but for sealed values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The item it is for.
    pub item: ItemId,
    /// The call.
    pub call: HttpCall,
    /// What was observed and approved, to be observed again right before the act. INVARIANT i13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedFacts>,
}

/// A call over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpCall {
    /// The method.
    pub method: String,
    /// Where to.
    pub url: url::Url,
    /// The JSON body; sensitive values are placeholders until the moment it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The header that carries the idempotency key.
    pub idempotency_header: String,
    /// What the target is given so that a repetition has no second effect.
    pub idempotency_key: String,
    /// Whether the target acts once for one key, so that an unclear call may be repeated with it. INVARIANT i21.
    pub repeatable: bool,
    /// How long it may take.
    pub timeout: Span,
    /// Whether the catalog allows a private or loopback address.
    pub allow_private: bool,
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

/// Why a template of the catalog can't be filled with the approved parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The address.
    #[error(transparent)]
    Url(#[from] UrlError),
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
    steps: Vec<Step>,
    excluded: BTreeSet<ItemId>,
    digest: Digest,
    deadline: Timestamp,
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
    let Execute::Http(http) = action.execute();
    let mut steps = Vec::new();
    let left_in = proposal.binding.items.iter();
    for item in left_in.filter(|item| !warrant.excluded.contains(&item.id)) {
        let fill = |error| PlanError::Fill {
            item: item.id.clone(),
            error,
        };
        steps.push(Step {
            item: item.id.clone(),
            call: call(http, &proposal, item).map_err(fill)?,
            observed: proposal.observed_for(&item.id).map(|seen| seen.facts.clone()),
        });
    }
    if steps.is_empty() {
        return Err(PlanError::Nothing);
    }
    let digest = digest_of(&steps)?;
    Ok(ExecutionPlan {
        excluded: warrant.excluded,
        tier: warrant.tier,
        policy: warrant.policy,
        deadline: warrant.deadline,
        steps,
        digest,
        proposal,
    })
}

fn call(
    http: &HttpExecute,
    proposal: &Proposal,
    item: &super::proposal::Item,
) -> Result<HttpCall, FillError> {
    let id = proposal.id.to_string();
    let with = Filling {
        params: &item.parameters,
        proposal: &id,
        item: item.id.as_str(),
    };
    let body = http.body().map(|body| body.fill(with)).transpose()?;
    Ok(HttpCall {
        method: http.method().as_str().to_owned(),
        url: http.url().fill(&item.parameters)?,
        body,
        idempotency_header: http.idempotency_header().to_owned(),
        idempotency_key: format!("{}/{}", proposal.id, item.id),
        repeatable: http.repeatable(),
        timeout: http.timeout(),
        allow_private: http.allow_private(),
    })
}

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

impl ExecutionPlan {
    /// The digest that `started` carries.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
    /// The proposal.
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }
    /// The calls to make.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
    /// The items that are not called, in the proposal's order.
    fn left_out(&self) -> impl Iterator<Item = &ItemId> {
        let items = self.proposal.binding.items.iter().map(|item| &item.id);
        items.filter(|item| self.excluded.contains(item))
    }
    /// The entry that claims it.
    pub fn started(&self, instance: InstanceId, now: Timestamp) -> Draft {
        let claim = if self.tier == Tier::Low {
            ClaimedBy::Outbox
        } else {
            ClaimedBy::Ledger
        };
        let long = self
            .steps
            .iter()
            .fold(0_i64, |sum, step| sum.saturating_add(step.call.timeout.millis()));
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
                attempt: 1,
                idempotency_key: self.proposal.id.to_string(),
                claim,
                excluded: self.left_out().cloned().collect(),
            }),
            grouped: self.tier == Tier::Low,
        }
    }

    /// Medium and high tier: claimed by a `started` entry that the remote ledger acknowledged. INVARIANT i16.
    pub fn claim(self, started: &Recorded, me: &InstanceId) -> Result<Claimed, NotMine> {
        let entry = started.entry();
        let Event::Started(body) = &entry.event else {
            return Err(NotMine("not a `started` entry"));
        };
        if self.tier == Tier::Low || body.claim != ClaimedBy::Ledger {
            return Err(NotMine("low tier is claimed by the outbox"));
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
        let deadline = body.deadline.min(self.deadline);
        Ok(self.claimed(deadline))
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
        Ok(self.claimed(body.deadline))
    }

    fn claimed(self, deadline: Timestamp) -> Claimed {
        Claimed {
            proposal: self.proposal,
            steps: self.steps,
            plan: self.digest,
            deadline,
        }
    }
}

/// A plan whose lock is held: the only thing an executor takes.
///
/// There is one way to it, through [`super::gate::decide`], a merge (or low tier) and a recorded claim:
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
///     let forged = countersign::domain::warrant::Claimed { steps: Vec::new(), ..claimed };
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
    steps: Vec<Step>,
    plan: Digest,
    deadline: Timestamp,
}

impl Claimed {
    /// The proposal.
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }
    /// The calls to make, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
    /// The plan's digest.
    pub const fn plan(&self) -> Digest {
        self.plan
    }
    /// Nothing may be begun at or after this.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }
}

#[cfg(test)]
mod tests;
