//! The facts of a recorded proposal: what no policy can change.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Facts, Granted, RecordedRolls, Said, Says, Who};
use crate::domain::{
    audit::Recorded,
    book::Book,
    case::{Case, RecordedReview},
    entry::Event,
    exception,
    ids::ProposalId,
    observation::{LiveReview, Observation, Seen},
    proposal::Item,
    review::{self, Opinion, Review},
};

/// The facts of a case as they stood when it was last observed: which reviews were recorded in time on the right text,
/// who had a hand in the pull request, and what was looked up. Without an observation nobody said anything.
pub fn facts_of(case: &Case, seen: Option<&Observation>) -> Facts {
    let proposal = &case.proposal;
    let mut facts = Facts {
        id: Some(proposal.id),
        operation: proposal.binding.operation.clone(),
        agent: proposal.binding.agent.clone(),
        sponsor: Some(proposal.binding.sponsor.clone()),
        items: proposal
            .binding
            .items
            .iter()
            .map(|item| Item {
                observed_digest: None,
                ..item.clone()
            })
            .collect(),
        observed: proposal.observed.clone(),
        dry_runs: proposal.dry_runs.clone(),
        claimed: proposal.claimed.clone(),
        justification: proposal.justification.clone(),
        exceptions: proposal.exceptions.clone(),
        rollback_plan: proposal.rollback_plan.clone(),
        at: proposal.created_at,
        reviews: Vec::new(),
        hands: Vec::new(),
        now: proposal.created_at,
        delegations: case.delegations.clone(),
        counted: case
            .assessment
            .totals
            .iter()
            .map(|count| (count.counter().to_owned(), count.so_far()))
            .collect(),
        granted: Vec::new(),
        excluded: case.left_out().cloned().collect(),
        rolls: None,
        amended: proposal.matter().corrected,
        rolls_back: proposal.matter().rolls_back,
    };
    if let Some(seen) = seen {
        add_seen(&mut facts, case, seen);
    }
    facts
}

fn add_seen(facts: &mut Facts, case: &Case, seen: &Observation) {
    facts.now = seen.decided_at().max(facts.at);
    let granted = exception::recorded(case, seen).map(|exception| Granted {
        check: exception.check.clone(),
        by: Who::Account(exception.heard.account),
        reason: exception.reason.clone(),
        at: Some(exception.heard.at),
    });
    facts.granted = granted.collect();
    let Some(live) = seen.reviews.known() else {
        return;
    };
    for (account, opinion) in review::opinions(case, seen, live, &mut Vec::new()) {
        let (says, at) = match opinion {
            Opinion::Approves(at) => (Says::Approve, Some(at)),
            Opinion::Objects => (Says::RequestChanges, None),
            Opinion::NotRecorded | Opinion::Nothing => continue,
        };
        let by = Who::Account(account);
        facts.reviews.push(Said { by, says, at });
    }
    let hands = seen
        .pull
        .known()
        .and_then(|pull| review::hands(&Review { case, seen, pull }).ok());
    let others = hands.iter().flat_map(review::Hands::all);
    facts.hands = others
        .filter(|account| *account != seen.me)
        .map(Who::Account)
        .collect();
    facts.rolls = Some(RecordedRolls {
        permissions: seen.permissions.clone(),
        memberships: seen.memberships.clone(),
    });
}

/// As [`facts_of`], as they stand after so many reviews that were recorded since it was observed.
pub fn facts_since(case: &Case, seen: Option<Observation>, reviews: usize) -> Facts {
    let seen = seen.map(|seen| Observed {
        seen,
        reviews: case.reviews.len().saturating_sub(reviews),
    });
    facts_at(case, seen.as_ref())
}

/// Gathers the facts of every proposal while a ledger is read. It holds one observation for each proposal that has not
/// ended, so its size does not grow with the ledger.
#[derive(Debug, Default)]
pub struct Gather {
    open: BTreeMap<ProposalId, Option<Observed>>,
}

/// What was seen, and how many reviews were recorded until then.
#[derive(Debug)]
struct Observed {
    seen: Observation,
    reviews: usize,
}

impl Observed {
    /// An observation is recorded when the verdict changes; what people said since is recorded by itself, and stands in
    /// what was seen as GitHub would show it.
    fn caught_up(&self, case: &Case) -> Cow<'_, Observation> {
        let since = case.reviews.get(self.reviews..).unwrap_or_default();
        if since.is_empty() {
            return Cow::Borrowed(&self.seen);
        }
        let mut seen = self.seen.clone();
        let Seen::Known(live) = &mut seen.reviews else {
            return Cow::Owned(seen);
        };
        for RecordedReview { at, review, .. } in since {
            live.retain(|live| live.id != review.review);
            live.push(LiveReview {
                id: review.review,
                account: review.account,
                login: review.login.clone(),
                human: true,
                state: review.decision,
                commit: review.commit,
                submitted_at: review.submitted_at,
            });
            seen.at = seen.at.max(*at);
        }
        Cow::Owned(seen)
    }
}

impl Gather {
    /// Takes an entry, and the book that it was applied to; gives the facts of a proposal that ended with it. What is
    /// recorded after a proposal's first end changes nothing.
    pub fn next(&mut self, book: &Book, recorded: &Recorded) -> Option<Facts> {
        let entry = recorded.entry();
        let id = entry.proposal?;
        match &entry.event {
            Event::Received(_) => {
                self.open.insert(id, None);
            }
            Event::Observed(observed) => {
                let known = book.case(id).or_else(|| book.recent(id));
                if let Some(seen) = self.open.get_mut(&id) {
                    *seen = Some(Observed {
                        seen: observed.observation.as_ref().clone(),
                        reviews: known.map_or(0, |case| case.reviews.len()),
                    });
                }
            }
            _ => {}
        }
        if book.case(id).is_some() {
            return None;
        }
        let seen = self.open.remove(&id)?;
        book.recent(id).map(|case| facts_at(case, seen.as_ref()))
    }

    /// The facts of the proposals that have not ended.
    pub fn rest(&self, book: &Book) -> Vec<Facts> {
        let seen = |id| self.open.get(id).and_then(Option::as_ref);
        book.cases().map(|(id, case)| facts_at(case, seen(id))).collect()
    }
}

fn facts_at(case: &Case, seen: Option<&Observed>) -> Facts {
    let seen = seen.map(|seen| seen.caught_up(case));
    facts_of(case, seen.as_deref())
}
