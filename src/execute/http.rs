//! One request over HTTP: no redirects, no proxy, no address that the catalog does not allow. INVARIANT i23.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue},
};
use url::Host;

use super::{
    address::{self, Guard, Lookup},
    auth::{Pass, Secrets, Wallet},
    credential::Minter,
    room::Rooms,
};
use crate::domain::ids::ProposalId;

/// The most bytes of an answer that are read: 1 MiB.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept that nothing is sent on: servers hang up after two seconds and more.
const KEPT: Duration = Duration::from_secs(1);
/// The most connections to one host that are kept with nothing being sent on them.
const MAX_KEPT: usize = 256;
const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
const PROPOSAL: HeaderName = HeaderName::from_static("countersign-proposal");

/// Why the client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("can't set up the HTTP client: {0}; is a set of CA certificates installed?")]
pub struct ClientError(#[from] reqwest::Error);

/// Sends requests to target systems. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    public: Ways,
    private: Ways,
    wallet: Wallet,
    rooms: Arc<Rooms>,
}

/// How a request gets there.
#[derive(Debug, Clone)]
struct Ways {
    /// On a connection of its own, so that it is known whether it was sent.
    own: reqwest::Client,
    /// On one that may have served a request before, and may end at any moment.
    kept: reqwest::Client,
}

/// Why a request has no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may not be sent; nothing was.
    #[error("{0}")]
    Forbidden(String),
    /// No connection was made; nothing was sent.
    #[error("no connection to `{host}`: {why}")]
    Unsent {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// It was sent, and no answer came in time or whole. Nobody can tell whether it was acted on.
    #[error("`{host}` {why}")]
    Unclear {
        /// The host.
        host: String,
        /// What happened.
        why: String,
    },
}

/// A request, complete.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) body: Option<Bytes>,
    pub(super) proposal: ProposalId,
    /// Header and value.
    pub(super) idempotency: Option<(&'a str, &'a str)>,
    /// Further headers, in the place of the client's own of the same name.
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) timeout: Duration,
    pub(super) allow_private: bool,
    /// Whether it may be sent on a connection that served another request before. When such a connection ends, nobody knows
    /// whether the request was read: only for one that may be sent again.
    pub(super) kept_connection: bool,
    /// What lets it in.
    pub(super) pass: Option<Pass>,
}

/// What came back. A body that is missing was larger than [`MAX_ANSWER`] or broke off; the status holds all the same.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Vec<u8>, BodyError>,
}

/// Why an answer's body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    #[error("the answer broke off")]
    Broken,
}

impl Reply {
    /// Whether the answer says that it is JSON.
    pub(super) fn is_json(&self) -> bool {
        let Some(Ok(kind)) = self.headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else {
            return false;
        };
        let kind = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    }
    /// A strong entity tag of printable ASCII.
    pub(super) fn etag(&self) -> Option<&str> {
        let tag = self.headers.get(ETAG)?.to_str().ok()?;
        let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
        let good = |c: char| c.is_ascii_graphic() && c != '"';
        (!inner.is_empty() && inner.len() <= 200 && inner.chars().all(good)).then_some(tag)
    }
}

impl Client {
    /// A client that resolves names as the operating system does.
    pub fn new() -> Result<Self, ClientError> {
        Self::with_lookup(&address::system())
    }

    pub(super) fn with_lookup(lookup: &Lookup) -> Result<Self, ClientError> {
        Ok(Self {
            public: Ways::new(lookup, false)?,
            private: Ways::new(lookup, true)?,
            wallet: Wallet::default(),
            rooms: Arc::default(),
        })
    }

    /// The same with the secrets that the catalog may name; without them, none is there.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Secrets) -> Self {
        self.wallet.secrets = secrets;
        self
    }

    /// The same with what makes credentials; without it, none is made.
    #[must_use]
    pub fn with_minter(mut self, minter: Minter) -> Self {
        self.wallet.minter = Some(minter);
        self
    }

    /// The secrets and keys that requests are shown with.
    pub(super) const fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// How much targets are asked to do at a time.
    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Sends one request, once.
    pub(super) async fn send(&self, request: Outgoing<'_>) -> Result<Reply, SendError> {
        let forbidden = |why: String| SendError::Forbidden(why);
        let host = request
            .url
            .host()
            .ok_or_else(|| forbidden("the URL has no host".into()))?;
        let allow_private = request.allow_private;
        let literal = match host {
            Host::Ipv4(ip) => address::check(ip.into(), allow_private),
            Host::Ipv6(ip) => address::check(ip.into(), allow_private),
            Host::Domain(_) => Ok(()),
        };
        literal.map_err(|error| forbidden(error.to_string()))?;
        match request.url.scheme() {
            "https" => {}
            "http" if allow_private => {}
            scheme => {
                return Err(forbidden(format!(
                    "`{scheme}` is not encrypted; the catalog's URL must be `https`"
                )));
            }
        }
        if !request.url.username().is_empty() || request.url.password().is_some() {
            return Err(forbidden(
                "the URL carries a user name; credentials do not belong in the catalog".into(),
            ));
        }
        let host = host.to_string();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let id = request.proposal.to_string();
        headers.insert(PROPOSAL, header(&id).map_err(forbidden)?);
        if let Some((name, value)) = request.idempotency {
            let name = name
                .parse::<HeaderName>()
                .map_err(|_| forbidden(format!("`{}` is not a header name", name.escape_debug())))?;
            headers.insert(name, header(value).map_err(forbidden)?);
        }
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(pass) = &request.pass {
            pass.show(&mut headers);
        }
        for (name, value) in request.headers {
            headers.insert(HeaderName::from_static(name), header(value).map_err(forbidden)?);
        }
        let method: Method = request
            .method
            .parse()
            .map_err(|_| forbidden(format!("`{}` is not a method", request.method.escape_debug())))?;
        let ways = if allow_private {
            &self.private
        } else {
            &self.public
        };
        let client = if request.kept_connection {
            &ways.kept
        } else {
            &ways.own
        };
        let mut building = client
            .request(method, request.url.clone())
            .headers(headers)
            .timeout(request.timeout);
        if let Some(body) = request.body {
            building = building.body(body);
        }
        let response = building.send().await.map_err(|error| failed(&error, &host))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response).await;
        Ok(match &request.pass {
            Some(pass) => Reply {
                status,
                headers: pass.without(headers),
                body: body.map(|body| pass.masked(body)),
            },
            None => Reply {
                status,
                headers,
                body,
            },
        })
    }
}

impl Ways {
    fn new(lookup: &Lookup, allow_private: bool) -> Result<Self, reqwest::Error> {
        let guard = Arc::new(Guard::new(Arc::clone(lookup), allow_private));
        let client = |kept: usize| {
            reqwest::Client::builder()
                .dns_resolver(Arc::clone(&guard))
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .user_agent(USER_AGENT)
                .connect_timeout(CONNECT)
                // Who sends a request knows whether it may be sent twice.
                .retry(reqwest::retry::never())
                .pool_max_idle_per_host(kept)
                .pool_idle_timeout(KEPT)
                .http1_only()
                .build()
        };
        Ok(Self {
            own: client(0)?,
            kept: client(MAX_KEPT)?,
        })
    }
}

fn header(value: &str) -> Result<HeaderValue, String> {
    let good = value.chars().all(|c| c.is_ascii_graphic());
    HeaderValue::from_str(value)
        .ok()
        .filter(|_| good)
        .ok_or_else(|| format!("`{}` can't stand in a header", value.escape_debug()))
}

fn failed(error: &reqwest::Error, host: &str) -> SendError {
    let host = host.to_owned();
    if error.is_connect() || error.is_builder() {
        let why = root(error);
        SendError::Unsent { host, why }
    } else if error.is_timeout() {
        SendError::Unclear {
            host,
            why: "did not answer in time".into(),
        }
    } else {
        SendError::Unclear {
            host,
            why: "closed the connection before it answered".into(),
        }
    }
}

/// The innermost cause, which is the one that says something; it never holds the request.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Broken)? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn i23_a_name_that_leads_home_is_not_called_and_is_looked_up_every_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let lookup: Lookup = Arc::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let home = std::net::SocketAddr::from(([127, 0, 0, 1], port));
            Box::pin(async move { Ok(vec![home]) })
        });
        let client = Client::with_lookup(&lookup).unwrap();
        let url = format!("https://target.example:{port}/do").parse().unwrap();
        for _ in 0..2 {
            let sent = client.send(Outgoing {
                method: "POST",
                url: &url,
                body: None,
                proposal: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
                idempotency: Some(("Idempotency-Key", "k")),
                headers: &[],
                timeout: Duration::from_secs(5),
                allow_private: false,
                kept_connection: true,
                pass: None,
            });
            let error = sent.await.unwrap_err();
            assert!(matches!(error, SendError::Unsent { .. }), "{error:?}");
            assert!(
                error.to_string().contains("`127.0.0.1` is not an address"),
                "{error}"
            );
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        let knocked = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(knocked.is_err(), "nobody may connect");
    }
}
