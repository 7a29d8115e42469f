//! GitHub's clock beside the local one. INVARIANT i30.

use tokio::time::Instant;

use super::{client::GitHub, error::Error};
use crate::domain::ids::Timestamp;

/// One `Date` of GitHub's, in whole seconds, and when it was asked for and heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dated {
    pub(super) date: Timestamp,
    pub(super) asked: Instant,
    pub(super) heard: Instant,
}

impl Dated {
    /// Milliseconds by which a local clock that says `local` at `now` is ahead for certain; 0 when it may be right.
    fn skew(&self, local: Timestamp, now: Instant) -> i64 {
        let ago =
            |at: Instant| i64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(i64::MAX);
        let then = |at: Instant| local.millis().saturating_sub(ago(at));
        let least = then(self.asked).saturating_sub(self.date.millis().saturating_add(999));
        let most = then(self.heard).saturating_sub(self.date.millis());
        if least > 0 { least } else { most.min(0) }
    }
}

impl GitHub {
    /// Milliseconds by which the local clock is ahead of GitHub's, by the last answer; none before the first.
    pub fn skew(&self, local: Timestamp) -> Option<i64> {
        self.dated().map(|dated| dated.skew(local, Instant::now()))
    }

    /// The latest that it may be at GitHub now, by the last answer; none before the first.
    pub fn latest(&self) -> Option<Timestamp> {
        let dated = self.dated()?;
        let since = Instant::now().saturating_duration_since(dated.asked).as_millis();
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        Some(Timestamp::from_millis(
            dated.date.millis().saturating_add(999).saturating_add(since),
        ))
    }

    /// Asks GitHub for nothing but the time; it is not counted.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn ask_time(&self) -> Result<(), Error> {
        self.get::<serde::de::IgnoredAny>("/rate_limit").await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn i30_a_slow_answer_is_no_skew_and_a_wrong_clock_is() {
        let asked = Instant::now();
        let dated = Dated {
            date: Timestamp::from_millis(1_000_000),
            asked,
            heard: asked + Duration::from_secs(20),
        };
        let now = asked + Duration::from_secs(60);
        // It was dated anywhere between the question and the answer.
        for right in [1_040_000, 1_050_000, 1_060_000, 1_060_999] {
            assert_eq!(dated.skew(Timestamp::from_millis(right), now), 0, "{right}");
        }
        assert_eq!(dated.skew(Timestamp::from_millis(1_092_000), now), 31_001);
        assert_eq!(dated.skew(Timestamp::from_millis(1_009_000), now), -31_000);
    }
}
