//! How often something may happen: generic cell rate algorithm (ITU-T I.371), on any clock.

use std::time::Duration;

/// Spreads what happens over time. Times are counted from any fixed moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    every: Duration,
    at_once: u32,
    /// When everything so far would have been due, had it come evenly.
    due: Option<Duration>,
}

impl Cells {
    /// One each `every`, and so many at once after a rest, one at least.
    pub const fn new(every: Duration, at_once: u32) -> Self {
        Self {
            every,
            at_once: if at_once == 0 { 1 } else { at_once },
            due: None,
        }
    }

    /// At most so many in any span of this length, half of them at once.
    pub fn at_most(count: u32, per: Duration) -> Self {
        let count = count.max(1);
        let at_once = count.div_ceil(2);
        // As many at once, and one after each interval, come to `count` within the span; rounded up, never to more.
        let every = per / (count - at_once + 1) + Duration::from_nanos(1);
        Self::new(every, at_once)
    }

    /// When the next may come, while so many are kept for others; not before `now`.
    pub fn next(&self, kept: u32, now: Duration) -> Duration {
        let ahead = self.every * self.at_once.saturating_sub(1).saturating_sub(kept);
        let from = self.due.and_then(|due| due.checked_sub(ahead));
        from.map_or(now, |from| from.max(now))
    }

    /// Notes one, also one that did not wait for its turn: those after it wait the longer.
    pub fn took(&mut self, now: Duration) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.every);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_span_holds_more_than_its_count(
            count in 1_u32..50,
            per in 1_000_u64..100_000,
            waits in prop::collection::vec(0_u64..20_000, 1..200),
        ) {
            let per = Duration::from_millis(per);
            let mut cells = Cells::at_most(count, per);
            let (mut now, mut times) = (Duration::ZERO, Vec::new());
            for wait in waits {
                now = cells.next(0, now + Duration::from_millis(wait));
                cells.took(now);
                times.push(now);
            }
            for from in &times {
                let within = times.iter().filter(|at| (*from..*from + per).contains(*at)).count();
                prop_assert!(within <= usize::try_from(count).unwrap(), "{within} of {count}: {times:?}");
            }
        }
    }

    #[test]
    fn half_come_at_once_and_all_in_time() {
        let mut cells = Cells::at_most(4, Duration::from_secs(60));
        let mut took = || {
            let at = cells.next(0, Duration::ZERO);
            cells.took(at);
            at.as_secs()
        };
        assert_eq!([took(), took(), took(), took(), took()], [0, 0, 20, 40, 60]);
    }
}
