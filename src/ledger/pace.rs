//! How often the ledger's remote is pushed to. GitHub advises six pushes a minute for a repository; what waits meanwhile
//! goes together. INVARIANT i31.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::domain::pace::Cells;

const MINUTE: Duration = Duration::from_secs(60);
/// So many may go at once after a rest: what five quiet minutes leave over of the six a minute that are advised.
const AT_ONCE: u32 = 30;

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
    began: Instant,
    pushes: Mutex<Cells>,
}

impl Pace {
    /// So many pushes a minute, and thirty at once after a rest.
    pub fn a_minute(pushes: NonZeroU32) -> Self {
        Self::new(MINUTE / pushes.get(), AT_ONCE)
    }

    /// A push each `every`; so many at once after a rest, two at least.
    pub fn new(every: Duration, at_once: u32) -> Self {
        Self {
            began: Instant::now(),
            pushes: Mutex::new(Cells::new(every, at_once.max(2))),
        }
    }

    /// When the next push may go; not before `now`.
    pub(super) fn next(&self, turn: Turn, now: Instant) -> Instant {
        let kept = match turn {
            Turn::Ordinary => 1,
            Turn::Started => 0,
        };
        let pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        let next = pushes.next(kept, now.saturating_duration_since(self.began));
        (self.began + next).max(now)
    }

    /// Notes a push, also one that did not wait for its turn: those after it wait the longer.
    pub(super) fn pushed(&self, now: Instant) {
        let mut pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        pushes.took(now.saturating_duration_since(self.began));
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
    fn i31_a_minute_holds_no_more_than_its_pushes_once_what_was_saved_is_spent() {
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
