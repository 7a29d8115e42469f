//! What people do on pages: the same routes as the API, for the person the cookie names.
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::answer::Refusal;
use super::super::call::{Call, Caller, percent_decode};
use super::super::limits::Budgets;
use super::super::routes;
use super::super::server::plain;
use super::super::state::State;
use super::{Page, redirect, render, session, view};

/// Takes a form.
pub(super) fn post(state: &mut State, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response<Body> {
    if !session::same_origin(state, headers) {
        return plain(StatusCode::FORBIDDEN);
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let segments: Vec<String> = uri
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .map(percent_decode)
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["sign-in"] => {
            let back = field("back");
            let back = if back.starts_with('/') && !back.starts_with("//") {
                back
            } else {
                "/"
            };
            let mut response = redirect(back);
            if let Ok(cookie) = HeaderValue::from_str(&session::cookie(state, field("login"))) {
                response.headers_mut().insert("set-cookie", cookie);
            }
            response
        }
        [owner, name, "pull", n, what @ ("review" | "merge")] => {
            let Some((viewer, _)) = session::viewer(state, headers) else {
                return plain(StatusCode::UNAUTHORIZED);
            };
            let here = format!("/{owner}/{name}/pull/{n}");
            let repo = format!("/repos/{owner}/{name}");
            let (method, path, body) = if *what == "merge" {
                let body = json!({ "sha": field("sha"), "merge_method": field("method") });
                ("PUT", format!("{repo}/pulls/{n}/merge"), body)
            } else {
                review(&repo, n, field("event"), field("body"))
            };
            match run(state, viewer, method, &path, body) {
                Ok(()) => redirect(&here),
                Err(refusal) => {
                    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
                    match view::pull(state, owner, name, n) {
                        Ok(page) => render(
                            state,
                            headers,
                            &here,
                            Some(&refusal.text()),
                            Page { status, ..page },
                        ),
                        Err(_) => plain(status),
                    }
                }
            }
        }
        _ => plain(StatusCode::NOT_FOUND),
    }
}

fn review(repo: &str, n: &str, event: &str, body: &str) -> (&'static str, String, Value) {
    match event {
        "ISSUE_COMMENT" => (
            "POST",
            format!("{repo}/issues/{n}/comments"),
            json!({ "body": body }),
        ),
        "CLOSE" => ("PATCH", format!("{repo}/pulls/{n}"), json!({ "state": "closed" })),
        "REOPEN" => ("PATCH", format!("{repo}/pulls/{n}"), json!({ "state": "open" })),
        verdict => (
            "POST",
            format!("{repo}/pulls/{n}/reviews"),
            json!({ "event": verdict, "body": body }),
        ),
    }
}

fn run(state: &mut State, viewer: u64, method: &str, path: &str, body: Value) -> Result<(), Refusal> {
    let call = Call::new(Caller::User { id: viewer }, method, &state.api(), path, body);
    routes::route(state, &call, Budgets::unlimited()).map(|_| ())
}
