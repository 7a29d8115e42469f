//! The webhook door: proved, read, taken in, answered. Everything else happens later. INVARIANT i24.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    problem::Problem,
    turn::{Bot, Told},
};
use crate::{
    domain::ids::{DeliveryId, RepoName},
    github::{self, Hint},
};

/// GitHub's own cap on a webhook's body, in bytes. INVARIANT i24.
pub const WEBHOOK_LIMIT: usize = 25 * 1024 * 1024;

/// `POST /webhooks/github`
pub(super) async fn webhook(
    State(bot): State<Bot>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return Problem::body(&rejection, WEBHOOK_LIMIT).into_response(),
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if github::verify(bot.webhook_secret(), &body, text("x-hub-signature-256")).is_err() {
        metrics::counter!("countersign_webhooks_total", "result" => "refused").increment(1);
        return Problem::unauthorised(
            "x-hub-signature-256 does not hold for the body and the app's webhook secret",
        )
        .into_response();
    }
    let Some(event) = text("x-github-event") else {
        return Problem::unreadable("the header x-github-event is missing").into_response();
    };
    let delivery: Option<DeliveryId> = text("x-github-delivery").and_then(|id| id.parse().ok());
    let Some(delivery) = delivery else {
        return Problem::unreadable("the header x-github-delivery is missing or malformed").into_response();
    };
    match github::parse(event, delivery, &body) {
        Ok(hint) => {
            metrics::counter!("countersign_webhooks_total", "result" => "accepted").increment(1);
            bot.hint(hint);
            StatusCode::ACCEPTED.into_response()
        }
        Err(error) => {
            metrics::counter!("countersign_webhooks_total", "result" => "unreadable").increment(1);
            Problem::unreadable(error.to_string()).into_response()
        }
    }
}

impl Bot {
    /// Takes in what a webhook said: a reason to look again, never a verdict.
    pub(super) fn hint(&self, hint: Hint) {
        if !hint.repo().is_some_and(|repo| self.is_ours(repo)) {
            return;
        }
        match hint {
            Hint::Review { pull, event, .. } => {
                self.queue().say(pull, [Told::Review(event)]);
            }
            Hint::Comment { pull, event, .. } => {
                self.queue().say(pull, [Told::Comment(event)]);
            }
            Hint::Pull(event) => {
                self.queue().say(event.pull, [Told::Pull(event)]);
            }
            Hint::Push { branch, .. } => self.pushed(&branch),
            Hint::CheckRerequested { .. } => self.look_at_all(),
            Hint::Protection { .. } => self.rules_changed(),
            Hint::MergeGroup {
                base_ref, base, head, ..
            } => self.grouped(&base_ref, base, head),
            Hint::Nothing => {}
        }
    }

    /// GitHub takes a repository's name in any case, and so may the operator.
    fn is_ours(&self, repo: &RepoName) -> bool {
        let same = |ours: &RepoName| ours.as_str().eq_ignore_ascii_case(repo.as_str());
        self.ledger().read(|book| same(&book.genesis().repository))
    }
}
