//! The agents' door from the outside: every request signed anew. INVARIANT i24.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use reqwest::{Client, Method, header, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Failure, paint};
use crate::domain::{
    door::{AGENT, NONCE, SIGNATURE, Signed, TIMESTAMP},
    ids::{AgentName, Nonce, ProposalId, Timestamp},
    request::Request,
};

/// How long one request may wait for the proposal to move, in seconds.
const LONG_POLL: u64 = 30;
/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What an agent signs with.
pub(super) enum Key {
    /// Its own key.
    Ed25519(Box<SigningKey>),
    /// A secret that the gate knows too.
    Hmac(SecretString),
}

/// The door, and who stands before it.
pub(super) struct Door {
    http: Client,
    server: Url,
    agent: AgentName,
    key: Key,
}

/// What the gate answered instead of doing it (RFC 9457).
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<Field>,
}

#[derive(Debug, Deserialize)]
struct Field {
    field: String,
    message: String,
}

/// Why there is no answer to build on.
#[derive(Debug)]
pub(super) enum DoorError {
    /// Nobody answered, or not in a way that can be read.
    NoAnswer(Failure),
    /// The gate said no; its words, raw and read.
    Problem(Value, Problem),
}

impl Door {
    /// The door of a server.
    pub(super) fn new(server: Url, agent: AgentName, key: Key) -> Result<Self, Failure> {
        if !matches!(server.scheme(), "http" | "https") || server.cannot_be_a_base() {
            let said = format!("`{server}` is not the address of a server");
            return Err(Failure::new(said)
                .next("give one as in `http://127.0.0.1:8080`")
                .usage());
        }
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(Failure::new)?;
        Ok(Self {
            http,
            server,
            agent,
            key,
        })
    }

    /// Signs a proposal as this agent's own; one with a shared secret is proved by the door alone.
    pub(super) fn sign(&self, request: &mut Request) -> Result<(), Failure> {
        match &self.key {
            Key::Ed25519(key) => request.sign(key).map_err(Failure::new),
            Key::Hmac(_) => Ok(()),
        }
    }

    /// Proposes, or asks what would become of it.
    pub(super) async fn propose(&self, request: &Request, dry_run: bool) -> Result<Value, DoorError> {
        let body = serde_json::to_vec(request).map_err(|error| DoorError::NoAnswer(Failure::new(error)))?;
        let path = if dry_run {
            "api/v1/proposals?dry_run=true"
        } else {
            "api/v1/proposals"
        };
        self.send(Method::POST, path, body).await
    }

    /// Where a proposal stands now.
    pub(super) async fn status(&self, id: ProposalId) -> Result<Value, DoorError> {
        self.send(Method::GET, &format!("api/v1/proposals/{id}"), Vec::new())
            .await
    }

    /// What became of a proposal.
    pub(super) async fn result(&self, id: ProposalId) -> Result<Value, DoorError> {
        let path = format!("api/v1/proposals/{id}/result");
        self.send(Method::GET, &path, Vec::new()).await
    }

    /// Where a proposal stands once it has moved, or after a while; after `at_most`, in whole seconds, when that is less.
    pub(super) async fn moved(&self, id: ProposalId, at_most: Option<Duration>) -> Result<Value, DoorError> {
        let wait = at_most.map_or(LONG_POLL, |left| LONG_POLL.min(left.as_secs().max(1)));
        let path = format!("api/v1/proposals/{id}?wait={wait}");
        self.send(Method::GET, &path, Vec::new()).await
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, DoorError> {
        let no_answer = |failure| DoorError::NoAnswer(failure);
        let base = self.server.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/{path}")).map_err(|error| no_answer(Failure::new(error)))?;
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let (timestamp, nonce) = (now(), fresh_nonce().map_err(no_answer)?);
        let signed = Signed {
            method: method.as_str(),
            path: &format!("{}{query}", url.path()),
            timestamp,
            nonce: &nonce,
            body: &body,
        };
        let signature = match &self.key {
            Key::Ed25519(key) => signed.sign(key),
            Key::Hmac(secret) => signed
                .mac(secret.expose_secret().as_bytes())
                .map_err(|error| no_answer(Failure::new(error)))?,
        };
        let answer = self
            .http
            .request(method, url)
            .header(AGENT, self.agent.as_str())
            .header(TIMESTAMP, timestamp.to_string())
            .header(NONCE, nonce.as_str())
            .header(SIGNATURE, signature)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .map_err(|error| no_answer(self.unreachable(&error)))?;
        let status = answer.status();
        let text = answer
            .bytes()
            .await
            .map_err(|error| no_answer(self.unreachable(&error)))?;
        let value: Value = serde_json::from_slice(&text).map_err(|_| {
            let said = format!(
                "`{}` answered {status} and no JSON; is it `countersign serve`?",
                self.server
            );
            no_answer(Failure::new(said))
        })?;
        if status.is_success() {
            return Ok(value);
        }
        match Problem::deserialize(&value) {
            Ok(problem) => Err(DoorError::Problem(value, problem)),
            Err(_) => Err(no_answer(Failure::new(format!(
                "`{}` answered {status}",
                self.server
            )))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "it took too long".to_owned()
        } else {
            cause(error)
        };
        Failure::new(format!("can't reach the gate at `{}`: {why}", self.server))
            .next("start it with `countersign serve`, or name another with `--server URL`")
    }
}

impl DoorError {
    /// What to tell a person.
    pub(super) fn failure(self) -> Failure {
        let problem = match self {
            Self::NoAnswer(failure) => return failure,
            Self::Problem(_, problem) => problem,
        };
        if problem.errors.is_empty() {
            return Failure::new(format!(
                "{} ({}): {}",
                problem.title, problem.status, problem.detail
            ));
        }
        let named = |field: &Field| match field.field.as_str() {
            "" => field.message.clone(),
            name => format!("{}: {}", paint::strong(name), field.message),
        };
        let next = match problem.errors.len() {
            1 => "change the field and propose again; nothing was recorded",
            _ => "change these fields and propose again; nothing was recorded",
        };
        Failure::many(problem.errors.iter().map(named)).next(next)
    }
}

/// The innermost reason: the outer ones only repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string()
}

/// This machine's time.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// A nonce that nobody used before.
pub(super) fn fresh_nonce() -> Result<Nonce, Failure> {
    format!("{:032x}", rand::random::<u128>())
        .parse()
        .map_err(Failure::new)
}
