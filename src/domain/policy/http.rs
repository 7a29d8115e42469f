//! How the bot reads and acts over HTTP: declared in the catalog, never by an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    auth::{RawAuth, RawReading},
    request::{Before, HttpRequest, Kind},
};
use crate::domain::{
    ids::Span,
    source::{Fault, Node},
};

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Asks or acts.
    Post,
    /// Puts a whole state.
    Put,
    /// Changes part of a state.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A place in an answer, by JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct JsonPointer(#[schemars(regex(pattern = "^(/.*)?$"))] String);

impl JsonPointer {
    /// The pointer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// What stands there.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.pointer(&self.0)
    }
}

impl<'de> Deserialize<'de> for JsonPointer {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes {
            Ok(Self(text))
        } else {
            let text = text.escape_debug();
            Err(serde::de::Error::custom(format!(
                "`{text}` is not a JSON pointer; write `/field/inner`"
            )))
        }
    }
}

/// Where an answer tells what is affected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "AffectedAt")]
#[serde(deny_unknown_fields)]
pub struct Affected {
    /// How many records.
    count: Option<JsonPointer>,
    /// Who is reached, in words.
    audience: Option<JsonPointer>,
    /// What changes by how much.
    deltas: Option<JsonPointer>,
    /// A few of the records.
    sample: Option<JsonPointer>,
}

impl Affected {
    /// How many records.
    pub fn count(&self) -> Option<&JsonPointer> {
        self.count.as_ref()
    }
    /// Who is reached.
    pub fn audience(&self) -> Option<&JsonPointer> {
        self.audience.as_ref()
    }
    /// By how much what changes.
    pub fn deltas(&self) -> Option<&JsonPointer> {
        self.deltas.as_ref()
    }
    /// A few of the records.
    pub fn sample(&self) -> Option<&JsonPointer> {
        self.sample.as_ref()
    }
}

/// How the bot itself reads before, after and what is affected (INVARIANT i13).
#[derive(Debug, Clone, PartialEq)]
pub struct HttpObserve {
    request: HttpRequest,
    before: Option<JsonPointer>,
    after: Option<JsonPointer>,
    affected: Affected,
}

impl HttpObserve {
    /// The request that it makes: `GET`, or `POST` for a query; 10 s unless stated, 60 s at most.
    pub fn request(&self) -> &HttpRequest {
        &self.request
    }
    /// Where the answer has the state before.
    pub fn before(&self) -> Option<&JsonPointer> {
        self.before.as_ref()
    }
    /// Where the answer has the state after.
    pub fn after(&self) -> Option<&JsonPointer> {
        self.after.as_ref()
    }
    /// Where the answer has what is affected.
    pub fn affected(&self) -> &Affected {
        &self.affected
    }
}

/// How the bot acts.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpExecute {
    request: HttpRequest,
    idempotency_header: String,
    repeatable: bool,
    persistent: bool,
}

impl HttpExecute {
    /// The request that acts: `POST`, `PUT`, `PATCH` or `DELETE`; 30 s unless stated, 5 m at most.
    pub fn request(&self) -> &HttpRequest {
        &self.request
    }
    /// The header that carries the idempotency key; `Idempotency-Key` unless stated.
    pub fn idempotency_header(&self) -> &str {
        &self.idempotency_header
    }
    /// Whether the target is promised to act once for one key: the catalog states the header itself. Only then is a
    /// call repeated after an answer that leaves open whether it took effect (INVARIANT i21).
    pub fn repeatable(&self) -> bool {
        self.repeatable
    }
    /// Whether its calls may share connections. Stated for a target alone that acts once for one key, for nobody knows whether
    /// it read a call whose shared connection ends.
    pub fn persistent(&self) -> bool {
        self.persistent
    }
}

const OBSERVATION: Kind<'_> = Kind {
    timeout: (10, 60),
    key: None,
    before: Some(Before {
        no_step: "an observation is no step",
        no_credential: "nothing is approved when the bot looks; name a secret that may only read",
    }),
};

impl HttpExecute {
    pub(super) fn read(http: &Node) -> Result<Self, Vec<Fault>> {
        let raw: RawExecute = http.decode().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        if raw.method == Method::Get {
            let message = "`GET` only reads; an action is POST, PUT, PATCH or DELETE";
            faults.push(Fault::new(http.mark_at("/method"), message));
        }
        let repeatable = raw.idempotency_header.is_some();
        let header = raw.idempotency_header.unwrap_or_else(|| "Idempotency-Key".into());
        if let Err(message) = check_header(&header) {
            faults.push(Fault::new(http.mark_at("/idempotency_header"), message));
        }
        if raw.persistent && !repeatable {
            let message = "a call whose shared connection ends is sent again: state `idempotency_header`, if one key acts once, or \
                 remove `persistent`";
            faults.push(Fault::new(http.mark_at("/persistent"), message));
        }
        let request = HttpRequest::read(
            http,
            (raw.method, &raw.url, raw.timeout, raw.allow_private),
            &Kind {
                timeout: (30, 300),
                key: Some(&header),
                before: None,
            },
            &mut faults,
        );
        match request {
            Some(request) if faults.is_empty() => Ok(Self {
                request,
                idempotency_header: header,
                repeatable,
                persistent: raw.persistent,
            }),
            Some(_) | None => Err(faults),
        }
    }
}

impl HttpObserve {
    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let (_, http) = super::execute::connector(node, &["http"])?;
        let raw: RawObserve = http.decode().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        match raw.method {
            Method::Get if http.get("body").is_some() => {
                let message = "`GET` sends no body; remove it or write `method: POST`";
                faults.push(Fault::new(http.mark_at("/body"), message));
            }
            Method::Get | Method::Post => {}
            Method::Put | Method::Patch | Method::Delete => {
                let message = "an observation only reads; use `GET`, or `POST` for a query";
                faults.push(Fault::new(http.mark_at("/method"), message));
            }
        }
        let request = HttpRequest::read(
            http,
            (raw.method, &raw.url, raw.timeout, raw.allow_private),
            &OBSERVATION,
            &mut faults,
        );
        match request {
            Some(request) if faults.is_empty() => Ok(Self {
                request,
                before: raw.before,
                after: raw.after,
                affected: raw.affected,
            }),
            Some(_) | None => Err(faults),
        }
    }
}

/// How the bot itself reads what is affected.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Observing {
    /// One HTTP request.
    #[serde(rename = "http")]
    _http: RawObserve,
}

/// The request that carries an action out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExecute {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    method: Method,
    /// Where to act; `{parameter}` is filled in, in the path and the query only.
    url: String,
    /// A JSON tree; a leaf that is exactly `${params.x}` is replaced by the whole value.
    #[serde(rename = "body")]
    #[schemars(with = "Option<serde_json::Value>")]
    _body: Option<serde::de::IgnoredAny>,
    /// How long to wait; 30s unless stated, 5m at most.
    timeout: Option<Span>,
    /// Stated, it promises that the target acts once for one key, so that the bot may ask again.
    idempotency_header: Option<String>,
    /// Whether calls may share connections (RFC 9112, section 9.3); only with `idempotency_header`.
    #[serde(default)]
    persistent: bool,
    /// Whether a private address may be called.
    #[serde(default)]
    allow_private: bool,
    /// What the target is shown, so that it lets the request in.
    #[serde(rename = "auth")]
    #[schemars(with = "Option<RawAuth>")]
    _auth: Option<serde::de::IgnoredAny>,
}

/// The request that reads what is affected.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawObserve {
    /// `GET`, or `POST` for a query.
    method: Method,
    /// Where to ask; `{parameter}` is filled in, in the path and the query only.
    url: String,
    /// A JSON tree; a leaf that is exactly `${params.x}` is replaced by the whole value.
    #[serde(rename = "body")]
    #[schemars(with = "Option<serde_json::Value>")]
    _body: Option<serde::de::IgnoredAny>,
    /// Where the answer has the state before (JSON pointer).
    before: Option<JsonPointer>,
    /// Where the answer has the state after (JSON pointer).
    after: Option<JsonPointer>,
    /// Where the answer has what is affected (JSON pointers).
    #[serde(default)]
    affected: Affected,
    /// How long to wait; 10s unless stated, 60s at most.
    timeout: Option<Span>,
    /// Whether a private address may be called.
    #[serde(default)]
    allow_private: bool,
    /// What the target is shown, so that it lets the request in.
    #[serde(rename = "auth")]
    #[schemars(with = "Option<RawReading>")]
    _auth: Option<serde::de::IgnoredAny>,
}

/// Headers that carry credentials, frame the message, or are the client's own.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// Whether a catalog may name this header: a token (RFC 9110) of 100 characters at most that is not the client's own.
pub(super) fn is_header(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let starts = ["proxy-", "sec-", "x-forwarded-", "countersign-"];
    is_token(name)
        && !RESERVED.contains(&lower.as_str())
        && !starts.iter().any(|start| lower.starts_with(start))
}

fn is_token(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.len() <= 100 && name.chars().all(token)
}

fn check_header(name: &str) -> Result<(), String> {
    if !is_token(name) {
        Err(format!("`{}` is not a header name", name.escape_debug()))
    } else if !is_header(name) {
        Err(format!(
            "the header `{name}` can't carry the idempotency key; use `Idempotency-Key`"
        ))
    } else {
        Ok(())
    }
}
