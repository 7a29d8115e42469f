//! How often the ledger's remote is pushed to. GitHub advises six pushes a minute for a repository; what waits meanwhile
//! goes together. Generic cell rate algorithm (ITU-T I.371). INVARIANT i31.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);
/// What this many minutes left unused may be pushed at once.
const MINUTES_SAVED: u32 = 5;

/// What a push is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Anything; it leaves one push for executions.
    Ordinary,
    /// An execution begins: nothing acts before the remote holds that. INVARIANT i16.
    Started,
}

/// Spreads pushes over time.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    at_once: u32,
    /// When everything pushed so far would have been due, had it come evenly.
    due: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many pushes a minute, as a mean over five minutes.
    pub fn a_minute(pushes: NonZeroU32) -> Self {
        let at_once = pushes.get().saturating_mul(MINUTES_SAVED);
        Self::new(MINUTE / pushes.get(), at_once)
    }

    /// A push each `every`; so many at once after a rest, two at least.
    pub fn new(every: Duration, at_once: u32) -> Self {
        Self {
            every,
            at_once: at_once.max(2),
            due: Mutex::new(None),
        }
    }

    /// When the next push may go; not before `now`.
    pub(super) fn next(&self, turn: Turn, now: Instant) -> Instant {
        let kept = match turn {
            Turn::Ordinary => 1,
            Turn::Started => 0,
        };
        let ahead = self.every * (self.at_once - 1 - kept);
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.and_then(|due| due.checked_sub(ahead))
            .map_or(now, |from| from.max(now))
    }

    /// Notes a push, also one that did not wait for its turn: those after it wait the longer.
    pub(super) fn pushed(&self, now: Instant) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = Some(due.map_or(now, |due| due.max(now)) + self.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    /// Pushes as soon as it may, again and again; says after how long each went.
    fn pushes(pace: &Pace, turn: Turn, from: Instant, count: usize) -> Vec<u64> {
        let mut now = from;
        let one = |_| {
            now = pace.next(turn, now);
            pace.pushed(now);
            now.duration_since(from).as_secs()
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn i31_after_what_may_go_at_once_pushes_come_evenly() {
        let pace = Pace::new(TEN, 6);
        let began = Instant::now();
        assert_eq!(
            pushes(&pace, Turn::Ordinary, began, 8),
            [0, 0, 0, 0, 0, 10, 20, 30]
        );
        let rested = began + Duration::from_secs(3_600);
        assert_eq!(pushes(&pace, Turn::Ordinary, rested, 6), [0, 0, 0, 0, 0, 10]);
    }

    #[test]
    fn i16_one_push_is_kept_for_what_begins_an_execution() {
        let pace = Pace::new(TEN, 6);
        let began = Instant::now();
        pushes(&pace, Turn::Ordinary, began, 5);
        assert_eq!(pace.next(Turn::Ordinary, began), began + TEN);
        assert_eq!(pushes(&pace, Turn::Started, began, 2), [0, 10]);
    }

    #[test]
    fn i31_a_push_that_did_not_wait_is_paid_for_by_those_after_it() {
        let pace = Pace::new(TEN, 2);
        let began = Instant::now();
        for _ in 0..4 {
            pace.pushed(began);
        }
        assert_eq!(pace.next(Turn::Started, began), began + TEN * 3);
    }

    #[test]
    fn i31_a_minute_holds_no_more_than_its_pushes_as_a_mean_of_five() {
        let six = NonZeroU32::new(6).unwrap();
        let pace = Pace::a_minute(six);
        let began = Instant::now();
        let times = pushes(&pace, Turn::Started, began, 100);
        assert_eq!(times.iter().filter(|after| **after < 1).count(), 30);
        for from in times.iter().filter(|from| **from > 0) {
            let within = times.iter().filter(|at| (*from..from + 60).contains(*at));
            assert!(within.count() <= 6, "{times:?}");
        }
    }
}
