//! A target in front of the bank whose answers to dry runs the test decides on.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{StatusCode, Uri, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::World;

/// What a dry run is answered with.
pub(crate) enum Says {
    /// A status and JSON.
    Json(u16, Value),
    /// A status, a type and bytes.
    Bytes(u16, &'static str, Vec<u8>),
    /// 302 to somewhere else.
    Redirect(&'static str),
    /// Nothing, ever.
    Silence,
}

/// A dry run as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) key: bool,
    pub(crate) proposal: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Known {
    bank: Option<String>,
    says: VecDeque<Says>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
struct Shared {
    known: Arc<Mutex<Known>>,
    http: reqwest::Client,
}

pub(crate) struct Front {
    url: String,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared {
            known: Arc::default(),
            http: reqwest::Client::new(),
        };
        let router = Router::new().fallback(asked).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, task }
    }
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
    /// Puts it in front of a world's bank.
    pub(crate) fn before(&self, world: &World) {
        self.shared.known.lock().unwrap().bank = Some(world.targets.bank().url().to_owned());
    }
    /// What the next dry run is answered with; the bank answers without it.
    pub(crate) fn says(&self, says: Says) {
        self.shared.known.lock().unwrap().says.push_back(says);
    }
    /// The dry runs so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.known.lock().unwrap().asked.clone()
    }
}

fn is_dry(uri: &Uri) -> bool {
    uri.query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "dry_run=true"))
}

async fn asked(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let (bank, says) = {
        let mut known = shared.known.lock().unwrap();
        let mut says = None;
        if is_dry(&parts.uri) {
            let text = |name: &str| {
                parts
                    .headers
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            known.asked.push(Asked {
                method: parts.method.to_string(),
                uri: parts.uri.to_string(),
                key: parts.headers.contains_key("idempotency-key"),
                proposal: text("countersign-proposal").unwrap_or_default(),
                authorization: text("authorization"),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            });
            says = known.says.pop_front();
        }
        (known.bank.clone().unwrap(), says)
    };
    match says {
        None => pass_on(&shared, &bank, parts, body).await,
        Some(Says::Json(status, value)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (
                status,
                [(header::CONTENT_TYPE, "application/json")],
                value.to_string(),
            )
                .into_response()
        }
        Some(Says::Bytes(status, kind, bytes)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, kind)], bytes).into_response()
        }
        Some(Says::Redirect(to)) => {
            (StatusCode::FOUND, [(header::LOCATION, to)], json!({}).to_string()).into_response()
        }
        Some(Says::Silence) => std::future::pending().await,
    }
}

async fn pass_on(shared: &Shared, bank: &str, parts: Parts, body: Bytes) -> Response {
    let mut passed = shared
        .http
        .request(parts.method, format!("{bank}{}", parts.uri))
        .body(body);
    for name in ["content-type", "idempotency-key", "countersign-proposal"] {
        if let Some(value) = parts.headers.get(name) {
            passed = passed.header(name, value);
        }
    }
    let answer = passed.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = (status, answer.bytes().await.unwrap()).into_response();
    for name in [header::CONTENT_TYPE, header::ETAG] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
