//! The webhook door: proved, read, stored, answered. Everything else happens later. INVARIANT i24.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{problem::Problem, turn::Bot};
use crate::{domain::ids::DeliveryId, github};

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
    let Some(gate) = bot.gate() else {
        return Problem::unavailable("this process takes no webhooks").into_response();
    };
    if github::verify(gate.webhook_secret(), &body, text("x-hub-signature-256")).is_err() {
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
    let heard = match github::parse(event, delivery.clone(), &body) {
        Ok(hint) => bot.take_in(&delivery, &hint).await,
        Err(error) => {
            metrics::counter!("countersign_webhooks_total", "result" => "unreadable").increment(1);
            return Problem::unreadable(error.to_string()).into_response();
        }
    };
    match heard {
        Ok(heard) => {
            metrics::counter!("countersign_webhooks_total", "result" => heard).increment(1);
            StatusCode::ACCEPTED.into_response()
        }
        // Nobody is told that it was taken in: GitHub shows it as failed, and it can be delivered again.
        Err(error) => {
            metrics::counter!("countersign_webhooks_total", "result" => "not stored").increment(1);
            error.into_problem().into_response()
        }
    }
}
