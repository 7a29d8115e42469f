//! A request over HTTP, as the catalog declares it: one that acts, or one by which the bot learns something before.

use super::{
    auth::Auth,
    body::{self, BodyTemplate},
    http::Method,
    url_template::UrlTemplate,
};
use crate::domain::{
    ids::Span,
    source::{Fault, Node},
};

/// A request over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    method: Method,
    url: UrlTemplate,
    body: Option<BodyTemplate>,
    timeout: Span,
    allow_private: bool,
    auth: Option<Box<Auth>>,
}

/// What is told apart by what a request is for.
pub(super) struct Kind<'a> {
    /// How long to wait unless stated, and at most, in seconds.
    pub(super) timeout: (u32, u32),
    /// The header that carries the idempotency key.
    pub(super) key: Option<&'a str>,
    /// Why some things have no place in it, when it is made before anything is approved.
    pub(super) before: Option<Before>,
}

/// Why some things have no place in a request that is made before anything is approved.
pub(super) struct Before {
    pub(super) no_step: &'static str,
    pub(super) no_credential: &'static str,
}

impl HttpRequest {
    /// Reads it from its connector, of which method, address, timeout and whether a private address may be called are
    /// read by their types already; nothing where its address can't be read, which is a fault.
    pub(super) fn read(
        http: &Node,
        (method, url, timeout, allow_private): (Method, &str, Option<Span>, bool),
        kind: &Kind<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        if let Some(before) = &kind.before {
            no_step(http, before.no_step, faults);
        }
        let timeout = limited(http, timeout, kind.timeout, faults);
        let url = UrlTemplate::parse(url, allow_private)
            .map_err(|message| faults.push(Fault::new(http.mark_at("/url"), message)))
            .ok();
        let body = http
            .get("body")
            .and_then(|body| BodyTemplate::read(body).map_err(|fault| faults.push(fault)).ok());
        let auth = http.get("auth").and_then(|auth| {
            let read = Auth::read(auth, url.as_ref());
            read.map_err(|found| faults.extend(found)).ok()
        });
        if let Some(before) = &kind.before {
            no_credential(http, auth.as_ref(), before.no_credential, faults);
        }
        if let (Some(Auth::Header { name, .. }), Some(key)) = (&auth, kind.key)
            && name.eq_ignore_ascii_case(key)
        {
            let message = format!("`{name}` carries the idempotency key; a secret needs a header of its own");
            faults.push(Fault::new(http.mark_at("/auth/header/name"), message));
        }
        Some(Self {
            method,
            url: url?,
            body,
            timeout,
            allow_private,
            auth: auth.map(Box::new),
        })
    }
    /// The method.
    pub const fn method(&self) -> Method {
        self.method
    }
    /// Where it goes.
    pub const fn url(&self) -> &UrlTemplate {
        &self.url
    }
    /// What it sends.
    pub const fn body(&self) -> Option<&BodyTemplate> {
        self.body.as_ref()
    }
    /// How long to wait for its answer.
    pub const fn timeout(&self) -> Span {
        self.timeout
    }
    /// Whether a private address may be called (INVARIANT i23).
    pub const fn allow_private(&self) -> bool {
        self.allow_private
    }
    /// What the target is shown; never a credential before anything is approved, since it vouches for an approval.
    pub fn auth(&self) -> Option<&Auth> {
        self.auth.as_deref()
    }

    /// Whether text of the catalog tells it from another: what an agent sends never does.
    pub(super) fn is_told_from(&self, other: &Self) -> bool {
        let body = || match (&self.body, &other.body) {
            (None, None) => false,
            (Some(one), None) | (None, Some(one)) => one.has_literal(),
            (Some(one), Some(other)) => one.is_told_from(other),
        };
        self.method != other.method || self.url.is_told_from(&other.url) || body()
    }
}

fn limited(node: &Node, stated: Option<Span>, (default, most): (u32, u32), faults: &mut Vec<Fault>) -> Span {
    let (most, span) = (Span::seconds(most), stated.unwrap_or(Span::seconds(default)));
    if span > most || span.millis() == 0 {
        let message = format!("`{span}` is not a timeout; between 1s and {most}");
        faults.push(Fault::new(node.mark_at("/timeout"), message));
    }
    span
}

/// Before anything is approved there is no step to have a key.
fn no_step(node: &Node, why: &str, faults: &mut Vec<Fault>) {
    if let Some(at) = node.get("body").and_then(|body| body.find_text(body::STEP_KEY)) {
        let message = format!("{why}; remove `{}`", body::STEP_KEY);
        faults.push(Fault::new(node.mark_at(&format!("/body{at}")), message));
    }
}

/// Nor is there anything for a credential to vouch for. INVARIANT i19.
fn no_credential(node: &Node, auth: Option<&Auth>, why: &str, faults: &mut Vec<Fault>) {
    if let Some(Auth::Credential { .. }) = auth {
        let message = format!(
            "a credential vouches for an approval, and {why}, as in `bearer: {{ env: COUNTERSIGN_SECRET_BANK_READ }}`"
        );
        faults.push(Fault::new(node.mark_at("/auth/credential"), message));
    }
}
