//! Running totals: what waits, and what ran within the windows of the limits. INVARIANT i20.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::super::{
    case::Case,
    ids::{AgentName, ProposalId, Span, Timestamp},
    totals::{Count, SoFar, Totals},
};

/// How much longer than its window a total is kept: a proposal may be counted at a time shortly before the newest entry.
const SLACK: Span = Span::seconds(3_600);

/// Every counter that holds something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Lists", into = "Lists")]
pub(super) struct Running {
    counters: BTreeMap<Arc<str>, Counter>,
    placed: BTreeMap<ProposalId, Stands>,
    /// When what ran is not needed any more, and the counters it is in.
    until: BTreeMap<(Timestamp, ProposalId), Vec<Arc<str>>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Counter {
    waiting: BTreeMap<ProposalId, (AgentName, i64)>,
    ran: BTreeMap<(Timestamp, ProposalId), i64>,
}

/// Every counter, as it is written down: JSON has no keys of several parts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    counters: Vec<(Arc<str>, CounterLists)>,
    placed: BTreeMap<ProposalId, Stands>,
    until: Vec<(Timestamp, ProposalId, Vec<Arc<str>>)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CounterLists {
    waiting: BTreeMap<ProposalId, (AgentName, i64)>,
    ran: Vec<(Timestamp, ProposalId, i64)>,
}

impl From<Running> for Lists {
    fn from(running: Running) -> Self {
        let ran = |((at, id), adds)| (at, id, adds);
        let counter = |(name, counter): (Arc<str>, Counter)| {
            let lists = CounterLists {
                waiting: counter.waiting,
                ran: counter.ran.into_iter().map(ran).collect(),
            };
            (name, lists)
        };
        let until = |((at, id), names)| (at, id, names);
        Self {
            counters: running.counters.into_iter().map(counter).collect(),
            placed: running.placed,
            until: running.until.into_iter().map(until).collect(),
        }
    }
}

impl From<Lists> for Running {
    fn from(lists: Lists) -> Self {
        let counter = |(name, lists): (Arc<str>, CounterLists)| {
            let counter = Counter {
                waiting: lists.waiting,
                ran: lists
                    .ran
                    .into_iter()
                    .map(|(at, id, adds)| ((at, id), adds))
                    .collect(),
            };
            (name, counter)
        };
        let counters: BTreeMap<Arc<str>, Counter> = lists.counters.into_iter().map(counter).collect();
        // One copy of a name again.
        let known = |name: Arc<str>| {
            let one = counters.get_key_value(&name);
            one.map_or(name, |(known, _)| Arc::clone(known))
        };
        let until = |(at, id, names): (Timestamp, ProposalId, Vec<Arc<str>>)| {
            ((at, id), names.into_iter().map(known).collect())
        };
        let until = lists.until.into_iter().map(until).collect();
        Self {
            counters,
            placed: lists.placed,
            until,
        }
    }
}

/// Where a proposal stands in the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stands {
    Nowhere,
    Waiting,
    Ran(Timestamp),
}

impl Running {
    /// Brings a proposal's part to where its case stands after an entry of this time.
    pub(super) fn follow(&mut self, id: ProposalId, case: &Case, at: Timestamp) {
        let stands = match self.stands(id) {
            _ if case.life.ended() && !case.life.ran() => Stands::Nowhere,
            _ if !case.life.ran() => Stands::Waiting,
            // It counts from its start, whatever is known of its end, and however late. INVARIANT i21.
            Stands::Ran(started) => Stands::Ran(started),
            Stands::Waiting => Stands::Ran(at),
            Stands::Nowhere => Stands::Nowhere,
        };
        self.put(id, &case.proposal.binding.agent, &case.assessment.totals, stands);
    }

    /// Where a proposal stands; it stands alike in all its counters.
    pub(super) fn stands(&self, id: ProposalId) -> Stands {
        self.placed.get(&id).copied().unwrap_or(Stands::Nowhere)
    }

    /// Puts a proposal where it stands, and nowhere else.
    pub(super) fn put(&mut self, id: ProposalId, agent: &AgentName, totals: &Totals, stands: Stands) {
        let Some(longest) = totals.iter().map(Count::per).max() else {
            return;
        };
        let was = self.stands(id);
        if let Stands::Ran(at) = was {
            self.until.remove(&(until(at, longest), id));
        }
        let mut names = Vec::new();
        for count in totals.iter() {
            let name: Arc<str> = match self.counters.get_key_value(count.counter()) {
                Some((name, _)) => Arc::clone(name),
                None => count.counter().into(),
            };
            let counter = self.counters.entry(Arc::clone(&name)).or_default();
            counter.waiting.remove(&id);
            if let Stands::Ran(at) = was {
                counter.ran.remove(&(at, id));
            }
            match stands {
                Stands::Nowhere => {}
                Stands::Waiting => {
                    counter.waiting.insert(id, (agent.clone(), count.adds()));
                }
                Stands::Ran(at) => {
                    counter.ran.insert((at, id), count.adds());
                }
            }
            self.sweep(&name);
            names.push(name);
        }
        match stands {
            Stands::Nowhere => {
                self.placed.remove(&id);
            }
            Stands::Waiting => {
                self.placed.insert(id, stands);
            }
            Stands::Ran(at) => {
                self.placed.insert(id, stands);
                self.until.insert((until(at, longest), id), names);
            }
        }
    }

    fn sweep(&mut self, name: &str) {
        let empty = |counter: &Counter| counter.waiting.is_empty() && counter.ran.is_empty();
        if self.counters.get(name).is_some_and(empty) {
            self.counters.remove(name);
        }
    }

    /// What a counter holds at a moment, apart from one proposal.
    pub(super) fn so_far(
        &self,
        count: &Count,
        agent: &AgentName,
        apart: Option<ProposalId>,
        at: Timestamp,
    ) -> SoFar {
        let Some(counter) = self.counters.get(count.counter()) else {
            return SoFar::default();
        };
        let mut so_far = SoFar::default();
        let others = |id: &ProposalId| Some(*id) != apart;
        for (_, (whose, adds)) in counter.waiting.iter().filter(|(id, _)| others(id)) {
            let to = if whose == agent {
                &mut so_far.own
            } else {
                &mut so_far.others
            };
            *to = to.saturating_add(*adds);
        }
        let newest_first = counter.ran.iter().rev();
        let within = newest_first.take_while(|((ran, _), _)| at.since(*ran) < count.per().millis());
        for ((_, id), adds) in within {
            if others(id) {
                so_far.ran = so_far.ran.saturating_add(*adds);
            }
        }
        so_far
    }

    /// When so much of what ran leaves a limit's window that it has room again; none when that is never so by itself,
    /// or because of what ran besides and is not recorded yet.
    pub(super) fn frees_at(
        &self,
        count: &Count,
        apart: Option<ProposalId>,
        now: Timestamp,
        also: i64,
        low: bool,
    ) -> Option<Timestamp> {
        let counter = self.counters.get(count.counter())?;
        let oldest_first = counter
            .ran
            .iter()
            .filter(|((ran, id), _)| Some(*id) != apart && now.since(*ran) < count.per().millis());
        let all = oldest_first.clone().map(|(_, adds)| *adds);
        let mut left = all.fold(also, i64::saturating_add);
        for ((ran, _), adds) in oldest_first {
            left = left.saturating_sub(*adds);
            if !count.over_by_running(left, low) {
                return Some(ran.plus(count.per()));
            }
        }
        None
    }

    /// Lets go of what no window reaches any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some(first) = self.until.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, id), names) = first.remove_entry();
            let ran = self.placed.remove(&id);
            for name in names {
                if let (Some(counter), Some(Stands::Ran(at))) = (self.counters.get_mut(&name), ran) {
                    counter.ran.remove(&(at, id));
                }
                self.sweep(&name);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let counters = self.counters.values();
        counters
            .map(|counter| counter.waiting.len() + counter.ran.len())
            .sum::<usize>()
            + self.placed.len()
    }
}

/// When what ran at a time is not needed any more.
fn until(ran: Timestamp, per: Span) -> Timestamp {
    ran.plus(per).plus(SLACK)
}

#[cfg(test)]
mod tests;
