//! What the ledger says of changes of the rules, and what it may say next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{
    case::RecordedReview,
    entry::{Digests, Enacted, Entry, Event, Reviewed, Stray},
    ids::{Digest, PersonName, ProposalId, PullNumber, Sha},
    observation::ReviewState,
};

/// Why something about the rules can't be recorded now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotAmended {
    /// Rules are everybody's.
    #[error("a change of the rules is not about one proposal")]
    AboutAProposal,
    /// A review of a proposal, or of nothing.
    #[error("a review is either about a proposal or names the pull request that would change the rules")]
    NoPull,
    /// Another policy came into force first.
    #[error("the policy in force is {active}, not {named}; decide again")]
    Stale {
        /// In force.
        active: Digest,
        /// What the entry takes for it.
        named: Digest,
    },
    /// Nothing changes.
    #[error("the old and the new policy are the same")]
    Same,
    /// The entry's digest is not the new policy's.
    #[error("the policy digest is not the new policy's")]
    Digest,
    /// The merge does not prove what was approved.
    #[error("the merge's second parent is not the commit that was approved")]
    Parents,
    /// The pull request changed the rules before.
    #[error("pull request {0} came into force before")]
    Twice(PullNumber),
    /// Nobody approved.
    #[error("nobody approved it")]
    Nobody,
    /// No such approval is recorded on that commit.
    #[error("the ledger holds no approval of commit {} by {person}", .head.short())]
    NotRecorded {
        /// Who is said to have approved.
        person: PersonName,
        /// What.
        head: Sha,
    },
    /// Whoever merges never approves. INVARIANT i08.
    #[error("{0} released it and can't have approved it")]
    Releaser(PersonName),
    /// Alarm was given before.
    #[error("alarm about commit {} was given before", .0.short())]
    Alarmed(Sha),
}

/// The fold of what was recorded about the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendments {
    reviews: BTreeMap<PullNumber, Vec<RecordedReview>>,
    enacted: Vec<(PullNumber, Digest)>,
    strays: BTreeSet<Sha>,
}

impl Amendments {
    /// What was recorded of the reviews of a pull request, in order.
    pub fn reviews(&self, pull: PullNumber) -> &[RecordedReview] {
        self.reviews.get(&pull).map(Vec::as_slice).unwrap_or_default()
    }
    /// The pull requests that people reviewed and that did not come into force.
    pub fn pending(&self) -> impl Iterator<Item = PullNumber> {
        self.reviews.keys().copied()
    }
    /// The policies that came into force after the first, in that order, and the pull requests that brought them.
    pub fn enacted(&self) -> impl Iterator<Item = (PullNumber, Digest)> {
        self.enacted.iter().copied()
    }
    /// The policy that a pull request brought into force.
    pub fn brought_by(&self, pull: PullNumber) -> Option<Digest> {
        let mut all = self.enacted();
        all.find(|(by, _)| *by == pull).map(|(_, policy)| policy)
    }
    /// Whether alarm was given about a commit that brought rules around the gate.
    pub fn alarmed(&self, sha: Sha) -> bool {
        self.strays.contains(&sha)
    }

    /// Whether an event about the rules may be recorded while `active` is in force; none when it is about something
    /// else. INVARIANT i02.
    pub(in crate::domain) fn admissible(
        &self,
        active: Digest,
        proposal: Option<ProposalId>,
        event: &Event,
        digests: &Digests,
    ) -> Option<Result<(), NotAmended>> {
        let alone = || match proposal {
            Some(_) => Err(NotAmended::AboutAProposal),
            None => Ok(()),
        };
        match event {
            Event::Policy(enacted) => Some(alone().and_then(|()| self.enactable(active, enacted, digests))),
            Event::Reviewed(review) => match (review.pull, proposal) {
                (None, Some(_)) => None,
                (Some(pull), None) => Some(self.reviewable(active, pull, digests)),
                (Some(_), Some(_)) | (None, None) => Some(Err(NotAmended::NoPull)),
            },
            Event::Incident(incident) => {
                let stray = incident.stray.as_ref()?;
                Some(alone().and_then(|()| self.alarming(active, stray)))
            }
            _ => None,
        }
    }

    fn reviewable(&self, active: Digest, pull: PullNumber, digests: &Digests) -> Result<(), NotAmended> {
        if self.brought_by(pull).is_some() {
            return Err(NotAmended::Twice(pull));
        }
        match digests.policy {
            Some(named) if named == active => Ok(()),
            Some(named) => Err(NotAmended::Stale { active, named }),
            None => Err(NotAmended::Digest),
        }
    }

    fn alarming(&self, active: Digest, stray: &Stray) -> Result<(), NotAmended> {
        if self.strays.contains(&stray.sha) {
            Err(NotAmended::Alarmed(stray.sha))
        } else if stray.policy == Some(active) {
            Err(NotAmended::Same)
        } else {
            Ok(())
        }
    }

    fn enactable(&self, active: Digest, enacted: &Enacted, digests: &Digests) -> Result<(), NotAmended> {
        if enacted.old != active {
            return Err(NotAmended::Stale {
                active,
                named: enacted.old,
            });
        }
        if enacted.new == enacted.old {
            return Err(NotAmended::Same);
        }
        if digests.policy != Some(enacted.new) {
            return Err(NotAmended::Digest);
        }
        if self.brought_by(enacted.pull).is_some() {
            return Err(NotAmended::Twice(enacted.pull));
        }
        if !matches!(enacted.merged.parents.as_slice(), [_, head] if *head == enacted.head) {
            return Err(NotAmended::Parents);
        }
        if enacted.approvers.is_empty() {
            return Err(NotAmended::Nobody);
        }
        for approver in &enacted.approvers {
            if enacted.merged.by == Some(approver.account) {
                return Err(NotAmended::Releaser(approver.person.clone()));
            }
            let recorded = self.reviews(enacted.pull).iter().any(|recorded| {
                let review = &recorded.review;
                review.account == Some(approver.account)
                    && review.decision == ReviewState::Approved
                    && review.head == enacted.head
                    && review.commit == Some(enacted.head)
                    && recorded.digests.policy == Some(active)
            });
            if !recorded {
                return Err(NotAmended::NotRecorded {
                    person: approver.person.clone(),
                    head: enacted.head,
                });
            }
        }
        Ok(())
    }

    /// Whether an entry changes anything here.
    pub(in crate::domain) fn concerns(event: &Event) -> bool {
        match event {
            Event::Policy(_) => true,
            Event::Reviewed(review) => review.pull.is_some(),
            Event::Incident(incident) => incident.stray.is_some(),
            _ => false,
        }
    }

    /// Takes in an entry that was admitted.
    pub(in crate::domain) fn record(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Policy(enacted) => {
                self.reviews.remove(&enacted.pull);
                self.enacted.push((enacted.pull, enacted.new));
            }
            Event::Reviewed(review @ Reviewed { pull: Some(pull), .. }) => {
                self.reviews.entry(*pull).or_default().push(RecordedReview {
                    at: entry.time,
                    digests: entry.digests.clone(),
                    review: review.clone(),
                });
            }
            Event::Incident(incident) => {
                self.strays.extend(incident.stray.as_ref().map(|stray| stray.sha));
            }
            _ => {}
        }
    }
}
