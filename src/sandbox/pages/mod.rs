//! Pages for people: reading, signing in as somebody, reviewing, merging.
mod act;
mod diff;
mod markdown;
mod session;
mod view;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};

pub(crate) use self::markdown::markdown;
use super::answer::Refusal;
use super::call::percent_decode;
use super::json::merged;
use super::running::Shared;
use super::server::plain;
use super::state::{Kind, State};

const TEMPLATES: &[(&str, &str)] = &[
    ("base.html", include_str!("../../../templates/sandbox/base.html")),
    ("blob.html", include_str!("../../../templates/sandbox/blob.html")),
    (
        "commit.html",
        include_str!("../../../templates/sandbox/commit.html"),
    ),
    (
        "commits.html",
        include_str!("../../../templates/sandbox/commits.html"),
    ),
    ("diff.html", include_str!("../../../templates/sandbox/diff.html")),
    ("home.html", include_str!("../../../templates/sandbox/home.html")),
    ("pull.html", include_str!("../../../templates/sandbox/pull.html")),
    (
        "pulls.html",
        include_str!("../../../templates/sandbox/pulls.html"),
    ),
];
const STYLE: &str = include_str!("../../../templates/sandbox/style.css");

/// Nothing on a page may run or be fetched from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// One page: which template, with what.
struct Page {
    status: StatusCode,
    template: &'static str,
    context: Value,
}

/// Answers a browser.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Body> {
    let (method, uri, headers, body) = (method.clone(), uri.clone(), headers.clone(), body.clone());
    let done = tokio::task::spawn_blocking(move || {
        let mut state = shared.lock();
        if method == Method::POST {
            return act::post(&mut state, &uri, &headers, &body);
        }
        get(&state, &uri, &headers)
    });
    done.await
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn get(state: &State, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
    let segments: Vec<String> = uri
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .map(percent_decode)
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = uri.query().unwrap_or_default();
    let page = match segments.as_slice() {
        [] => Ok(view::home(state)),
        ["avatars", "u", id] => return avatar(state, id),
        [owner, name] => return redirect(&format!("/{owner}/{name}/pulls")),
        [owner, name, "pulls"] => view::pulls(state, owner, name, query.contains("state=closed")),
        [owner, name, "pull", n, ..] => view::pull(state, owner, name, n),
        [owner, name, "commits", branch @ ..] => view::commits(state, owner, name, &branch.join("/")),
        [owner, name, "commit", sha] => view::commit(state, owner, name, sha),
        [owner, name, "blob" | "raw", reference, path @ ..] => {
            view::blob(state, owner, name, reference, &path.join("/"))
        }
        _ => Err(Refusal::not_found()),
    };
    match page {
        Ok(page) => render(state, headers, &uri.to_string(), None, page),
        Err(refusal) => plain(StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::NOT_FOUND)),
    }
}

/// Renders a page with what every page has: who looks, who could, and an error to show.
fn render(state: &State, headers: &HeaderMap, here: &str, error: Option<&str>, page: Page) -> Response<Body> {
    let people: Vec<&str> = state
        .accounts
        .values()
        .filter(|account| account.kind == Kind::User && !account.deleted && account.login != "ghost")
        .map(|account| account.login.as_str())
        .collect();
    let common = json!({
        "style": STYLE,
        "here": here,
        "error": error,
        "viewer": session::viewer(state, headers).map(|(_, login)| login),
        "people": people,
        "repo": null,
    });
    match html(page.template, &merged(common, page.context)) {
        Ok(text) => finish(page.status, "text/html; charset=utf-8", text),
        Err(error) => {
            tracing::error!(%error, template = page.template, "a page could not be rendered");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn html(template: &str, context: &Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    environment
        .get_template(template)?
        .render(minijinja::value::Serde(context))
}

fn finish(status: StatusCode, media: &str, text: String) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", media)
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "same-origin")
        .header("cache-control", "no-store")
        .body(Body::from(text))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn redirect(to: &str) -> Response<Body> {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header("location", to)
        .body(Body::empty())
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

/// An initial on a coloured ground.
fn avatar(state: &State, id: &str) -> Response<Body> {
    let account = id.parse().ok().and_then(|id: u64| state.account(id));
    let Some(account) = account else {
        return plain(StatusCode::NOT_FOUND);
    };
    let initial = account
        .login
        .chars()
        .find(|c| c.is_ascii_alphanumeric())
        .unwrap_or('?')
        .to_ascii_uppercase();
    let hue = account.id * 47 % 360;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\"><rect width=\"40\" height=\"40\" \
         fill=\"hsl({hue} 45% 40%)\"/><text x=\"20\" y=\"27\" fill=\"#fff\" font-size=\"20\" text-anchor=\"middle\" \
         font-family=\"sans-serif\">{initial}</text></svg>"
    );
    finish(StatusCode::OK, "image/svg+xml", svg)
}
