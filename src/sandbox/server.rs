//! The HTTP server: REST, Git and pages behind one door.
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State as Extract};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::answer::{Answer, Refusal, Routed};
use super::call::{Call, Caller};
use super::clock::{http_date, stamp};
use super::faults::{self, Failure};
use super::limits::Budget;
use super::record::Recorded;
use super::running::Shared;
use super::{git_http, pages, routes};

const API: &str = "/api/v3";
const LARGEST: usize = 256 * 1024 * 1024;
const OLDER: &str = "2022-11-28";
const NEWER: &str = "2026-03-10";
const DOCUMENTATION: &str = "https://docs.github.com/rest";

pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
    local: Option<std::os::unix::net::UnixListener>,
    stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let router = Router::new()
        .fallback(door)
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(shared);
    let Ok(local) = local.map(tokio::net::UnixListener::from_std).transpose() else {
        return;
    };
    let beside = router.clone();
    let at_socket = async move {
        match local {
            Some(local) => axum::serve(local, beside).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = async { axum::serve(listener, router).await } => drop(served),
        served = at_socket => drop(served),
        _ = stopped => {}
    }
}

async fn door(
    Extract(shared): Extract<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path();
    if let Some(rest) = path
        .strip_prefix(API)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        let query = uri.query().unwrap_or_default().to_owned();
        return api(shared, &method, rest.to_owned(), query, headers, body).await;
    }
    if path.contains(".git/") {
        return git_http::answer(shared, &method, &uri, &headers, body).await;
    }
    pages::answer(shared, &method, &uri, &headers, &body).await
}

/// An answer on its way out.
struct Out {
    status: u16,
    media: &'static str,
    body: Vec<u8>,
    json: Value,
    link: Option<String>,
    etag: Option<String>,
    budget: Budget,
    extra: Vec<(&'static str, String)>,
}

/// A request that changes something, on its way.
struct Writing(Arc<Shared>);

impl Writing {
    /// With how many others are on their way already.
    fn begin(shared: &Arc<Shared>, method: &str) -> (Option<Self>, usize) {
        let mut state = shared.lock();
        let beside = state.writing;
        if method == "GET" {
            return (None, beside);
        }
        state.writing += 1;
        (Some(Self(Arc::clone(shared))), beside)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.lock().writing -= 1;
    }
}

async fn api(
    shared: Arc<Shared>,
    method: &Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let method = method.as_str().to_owned();
    let (writing, beside) = Writing::begin(&shared, &method);
    let failure = faults::take(&mut shared.lock().faults, &method, &path);
    if let Some(Failure::Slow { by }) = &failure {
        tokio::time::sleep(*by).await;
    }
    let working = Arc::clone(&shared);
    let done = tokio::task::spawn_blocking(move || {
        let _writing = writing;
        work(
            &working,
            &method,
            &path,
            &query,
            &headers,
            &body,
            (failure, beside),
        )
    });
    match done.await {
        Ok(response) => response,
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn work(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
    (failure, beside): (Option<Failure>, usize),
) -> Response<Body> {
    let mut state = shared.lock();
    let now = state.now();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let parsed: Result<Value, Refusal> = if body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(body).map_err(|_| Refusal::new(400, "Problems parsing JSON"))
    };
    let request = parsed.clone().unwrap_or(Value::Null);
    let caller = state.authenticate(header("authorization"));
    let who = caller.clone().unwrap_or(Caller::Anonymous);
    let caller_name = state.caller_name(&who);
    let free = path == "/rate_limit";
    let budget = state.budgets.spend(&who, now, u64::from(!free));
    let limited = budget.used > budget.limit && !free;
    let refused = refusal_of(failure.as_ref(), now.as_second()).or_else(|| {
        limited.then(|| {
            (
                Refusal::forbidden("API rate limit exceeded for the token."),
                Vec::new(),
            )
        })
    });
    let (routed, extra): (Routed, Vec<(&'static str, String)>) = match refused {
        Some((refusal, extra)) => (Err(refusal), extra),
        None => {
            let target = if query.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?{query}")
            };
            let routed = caller.and_then(|caller| {
                let mut call = Call::new(caller, method, &state.api(), &target, parsed?);
                header("accept").unwrap_or_default().clone_into(&mut call.accept);
                routes::route(&mut state, &call, budget)
            });
            (routed, Vec::new())
        }
    };
    let mut out = finish(dated(routed, header("x-github-api-version")), budget, extra);
    if method == "GET" && out.status == 200 {
        let etag = format!("W/\"{}\"", hex::encode(Sha256::digest(&out.body)));
        let known = header("if-none-match").is_some_and(|sent| sent.split(',').any(|one| one.trim() == etag));
        if known {
            out.status = 304;
            out.body.clear();
            out.json = Value::Null;
            out.budget = state.budgets.refund(&who, now);
        }
        out.etag = Some(etag);
    }
    match &failure {
        Some(Failure::After { status }) => {
            out.status = *status;
            out.json = serde_json::json!({ "message": "Server Error" });
            out.body = out.json.to_string().into_bytes();
        }
        Some(Failure::Empty) => {
            out.body.clear();
            out.json = Value::Null;
        }
        Some(Failure::Truncated) => {
            out.body.truncate(out.body.len() / 2);
            out.json = Value::Null;
        }
        Some(Failure::PrimaryLimit { .. }) => {
            out.budget = Budget {
                used: out.budget.limit,
                ..out.budget
            }
        }
        Some(
            Failure::SecondaryLimit { .. }
            | Failure::Before { .. }
            | Failure::Refuse { .. }
            | Failure::Slow { .. },
        )
        | None => {}
    }
    state.record.push(Recorded {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        caller: caller_name,
        request,
        status: out.status,
        response: out.json.clone(),
        beside,
        faulty: failure.is_some_and(|failure| !matches!(failure, Failure::Slow { .. })),
    });
    respond(out, &http_date(now), &stamp(now))
}

/// The answer as the API version asked for has it: the newest one leaves `merge_commit_sha` out of pull requests.
fn dated(routed: Routed, version: Option<&str>) -> Routed {
    match version {
        None | Some(OLDER) => routed,
        Some(NEWER) => routed.map(|mut answer| {
            let trim = |value: &mut Value| {
                if let Some(fields) = value.as_object_mut() {
                    fields.remove("merge_commit_sha");
                }
            };
            match &mut answer.body {
                Some(Value::Array(items)) => items.iter_mut().for_each(trim),
                Some(other) => trim(other),
                None => {}
            }
            answer
        }),
        Some(other) => Err(Refusal::new(
            400,
            format!("API version \"{other}\" is not supported."),
        )),
    }
}

/// What a fault answers instead of the route, before anything takes effect.
fn refusal_of(failure: Option<&Failure>, now: i64) -> Option<(Refusal, Vec<(&'static str, String)>)> {
    match failure? {
        Failure::PrimaryLimit { reset_in } => {
            let reset = now.saturating_add(i64::try_from(*reset_in).unwrap_or(i64::MAX));
            let extra = vec![("x-ratelimit-reset", reset.to_string())];
            Some((
                Refusal::forbidden("API rate limit exceeded for installation."),
                extra,
            ))
        }
        Failure::SecondaryLimit { status, retry_after } => {
            let message =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            Some((
                Refusal::new(*status, message),
                vec![("retry-after", retry_after.to_string())],
            ))
        }
        Failure::Refuse { status, message } => Some((Refusal::new(*status, message.clone()), Vec::new())),
        Failure::Before { status } => Some((Refusal::new(*status, "Server Error"), Vec::new())),
        Failure::After { .. } | Failure::Slow { .. } | Failure::Empty | Failure::Truncated => None,
    }
}

fn finish(routed: Routed, budget: Budget, extra: Vec<(&'static str, String)>) -> Out {
    let blank = Out {
        status: 200,
        media: "application/json; charset=utf-8",
        body: Vec::new(),
        json: Value::Null,
        link: None,
        etag: None,
        budget,
        extra,
    };
    match routed {
        Ok(Answer {
            status,
            raw: Some((media, bytes)),
            ..
        }) => Out {
            status,
            media,
            body: bytes,
            ..blank
        },
        Ok(Answer {
            status,
            body,
            link,
            raw: None,
        }) => {
            let json = body.unwrap_or(Value::Null);
            let body = if json.is_null() {
                Vec::new()
            } else {
                json.to_string().into_bytes()
            };
            Out {
                status,
                body,
                json,
                link,
                ..blank
            }
        }
        Err(refusal) => {
            let json = refusal.body(DOCUMENTATION);
            Out {
                status: refusal.status,
                body: json.to_string().into_bytes(),
                json,
                ..blank
            }
        }
    }
}

fn respond(out: Out, date: &str, request_id: &str) -> Response<Body> {
    let mut response = Response::builder()
        .status(out.status)
        .header("date", date)
        .header("server", "GitHub.com")
        .header("x-github-media-type", "github.v3; format=json")
        .header("x-github-api-version-selected", "2022-11-28")
        .header("x-github-request-id", request_id)
        .header("x-ratelimit-limit", out.budget.limit)
        .header("x-ratelimit-remaining", out.budget.remaining())
        .header("x-ratelimit-used", out.budget.used)
        .header("x-ratelimit-resource", "core")
        .header("cache-control", "private, max-age=60, s-maxage=60");
    if !out.extra.iter().any(|(name, _)| *name == "x-ratelimit-reset") {
        response = response.header("x-ratelimit-reset", out.budget.reset);
    }
    for (name, value) in out.extra {
        response = response.header(name, value);
    }
    if let Some(link) = out.link {
        response = response.header("link", link);
    }
    if let Some(etag) = out.etag {
        response = response.header("etag", etag);
    }
    if !out.body.is_empty() {
        response = response.header("content-type", out.media);
    }
    response
        .body(Body::from(out.body))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

/// A bare answer.
pub(crate) fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    response
}
