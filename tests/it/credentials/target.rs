//! A target in front of the bank that lets a request in only with a credential made for it, as `docs/targets.md` says.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{
        HeaderMap, Method, StatusCode, Uri,
        header::{CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse as _, Response},
};
use countersign::{domain::ids::Digest, service::Clock};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::World;

/// What it knows once the world stands.
#[derive(Clone)]
struct Known {
    bank: String,
    bot: String,
    issuer: String,
    clock: Clock,
}

#[derive(Default)]
struct Seen {
    known: Option<Known>,
    jtis: BTreeSet<String>,
    tokens: Vec<String>,
    claims: Vec<Value>,
    refusals: Vec<String>,
    looks: Vec<Option<String>>,
}

#[derive(Clone)]
struct Shared {
    url: String,
    seen: Arc<Mutex<Seen>>,
    http: reqwest::Client,
}

pub(crate) struct Strict {
    shared: Shared,
    task: JoinHandle<()>,
}

impl Drop for Strict {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Strict {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared {
            url: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
            http: reqwest::Client::new(),
        };
        let router = Router::new().fallback(asked).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, task }
    }
    pub(crate) fn url(&self) -> &str {
        &self.shared.url
    }
    /// Puts it in front of a world's bank, trusting the world's bot.
    pub(crate) fn trust(&self, world: &World) {
        self.shared.seen.lock().unwrap().known = Some(Known {
            bank: world.targets.bank().url().to_owned(),
            bot: format!("http://{}", world.address),
            issuer: format!(
                "{}/{}",
                world.github.url().trim_end_matches('/'),
                crate::world::REPO
            ),
            clock: world.clock_of_bot(),
        });
    }
    /// The tokens that were shown, good and bad.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().tokens.clone()
    }
    /// What the tokens say that let somebody in.
    pub(crate) fn claims(&self) -> Vec<Value> {
        self.shared.seen.lock().unwrap().claims.clone()
    }
    /// Why requests were refused.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().refusals.clone()
    }
    /// What those who only looked were shown with.
    pub(crate) fn looks(&self) -> Vec<Option<String>> {
        self.shared.seen.lock().unwrap().looks.clone()
    }
}

async fn asked(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let known = shared.seen.lock().unwrap().known.clone().unwrap();
    let shown = parts.headers.get("authorization");
    let shown = shown.map(|value| value.to_str().unwrap().to_owned());
    if parts.method == Method::GET {
        shared.seen.lock().unwrap().looks.push(shown);
        return pass_on(&shared, &known, &parts.method, &parts.uri, &parts.headers, body).await;
    }
    let token = shown.as_deref().and_then(|text| text.strip_prefix("Bearer "));
    let token = token.unwrap_or_default().to_owned();
    shared.seen.lock().unwrap().tokens.push(token.clone());
    let keys = shared
        .http
        .get(format!("{}/.well-known/jwks.json", known.bot))
        .send();
    let keys = keys.await.unwrap();
    assert_eq!(keys.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(keys.headers()["cache-control"], "public, max-age=300");
    let keys: JwkSet = keys.json().await.unwrap();
    let asked = Asked {
        method: parts.method.as_str(),
        url: format!("{}{}", shared.url, parts.uri),
        headers: &parts.headers,
        body: &body,
    };
    let good = verify(&token, &keys, &asked, &shared, &known);
    match good {
        Ok(claims) => {
            shared.seen.lock().unwrap().claims.push(claims);
            pass_on(&shared, &known, &parts.method, &parts.uri, &parts.headers, body).await
        }
        Err(why) => {
            shared.seen.lock().unwrap().refusals.push(why.to_owned());
            (StatusCode::UNAUTHORIZED, json!({ "error": why }).to_string()).into_response()
        }
    }
}

struct Asked<'a> {
    method: &'a str,
    url: String,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

/// Every check of `docs/targets.md`, in its order.
fn verify(
    token: &str,
    keys: &JwkSet,
    asked: &Asked<'_>,
    shared: &Shared,
    known: &Known,
) -> Result<Value, &'static str> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| "no token")?;
    if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some("JWT") {
        return Err("algorithm");
    }
    let key = header
        .kid
        .as_deref()
        .and_then(|kid| keys.find(kid))
        .ok_or("key")?;
    let key = DecodingKey::from_jwk(key).map_err(|_| "key")?;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[&shared.url]);
    rules.set_issuer(&[&known.issuer]);
    rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    // The clock of this world is not the machine's.
    rules.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules)
        .map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidAudience => "audience",
            jsonwebtoken::errors::ErrorKind::InvalidIssuer => "issuer",
            _ => "signature",
        })?
        .claims;
    let now = (known.clock)().seconds();
    let time = |name: &str| claims[name].as_i64().unwrap();
    if time("exp") <= now || time("nbf") > now || time("exp") - time("iat") > 300 {
        return Err("time");
    }
    let header = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
    let same = claims["htm"] == asked.method
        && claims["htu"] == asked.url
        && claims["body_digest"] == json!(Digest::of(asked.body))
        && claims["call"].as_str() == header("idempotency-key")
        && claims["sub"].as_str() == header("countersign-proposal");
    if !same {
        return Err("another request");
    }
    let jti = claims["jti"].as_str().unwrap().to_owned();
    if !shared.seen.lock().unwrap().jtis.insert(jti) {
        return Err("used");
    }
    Ok(claims)
}

async fn pass_on(
    shared: &Shared,
    known: &Known,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let mut request = shared
        .http
        .request(method.clone(), format!("{}{uri}", known.bank))
        .body(body);
    for name in ["idempotency-key", "countersign-proposal", "content-type"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    let mut response = (status, body).into_response();
    for name in [CONTENT_TYPE, ETAG] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
