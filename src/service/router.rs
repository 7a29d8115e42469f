//! The routes, and the bounds that hold for each.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::{api, intake, problem::Problem, turn::Bot};
use crate::domain::credential::KEPT;

/// Every route of the service.
pub fn router(bot: Bot, metrics: Option<PrometheusHandle>) -> Router {
    let exposed = move || async move {
        match metrics {
            Some(metrics) => metrics.render().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let doors = match bot.gate() {
        Some(_) => doors(),
        None => Router::new(),
    };
    doors
        .route("/.well-known/jwks.json", get(keys))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposed))
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "no-method",
                "the address takes another method",
                "see the README for the routes",
            )
        })
        .fallback(|State(bot): State<Bot>| async move {
            let next = match bot.gate() {
                Some(_) => "see the README for the routes",
                None => "this process only executes; agents and webhooks go to the gate",
            };
            Problem::new(StatusCode::NOT_FOUND, "no-route", "no such address", next)
        })
        .with_state(bot)
}

/// Where agents and webhooks come in.
fn doors() -> Router<Bot> {
    Router::new()
        .route(
            "/webhooks/github",
            post(intake::webhook).layer(DefaultBodyLimit::max(intake::WEBHOOK_LIMIT)),
        )
        .route(
            "/api/v1/proposals",
            post(api::propose).layer(DefaultBodyLimit::max(api::PROPOSAL_LIMIT)),
        )
        .route("/api/v1/proposals/{id}", get(api::status))
        .route("/api/v1/proposals/{id}/result", get(api::result))
        .route("/.well-known/callback-keys.json", get(callback_keys))
}

/// What targets verify credentials with. INVARIANT i19.
async fn keys(State(bot): State<Bot>) -> Response {
    match bot.published_keys() {
        Ok(Some(keys)) => {
            let kept = format!("public, max-age={}", KEPT.millis() / 1_000);
            // RFC 7517, section 8.5.2.
            let kind = "application/jwk-set+json".to_owned();
            ([(CONTENT_TYPE, kind), (CACHE_CONTROL, kept)], keys.to_string()).into_response()
        }
        Ok(None) => Problem::new(
            StatusCode::NOT_FOUND,
            "no-keys",
            "this process makes no credentials",
            "ask the one that executes",
        )
        .into_response(),
        Err(error) => {
            tracing::error!(%error, "the keys of credentials can't be published");
            Problem::unavailable("the keys can't be read now").into_response()
        }
    }
}

/// What agents check callbacks with.
async fn callback_keys(State(bot): State<Bot>) -> Response {
    match bot.callback_keys() {
        Ok(keys) => {
            let kind = [(CONTENT_TYPE, "application/jwk-set+json")];
            (kind, Json(keys)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the key of callbacks can't be published");
            Problem::unavailable("the key of callbacks can't be had now").into_response()
        }
    }
}

/// Ready means: what comes in can be stored, the policy in force is the one on the base branch, and the ledger can be read.
async fn ready(State(bot): State<Bot>) -> Response {
    if bot.stopping().has_begun() {
        return Problem::unavailable("the process is ending").into_response();
    }
    let depth = match bot.stores().await {
        Ok(depth) => depth,
        Err(error) => return Problem::unavailable(error.to_string()).into_response(),
    };
    match bot.in_force().await {
        Ok(policy) => Json(json!({
            "ready": true,
            "policy": policy.digest(),
            "entries": bot.ledger().read(|book| book.size()),
            "queue": depth,
        }))
        .into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}
