//! An executor apart follows the ledger and the base branch by itself: nobody tells it anything.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::turn::Bot;
use crate::domain::{
    case::{Case, Life},
    ids::{ProposalId, Seq, Span, Timestamp},
};

/// How often it is looked whether the ledger grew.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// The longest that something which waits is left alone, in seconds.
const LONGEST_WAIT: u32 = 60;

/// What was looked at and could not go on.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<BTreeMap<ProposalId, Wait>>);

#[derive(Debug)]
struct Wait {
    stands: (Life, Seq),
    looks: u32,
    until: Timestamp,
}

impl Waiting {
    /// The cases that are worth a look: those that the ledger says something new of, and the others at growing intervals.
    pub(super) fn due(&self, cases: Vec<Case>, now: Timestamp) -> Vec<Case> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|id, _| cases.iter().any(|case| case.proposal.id == *id));
        let mut cases = cases;
        cases.retain(|case| Wait::is_over(&mut waiting, case.proposal.id, (case.life, case.last), now));
        cases
    }
}

impl Wait {
    fn is_over(
        waiting: &mut BTreeMap<ProposalId, Self>,
        id: ProposalId,
        stands: (Life, Seq),
        now: Timestamp,
    ) -> bool {
        let known = waiting.get(&id).filter(|wait| wait.stands == stands);
        if known.is_some_and(|wait| now < wait.until) {
            return false;
        }
        let looks = known.map_or(0, |wait| wait.looks);
        let seconds = 1_u32.checked_shl(looks).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let wait = Self {
            stands,
            looks: looks.saturating_add(1).min(16),
            until: now.plus(Span::seconds(seconds)),
        };
        waiting.insert(id, wait);
        true
    }
}

impl Bot {
    /// Starts to carry out what others' gates let through, until the process ends.
    pub fn start_following(&self) {
        let bot = self.clone();
        self.tasks().spawn(async move { bot.beat_on().await });
        let bot = self.clone();
        self.tasks().spawn(async move {
            while !bot.stopping().has_begun() {
                if let Err(error) = bot.begin_round().await {
                    tracing::warn!(%error, "the ledger can't be followed now; it is tried again");
                }
                tokio::select! {
                    () = tokio::time::sleep(FOLLOW_EVERY) => {}
                    () = bot.stopping().begun() => return,
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_looked_at_less_and_less_until_something_new_is_said_of_it() {
        let mut waiting = BTreeMap::new();
        let id = ProposalId::from_parts(Timestamp::from_millis(0), 7);
        let mut looked = |last: u64, second: i64| {
            Wait::is_over(
                &mut waiting,
                id,
                (Life::Merged, Seq(last)),
                Timestamp::from_millis(second * 1_000),
            )
        };
        let looks: Vec<i64> = (0..300).filter(|second| looked(1, *second)).collect();
        assert_eq!(looks, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
        assert!(looked(2, 244) && !looked(2, 244) && looked(2, 245));
    }
}
