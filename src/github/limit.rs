//! GitHub's primary and secondary rate limits, as its answers state them.

use std::time::Duration;

use http::StatusCode;

use super::answer::Answer;

/// Advised when a secondary limit names no time.
const UNNAMED: Duration = Duration::from_secs(60);

/// How long GitHub wants to be left alone; `None` when the answer is not about a limit. Such an answer had no effect.
pub(super) fn wait(answer: &Answer) -> Option<Duration> {
    if !matches!(
        answer.status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    ) {
        return None;
    }
    if let Some(seconds) = answer.retry_after {
        return Some(Duration::from_secs(seconds));
    }
    if answer.remaining == Some(0) {
        let now = answer.date.map_or(0, |at| at.seconds());
        let wait = answer.reset.map(|reset| reset.saturating_sub(now));
        return Some(wait.map_or(UNNAMED, |seconds| {
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0).saturating_add(1))
        }));
    }
    let named = answer.message().to_ascii_lowercase().contains("rate limit");
    (named || answer.status == StatusCode::TOO_MANY_REQUESTS).then_some(UNNAMED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Timestamp;

    fn answer(status: u16) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            date: Some(Timestamp::from_millis(1_000_000)),
            ..Answer::default()
        }
    }

    #[test]
    fn i31_each_way_of_stating_a_limit_is_read() {
        let after = Answer {
            retry_after: Some(7),
            ..answer(403)
        };
        assert_eq!(wait(&after), Some(Duration::from_secs(7)));
        let reset = Answer {
            remaining: Some(0),
            reset: Some(1_030),
            ..answer(403)
        };
        assert_eq!(wait(&reset), Some(Duration::from_secs(31)));
        let past = Answer {
            remaining: Some(0),
            reset: Some(3),
            ..answer(429)
        };
        assert_eq!(wait(&past), Some(Duration::from_secs(1)));
        let unnamed = Answer {
            body: r#"{"message":"You have exceeded a secondary rate limit."}"#.into(),
            ..answer(403)
        };
        assert_eq!(wait(&unnamed), Some(UNNAMED));
        let forbidden = Answer {
            body: r#"{"message":"Resource not accessible by integration"}"#.into(),
            ..answer(403)
        };
        assert_eq!(wait(&forbidden), None);
        assert_eq!(wait(&answer(404)), None);
    }
}
