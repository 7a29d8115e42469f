//! The routes, and the bounds that hold for each.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::{api, intake, problem::Problem, turn::Bot};

/// Every route of the service.
pub fn router(bot: Bot, metrics: Option<PrometheusHandle>) -> Router {
    let exposed = move || async move {
        match metrics {
            Some(metrics) => metrics.render().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
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
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no-route",
                "no such address",
                "see the README for the routes",
            )
        })
        .with_state(bot)
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
