//! One proposal's life, as the ledger tells it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    assess::Assessment,
    delegation::Delegations,
    entry::{
        Digests, EditedPart, Erased, Event, Exception, Excluded, Finished, Merged, Opened, Outcome,
        Resolution, Resolved, Reviewed, Started, StepResult, VoidReason, Withdrawn,
    },
    ids::{AccountId, Digest, ItemId, ProposalId, Seq, Timestamp},
    policy::Tier,
    proposal::{Item, Proposal},
    verdict::{Because, Verdict},
};

/// An execution whose processes stop in mid-call is begun so often at most.
const MOST_ATTEMPTS: u32 = 10;

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Recorded, not shown to anybody yet.
    Received,
    /// Its pull request is open.
    Open,
    /// Merged through an open gate.
    Merged,
    /// An executor began.
    Started,
    /// It may or may not have run.
    Unknown,
    /// Ran.
    Executed,
    /// The target refused it.
    Refused,
    /// Failed.
    Errored,
    /// Failed and was undone.
    Undone,
    /// Some items ran and some did not.
    Partial,
    /// Not what was proposed any more.
    Voided,
    /// A person said no.
    Denied,
    /// Nobody said yes in time.
    Expired,
    /// Its agent took it back.
    Cancelled,
    /// A later proposal took its place.
    Superseded,
    /// Merged around the gate; never executed.
    Bypassed,
    /// Merged under other rules; never executed.
    PolicyChanged,
    /// Merged and refused after all.
    RefusedAfterMerge,
}

impl Life {
    /// Every state.
    pub const ALL: [Self; 18] = [
        Self::Received,
        Self::Open,
        Self::Merged,
        Self::Started,
        Self::Unknown,
        Self::Executed,
        Self::Refused,
        Self::Errored,
        Self::Undone,
        Self::Partial,
        Self::Voided,
        Self::Denied,
        Self::Expired,
        Self::Cancelled,
        Self::Superseded,
        Self::Bypassed,
        Self::PolicyChanged,
        Self::RefusedAfterMerge,
    ];
    /// Where an execution's end leaves a proposal.
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Executed => Self::Executed,
            Outcome::Refused => Self::Refused,
            Outcome::Errored => Self::Errored,
            Outcome::Undone => Self::Undone,
            Outcome::Partial => Self::Partial,
        }
    }
    /// Where a person's finding leaves a proposal of which nobody knew whether it ran.
    pub const fn found(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Executed => Self::Executed,
            Resolution::NotExecuted => Self::Errored,
        }
    }
    /// Whether nothing more can come of it.
    pub const fn ended(self) -> bool {
        match self {
            Self::Received | Self::Open | Self::Merged | Self::Started | Self::Unknown => false,
            Self::Executed
            | Self::Refused
            | Self::Errored
            | Self::Undone
            | Self::Partial
            | Self::Voided
            | Self::Denied
            | Self::Expired
            | Self::Cancelled
            | Self::Superseded
            | Self::Bypassed
            | Self::PolicyChanged
            | Self::RefusedAfterMerge => true,
        }
    }
    /// Whether it ran, or may have run, so that its limits count it. INVARIANT i20.
    pub const fn ran(self) -> bool {
        match self {
            Self::Started | Self::Unknown | Self::Executed | Self::Partial => true,
            Self::Received
            | Self::Open
            | Self::Merged
            | Self::Refused
            | Self::Errored
            | Self::Undone
            | Self::Voided
            | Self::Denied
            | Self::Expired
            | Self::Cancelled
            | Self::Superseded
            | Self::Bypassed
            | Self::PolicyChanged
            | Self::RefusedAfterMerge => false,
        }
    }
    /// The state's name, as records spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Open => "open",
            Self::Merged => "merged",
            Self::Started => "started",
            Self::Unknown => "unknown",
            Self::Executed => "executed",
            Self::Refused => "refused",
            Self::Errored => "errored",
            Self::Undone => "undone",
            Self::Partial => "partial",
            Self::Voided => "voided",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Bypassed => "bypassed",
            Self::PolicyChanged => "policy_changed",
            Self::RefusedAfterMerge => "refused_after_merge",
        }
    }
}
impl std::fmt::Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A review as the ledger recorded it, with the digests it was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedReview {
    /// When it was recorded.
    pub at: Timestamp,
    /// What it was made on.
    pub digests: Digests,
    /// The review.
    pub review: Reviewed,
}

/// An exception as the ledger recorded it, with the digests it was granted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedException {
    /// What it was granted on.
    pub digests: Digests,
    /// The exception.
    pub exception: Exception,
    /// What took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawn>,
}

impl RecordedException {
    /// Whether a word of somebody's takes this one back.
    fn is_of(&self, said: &Withdrawn) -> bool {
        self.exception.check == said.check && said.granted.contains(&self.exception.heard.comment)
    }
}

/// A proposal and everything recorded about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The proposal.
    pub proposal: Arc<Proposal>,
    /// What was found when it arrived.
    pub assessment: Assessment,
    /// The policy it was received under.
    pub policy: Digest,
    /// Where it stands.
    pub life: Life,
    /// The last entry about it.
    pub last: Seq,
    /// Its pull request.
    #[serde(default)]
    pub opened: Option<Opened>,
    /// When its pull request was opened.
    #[serde(default)]
    pub opened_at: Option<Timestamp>,
    /// The digest of `report.md`.
    #[serde(default)]
    pub presentation: Option<Digest>,
    /// Reviews in the order they were recorded.
    #[serde(default)]
    pub reviews: Vec<RecordedReview>,
    /// Exceptions in the order they were granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<RecordedException>,
    /// What approvers excluded, in the order they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// Who stands in for whom, as far as it was recorded while this could still be approved.
    #[serde(default, skip_serializing_if = "Delegations::is_empty")]
    pub delegations: Delegations,
    /// The last verdict recorded.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Whether reviewers were reminded.
    #[serde(default)]
    pub reminded: bool,
    /// Whether further reviewers were asked.
    #[serde(default)]
    pub escalated: bool,
    /// Its merge.
    #[serde(default)]
    pub merged: Option<Merged>,
    /// Its execution.
    #[serde(default)]
    pub started: Option<Started>,
    /// The digest of its plan, from the first attempt on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// Whether whoever had begun its execution stopped in mid-call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// What its execution did so far, where it has several steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<StepResult>,
    /// Which call of how many was made last, while it runs in several steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u32, u32)>,
    /// How its execution ended.
    #[serde(default)]
    pub finished: Option<Finished>,
    /// When it had run, in whole or in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_at: Option<Timestamp>,
    /// What a person found when nobody knew how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// The proposal that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<ProposalId>,
    /// Who reviewed what it replaces, and is asked again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reviewed_before: BTreeSet<AccountId>,
    /// The accounts of whoever changed it, or what it descends from. INVARIANT i08.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub co_writers: BTreeSet<AccountId>,
    /// Whoever edited its pull request, and what of it. INVARIANT i08.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edited: BTreeMap<AccountId, BTreeSet<EditedPart>>,
    /// Why it is void.
    #[serde(default)]
    pub voided: Option<VoidReason>,
    /// One line on why it ended without running.
    #[serde(default)]
    pub refused: Option<String>,
    /// The rules that did not hold when it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Because>,
    /// Who had its key and the answers to it destroyed. INVARIANT i29.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<Erased>,
}

impl Case {
    /// A case as it stands right after `received`.
    pub fn received(proposal: Arc<Proposal>, assessment: Assessment, policy: Digest, seq: Seq) -> Self {
        Self {
            proposal,
            assessment,
            policy,
            life: Life::Received,
            last: seq,
            opened: None,
            opened_at: None,
            presentation: None,
            reviews: Vec::new(),
            exceptions: Vec::new(),
            excluded: Vec::new(),
            delegations: Delegations::default(),
            verdict: None,
            reminded: false,
            escalated: false,
            merged: None,
            started: None,
            plan: None,
            stopped: false,
            took: Vec::new(),
            progress: None,
            finished: None,
            ran_at: None,
            resolved: None,
            replaced_by: None,
            reviewed_before: BTreeSet::new(),
            co_writers: BTreeSet::new(),
            edited: BTreeMap::new(),
            voided: None,
            refused: None,
            against: Vec::new(),
            erased: None,
        }
    }

    /// The proposal's tier as it was received.
    pub const fn tier(&self) -> Tier {
        self.assessment.tier
    }

    /// Everyone who reviewed it, and whatever it replaces.
    pub(super) fn reviewers(&self) -> impl Iterator<Item = AccountId> {
        let reviews = self.reviews.iter().filter_map(|recorded| recorded.review.account);
        reviews.chain(self.reviewed_before.iter().copied())
    }

    /// Whether an approver excluded an item.
    pub fn excludes(&self, item: &ItemId) -> bool {
        self.excluded.iter().any(|excluded| excluded.items.contains(item))
    }
    /// The items that approvers left in, in the proposal's order.
    pub fn left_in(&self) -> impl Iterator<Item = &Item> {
        let items = self.proposal.binding.items.iter();
        items.filter(|item| !self.excludes(&item.id))
    }
    /// The items that approvers excluded, in the proposal's order.
    pub fn left_out(&self) -> impl Iterator<Item = &ItemId> {
        let items = self.proposal.binding.items.iter().map(|item| &item.id);
        items.filter(|item| self.excludes(item))
    }

    /// Whether whoever finds it given up in mid-call may go on with it: the target acts once for each key. INVARIANT
    /// i21.
    pub fn resumable(&self) -> bool {
        let may = |started: &Started| started.resumable && started.attempt < MOST_ATTEMPTS;
        self.life == Life::Unknown && self.stopped && self.started.as_ref().is_some_and(may)
    }

    /// How every step ended so far.
    pub fn results(&self) -> &[StepResult] {
        let finished = self.finished.as_ref();
        finished.map_or(&self.took, |finished| &finished.steps)
    }

    /// How often its execution was begun.
    pub fn attempts(&self) -> u32 {
        self.started.as_ref().map_or(0, |started| started.attempt)
    }

    /// Whether an event may follow; the table of the proposal's life.
    pub fn allows(&self, event: &Event) -> bool {
        use Life::{Cancelled, Denied, Expired, Merged, Open, Received, Started, Superseded, Voided};
        let low = self.tier() == Tier::Low;
        match event {
            Event::Genesis(_)
            | Event::Policy(_)
            | Event::Received(_)
            | Event::Delegated(_)
            | Event::Frozen(_)
            | Event::Protection(_) => false,
            Event::Opened(_) => self.life == Received && !low,
            Event::Reviewed(_)
            | Event::Exception(_)
            | Event::Withdrawn(_)
            | Event::Excluded(_)
            | Event::Reminded(_)
            | Event::Escalated(_)
            | Event::Merged(_) => self.life == Open,
            // Told of late, what was edited before the merge still counts at the act.
            Event::Edited(_) => matches!(self.life, Open | Merged),
            Event::Observed(_) => {
                matches!(self.life, Open | Merged) || low && self.life == Received || self.resumable()
            }
            Event::Voided(_)
            | Event::Denied(_)
            | Event::Expired(_)
            | Event::Cancelled(_)
            | Event::Superseded(_) => {
                matches!(self.life, Received | Open)
            }
            Event::Bypassed(_) => {
                matches!(
                    self.life,
                    Received | Open | Voided | Denied | Expired | Cancelled | Superseded
                )
            }
            Event::PolicyChanged(_) | Event::RefusedAfterMerge(_) => self.life == Merged,
            Event::Started(_) if self.life == Life::Unknown => self.resumable(),
            Event::Started(_) => self.life == if low { Received } else { Merged },
            Event::Step(_) | Event::Undone(_) | Event::Thawed(_) | Event::Finished(_) | Event::Unknown(_) => {
                self.life == Started
            }
            Event::Erased(_) => self.life.ended(),
            Event::Resolved(_) => self.life == Life::Unknown,
            Event::Incident(_) => true,
        }
    }

    /// The case after an event that [`Case::allows`] it.
    pub(super) fn follow(&mut self, event: &Event, digests: &Digests, at: Timestamp, seq: Seq) {
        self.last = seq;
        match event {
            Event::Genesis(_)
            | Event::Policy(_)
            | Event::Received(_)
            | Event::Delegated(_)
            | Event::Protection(_)
            | Event::Frozen(_)
            | Event::Thawed(_)
            | Event::Incident(_) => {}
            Event::Opened(opened) => {
                self.life = Life::Open;
                self.presentation = digests.presentation;
                self.opened = Some(opened.clone());
                self.opened_at = Some(at);
            }
            Event::Reviewed(review) => {
                self.reviews.push(RecordedReview {
                    at,
                    digests: digests.clone(),
                    review: review.clone(),
                });
            }
            Event::Exception(exception) => self.exceptions.push(RecordedException {
                digests: digests.clone(),
                exception: exception.clone(),
                withdrawn: None,
            }),
            Event::Withdrawn(said) => {
                let taken = self.exceptions.iter_mut().filter(|recorded| recorded.is_of(said));
                taken.for_each(|recorded| recorded.withdrawn = Some(said.clone()));
            }
            Event::Excluded(excluded) => self.excluded.push(excluded.clone()),
            Event::Edited(edited) => self
                .edited
                .entry(edited.account)
                .or_default()
                .extend(&edited.parts),
            Event::Observed(observed) => self.verdict = Some(observed.gate),
            Event::Reminded(_) => self.reminded = true,
            Event::Escalated(_) => self.escalated = true,
            Event::Voided(voided) => {
                self.life = Life::Voided;
                self.voided = Some(voided.because);
                if voided.because == VoidReason::Rules {
                    self.refused =
                        Some("the rules changed since it was proposed; propose it anew".to_owned());
                }
            }
            Event::Denied(_) => self.life = Life::Denied,
            Event::Expired(_) => self.life = Life::Expired,
            Event::Cancelled(_) => self.life = Life::Cancelled,
            Event::Superseded(superseded) => {
                self.life = Life::Superseded;
                self.replaced_by = Some(superseded.by);
            }
            Event::Merged(merged) => {
                self.life = Life::Merged;
                self.merged = Some(merged.clone());
            }
            Event::Bypassed(refusal) => self.refuse(Life::Bypassed, &refusal.reason, &refusal.because),
            Event::PolicyChanged(refusal) => {
                self.refuse(Life::PolicyChanged, &refusal.reason, &refusal.because);
            }
            Event::RefusedAfterMerge(refusal) => {
                self.refuse(Life::RefusedAfterMerge, &refusal.reason, &refusal.because);
            }
            Event::Erased(erased) => self.erased = Some(erased.clone()),
            Event::Started(started) => {
                self.life = Life::Started;
                self.refused = None;
                self.progress = None;
                self.started = Some(started.clone());
                self.plan = digests.plan;
            }
            Event::Step(took) | Event::Undone(took) => {
                self.progress = Some(took.progress);
                self.took.push(took.result.clone());
            }
            Event::Finished(finished) => {
                self.life = Life::of(finished.outcome);
                self.ran(at);
                self.finished = Some(finished.clone());
            }
            Event::Resolved(resolved) => {
                self.life = Life::found(resolved.found);
                self.ran(at);
                self.refused = Some(format!("found to be {}: {}", resolved.found, resolved.reason));
                self.resolved = Some(resolved.clone());
            }
            Event::Unknown(unknown) => {
                self.stopped = unknown.stopped;
                self.refuse(Life::Unknown, &unknown.reason, &[]);
            }
        }
    }

    /// Notes when it had run, if it has.
    fn ran(&mut self, at: Timestamp) {
        self.ran_at = matches!(self.life, Life::Executed | Life::Partial).then_some(at);
    }

    /// The items that did not run, of one that did: approvers took them out, they failed, or they were undone.
    pub fn not_run(&self) -> BTreeSet<ItemId> {
        let ran = |item: &ItemId| {
            let mut results = self
                .results()
                .iter()
                .filter(|result| result.item == *item)
                .peekable();
            let any = results.peek().is_some();
            any && results.all(|result| !result.undo && result.outcome == Outcome::Executed)
        };
        let failed = |item: &&ItemId| self.life == Life::Partial && !ran(item);
        let items = self.proposal.binding.items.iter().map(|item| &item.id);
        let not_run = items.filter(|item| self.excludes(item) || failed(item));
        not_run.cloned().collect()
    }

    fn refuse(&mut self, life: Life, reason: &str, against: &[Because]) {
        self.life = life;
        self.against = against.to_vec();
        self.refused = Some(reason.to_owned());
    }
}

#[cfg(test)]
mod tests;
