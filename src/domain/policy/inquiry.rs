//! A request by which the bot learns something before anybody is asked: it observes, or asks what would happen.

use super::{
    auth::Auth,
    body::BodyTemplate,
    http::{Method, limited, no_credential, no_step, read_auth, read_body, read_url},
    url_template::UrlTemplate,
};
use crate::domain::{
    ids::Span,
    source::{Fault, Node},
};

/// A request by which the bot learns something before anybody is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Inquiry {
    method: Method,
    url: UrlTemplate,
    body: Option<BodyTemplate>,
    timeout: Span,
    allow_private: bool,
    auth: Option<Auth>,
}

/// What the catalog writes of one that is read by its type.
pub(super) struct Written<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) timeout: Option<Span>,
    pub(super) allow_private: bool,
}

/// Why some things of a call have no place in it.
pub(super) struct Why {
    pub(super) no_step: &'static str,
    pub(super) no_credential: &'static str,
}

impl Inquiry {
    /// Reads it from its connector; nothing where its address can't be read, which is a fault.
    pub(super) fn read(
        http: &Node,
        written: Written<'_>,
        why: &Why,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let Written {
            method,
            url,
            timeout,
            allow_private,
        } = written;
        no_step(http, why.no_step, faults);
        let timeout = limited(http, timeout, 10, 60, faults);
        let url = read_url(http, url, allow_private, faults);
        let body = read_body(http, faults);
        let auth = read_auth(http, url.as_ref(), faults);
        no_credential(http, auth.as_ref(), why.no_credential, faults);
        Some(Self {
            method,
            url: url?,
            body,
            timeout,
            allow_private,
            auth,
        })
    }
    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }
    /// Where to ask.
    pub fn url(&self) -> &UrlTemplate {
        &self.url
    }
    /// What to ask with.
    pub fn body(&self) -> Option<&BodyTemplate> {
        self.body.as_ref()
    }
    /// How long to wait; 10 s unless stated, 60 s at most.
    pub fn timeout(&self) -> Span {
        self.timeout
    }
    /// Whether a private address may be called (INVARIANT i23).
    pub fn allow_private(&self) -> bool {
        self.allow_private
    }
    /// What the target is shown; never a credential, which vouches for an approval.
    pub fn auth(&self) -> Option<&Auth> {
        self.auth.as_ref()
    }
}
