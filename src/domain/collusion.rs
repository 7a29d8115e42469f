//! Signs that separation of duties wears thin: two people who only ever approve for each other. INVARIANT i08 holds for
//! every single proposal all the same, so a sign blocks nothing; it is for whoever audits.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    entry::{Entry, Event},
    ids::{PersonName, ProposalId},
    observation::ReviewState,
};

/// Fewer approvals than this of either person say nothing.
pub const ENOUGH: u64 = 5;

/// Two people of whom each approved only what agents of the other one asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The two, in the order of their names.
    pub people: [PersonName; 2],
    /// How many proposals each approved.
    pub approved: [u64; 2],
}

/// Who approved for whom, folded from entries in their order.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    /// Of proposals that may still be reviewed: who answers for the agent, and whose approvals counted.
    open: BTreeMap<ProposalId, (PersonName, BTreeSet<PersonName>)>,
    /// By approver, the proposals approved by the person who answers for their agent.
    approved: BTreeMap<PersonName, BTreeMap<PersonName, u64>>,
}

impl Signs {
    /// Takes the next entry in.
    pub fn take(&mut self, entry: &Entry) {
        let Some(id) = entry.proposal else { return };
        match &entry.event {
            Event::Received(received) => {
                let sponsor = received.proposal.binding.sponsor.clone();
                self.open.insert(id, (sponsor, BTreeSet::new()));
            }
            Event::Reviewed(review) => {
                let counted = review.decision == ReviewState::Approved && review.requirement.is_some();
                let approver = entry.actor.person.as_ref().filter(|_| counted);
                if let (Some((sponsor, approvers)), Some(approver)) = (self.open.get_mut(&id), approver)
                    && approvers.insert(approver.clone())
                {
                    let of = self.approved.entry(approver.clone()).or_default();
                    *of.entry(sponsor.clone()).or_default() += 1;
                }
            }
            Event::Merged(_)
            | Event::Started(_)
            | Event::Voided(_)
            | Event::Denied(_)
            | Event::Expired(_)
            | Event::Cancelled(_)
            | Event::Superseded(_)
            | Event::Bypassed(_) => {
                self.open.remove(&id);
            }
            _ => {}
        }
    }

    /// The pairs so far, in the order of their names.
    pub fn pairs(&self) -> Vec<Pair> {
        let only = |approver: &PersonName| {
            let mut all = self.approved.get(approver)?.iter();
            match (all.next(), all.next()) {
                (Some((sponsor, count)), None) if *count >= ENOUGH => Some((sponsor, *count)),
                _ => None,
            }
        };
        let pair = |one: &PersonName| {
            let (other, by_one) = only(one)?;
            let (back, by_other) = only(other)?;
            (back == one && one < other).then(|| Pair {
                people: [one.clone(), other.clone()],
                approved: [by_one, by_other],
            })
        };
        self.approved.keys().filter_map(pair).collect()
    }
}
