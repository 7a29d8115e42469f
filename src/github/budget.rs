//! GitHub's budget: what is left of it, a reserve that only voiding and closing may use, and how many requests a piece of
//! work makes. INVARIANT i31.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Method, StatusCode};

use super::answer::Answer;
use crate::domain::ids::Timestamp;

/// This part of an hour's requests is kept for voiding and closing: 250 of GitHub's 5,000.
const RESERVE: u64 = 20;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Anything that may wait.
    Ordinary,
    /// Showing that something is void or has ended, and closing it; people must not go on believing in it.
    Voiding,
}

/// What GitHub said last about the installation's hour.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Option<Left>>);

#[derive(Debug, Clone, Copy)]
struct Left {
    remaining: u64,
    limit: u64,
    resets: Timestamp,
}

impl Budget {
    /// Takes in what an answer says.
    pub(super) fn note(&self, answer: &Answer) {
        if let (Some(remaining), Some(limit), Some(resets)) = (answer.remaining, answer.limit, answer.reset) {
            let left = Left {
                remaining,
                limit,
                resets: Timestamp::from_millis(resets.saturating_mul(1_000)),
            };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
            #[allow(clippy::cast_precision_loss, reason = "a gauge, and GitHub's hours are small")]
            metrics::gauge!("countersign_github_budget_remaining").set(remaining as f64);
        }
    }

    /// Until when a write has to wait because the rest is kept for voiding.
    pub(super) fn kept_until(&self, method: &Method, purpose: Purpose, now: Timestamp) -> Option<Timestamp> {
        let left = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let may_wait = purpose == Purpose::Ordinary && *method != Method::GET;
        let short = left.remaining < left.limit / RESERVE && now < left.resets;
        (may_wait && short).then_some(left.resets)
    }
}

/// Requests that one piece of work made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// All of them.
    pub requests: u64,
    /// Those that GitHub counts: a 304 costs nothing.
    pub counted: u64,
}

#[derive(Debug, Default)]
struct Tally {
    requests: AtomicU64,
    counted: AtomicU64,
}

tokio::task_local! {
    static TALLY: Arc<Tally>;
}

/// Does a piece of work and counts the requests that it makes, but for those of tasks that it starts.
pub async fn tallied<F: Future>(work: F) -> (F::Output, Asked) {
    let tally = Arc::new(Tally::default());
    let done = TALLY.scope(Arc::clone(&tally), work).await;
    let asked = Asked {
        requests: tally.requests.load(Ordering::Relaxed),
        counted: tally.counted.load(Ordering::Relaxed),
    };
    (done, asked)
}

/// Counts one exchange: in the metrics, and for the piece of work that it belongs to. `None` is no answer.
pub(super) fn count(method: &Method, status: Option<StatusCode>) {
    let kind = match (method, status) {
        (_, None) => "unanswered",
        (_, Some(StatusCode::NOT_MODIFIED)) => "unchanged",
        (&Method::GET, Some(_)) => "read",
        (_, Some(_)) => "write",
    };
    metrics::counter!("countersign_github_requests_total", "kind" => kind).increment(1);
    // Nobody counts outside of a piece of work.
    let _ = TALLY.try_with(|tally| {
        tally.requests.fetch_add(1, Ordering::Relaxed);
        if kind != "unchanged" {
            tally.counted.fetch_add(1, Ordering::Relaxed);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(remaining: u64) -> Answer {
        Answer {
            remaining: Some(remaining),
            limit: Some(5_000),
            reset: Some(3_600),
            ..Answer::default()
        }
    }

    #[test]
    fn i31_the_last_of_an_hour_is_kept_for_voiding() {
        let (budget, now) = (Budget::default(), Timestamp::from_millis(0));
        let waits = |method: Method, purpose| budget.kept_until(&method, purpose, now);
        assert_eq!(
            waits(Method::POST, Purpose::Ordinary),
            None,
            "nothing is known yet"
        );
        budget.note(&answer(250));
        assert_eq!(waits(Method::POST, Purpose::Ordinary), None);
        budget.note(&answer(249));
        let reset = Some(Timestamp::from_millis(3_600_000));
        assert_eq!(waits(Method::POST, Purpose::Ordinary), reset);
        assert_eq!(waits(Method::PUT, Purpose::Ordinary), reset);
        assert_eq!(waits(Method::POST, Purpose::Voiding), None);
        assert_eq!(waits(Method::GET, Purpose::Ordinary), None);
        let later = Timestamp::from_millis(3_600_000);
        assert_eq!(budget.kept_until(&Method::POST, Purpose::Ordinary, later), None);
    }

    #[tokio::test]
    async fn i31_requests_are_counted_for_the_work_that_makes_them() {
        let work = async {
            count(&Method::GET, Some(StatusCode::OK));
            count(&Method::GET, Some(StatusCode::NOT_MODIFIED));
            count(&Method::POST, None);
        };
        let ((), asked) = tallied(work).await;
        assert_eq!((asked.requests, asked.counted), (3, 2));
        assert_eq!(tallied(async {}).await.1, Asked::default());
    }
}
