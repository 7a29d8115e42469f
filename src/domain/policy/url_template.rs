//! A URL whose host is fixed and whose path segments and query values parameters may fill.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
};

use serde_json::Value;
use url::{Host, Url};

use super::param::{ParamPath, ResourceError, scalar, segment};

/// An absolute `http` or `https` URL; `{param}` stands for a whole path segment or a whole query value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    text: String,
    origin: String,
    host: String,
    path: Vec<Part>,
    query: Vec<(String, Part)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Param(ParamPath),
}

/// The values of each query name; nothing where a parameter is one of them.
type Literals = BTreeMap<String, Option<Vec<String>>>;

/// Why a URL can't be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A parameter's value can't stand where the template has it.
    #[error(transparent)]
    Value(#[from] ResourceError),
    /// The filled text is not the URL that the template promised.
    #[error("the parameters do not make a URL on `{host}`")]
    Broken {
        /// The host that the template names.
        host: String,
    },
}

impl UrlTemplate {
    /// Reads a template. Plain `http` and private hosts need `allow_private` (INVARIANT i23).
    pub(super) fn parse(text: &str, allow_private: bool) -> Result<Self, String> {
        let shown = text.escape_debug().to_string();
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .ok_or_else(|| format!("`{shown}` is not a URL; begin with `https://` and the host"))?;
        if text.contains('#') {
            return Err(format!(
                "`{shown}` has a fragment, which no server sees; remove it"
            ));
        }
        if let Some(c) = text
            .chars()
            .find(|c| !c.is_ascii_graphic() || matches!(c, '\\' | '<' | '>' | '"'))
        {
            return Err(format!(
                "`{shown}` contains `{}`; write it percent-encoded",
                c.escape_debug()
            ));
        }
        let (authority, tail) = rest
            .find(['/', '?'])
            .and_then(|at| rest.split_at_checked(at))
            .unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(format!(
                "`{shown}` carries a user name; credentials do not belong in the catalog"
            ));
        }
        if authority.contains(['{', '}']) {
            return Err(format!(
                "the host of `{shown}` must be literal; a parameter may fill a path segment or a query value"
            ));
        }
        let origin = format!("{scheme}://{authority}");
        let parsed = Url::parse(&origin).map_err(|error| format!("`{shown}` is not a URL: {error}"))?;
        let host = check_host(&parsed, allow_private)?;
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let path = parts(path.strip_prefix('/').unwrap_or(path), '/')?;
        let query = if query.is_empty() {
            Vec::new()
        } else {
            pairs(query)?
        };
        Ok(Self {
            text: text.into(),
            origin,
            host,
            path,
            query,
        })
    }
    /// The template as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The one host that requests go to.
    pub fn host(&self) -> &str {
        &self.host
    }
    /// The host and the port, as in `bank.example:443`.
    pub(super) fn with_port(&self) -> Option<String> {
        let port = Url::parse(&self.origin).ok()?.port_or_known_default()?;
        Some(format!("{}:{port}", self.host))
    }
    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
    /// The parameters that the template takes.
    pub fn params(&self) -> impl Iterator<Item = &ParamPath> {
        let values = self.query.iter().map(|(_, value)| value);
        self.path.iter().chain(values).filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Param(param) => Some(param),
        })
    }
    /// Whether the catalog's own text tells it from another, whatever parameters fill both: another target, path, or literal
    /// query value. A name that a parameter fills tells nothing, however often it stands there.
    pub(super) fn is_told_from(&self, other: &Self) -> bool {
        if self.with_port() != other.with_port() {
            return true;
        }
        let (one, two) = (self.segments(), other.segments());
        if one.len() != two.len() {
            return true;
        }
        let told = |(one, two): (&Option<String>, &Option<String>)| match (one, two) {
            (Some(one), Some(two)) => one != two,
            // What an agent fills in may be the very word that the act has there.
            (None, _) => false,
            (Some(_), None) => true,
        };
        if one.iter().zip(&two).any(told) {
            return true;
        }
        let (one, two) = (self.literals(), other.literals());
        let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
        let free = |literals: &Literals, name: &String| literals.get(name).is_some_and(Option::is_none);
        names
            .into_iter()
            .any(|name| !free(&one, name) && !free(&two, name) && one.get(name) != two.get(name))
    }
    /// The segments of the path, but empty ones; nothing where a parameter stands.
    fn segments(&self) -> Vec<Option<String>> {
        let shown = |part: &Part| match part {
            Part::Literal(text) => (!text.is_empty()).then(|| Some(decoded(text).to_ascii_lowercase())),
            Part::Param(_) => Some(None),
        };
        self.path.iter().filter_map(shown).collect()
    }
    fn literals(&self) -> Literals {
        let mut found = Literals::new();
        for (name, value) in &self.query {
            let values = found.entry(decoded(name)).or_insert_with(|| Some(Vec::new()));
            match (value, values.as_mut()) {
                (Part::Literal(text), Some(values)) => values.push(decoded(text)),
                (Part::Param(_), _) => *values = None,
                (Part::Literal(_), None) => {}
            }
        }
        found
    }
    /// The URL for these parameters, percent-encoded. Errors: a value that could change the path, or is missing.
    pub fn fill(&self, params: &Value) -> Result<Url, UrlError> {
        let mut text = self.origin.clone();
        for part in &self.path {
            text.push('/');
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Param(param) => encode(&segment(param, params)?, &mut text),
            }
        }
        for ((name, value), sign) in self
            .query
            .iter()
            .zip(['?'].into_iter().chain(std::iter::repeat('&')))
        {
            text.push(sign);
            text.push_str(name);
            text.push('=');
            match value {
                Part::Literal(literal) => text.push_str(literal),
                Part::Param(param) => encode(&scalar(param, params)?, &mut text),
            }
        }
        let broken = || UrlError::Broken {
            host: self.host.clone(),
        };
        let url = Url::parse(&text).map_err(|_| broken())?;
        if url.host_str() == Some(&self.host) && url.username().is_empty() {
            Ok(url)
        } else {
            Err(broken())
        }
    }
}

fn check_host(url: &Url, allow_private: bool) -> Result<String, String> {
    let name = url.host_str().unwrap_or_default().to_owned();
    let place = match url.host() {
        Some(Host::Ipv4(ip)) => reach(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => reach(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        Some(Host::Domain(domain)) if domain == "localhost" || domain.ends_with(".localhost") => {
            Reach::Private
        }
        Some(Host::Domain(_)) => Reach::Public,
        None => return Err(format!("`{url}` has no host")),
    };
    match (place, url.scheme(), allow_private) {
        (Reach::Nowhere, _, _) => Err(format!("`{name}` is not a host to call; name another")),
        (Reach::Private, _, false) => Err(format!(
            "`{name}` is a private host; state `allow_private: true` if that is meant"
        )),
        (Reach::Public, "http", _) => Err(format!(
            "`{name}` would be called without encryption; write `https://`"
        )),
        (Reach::Private | Reach::Public, _, _) => Ok(name),
    }
}

enum Reach {
    Public,
    Private,
    Nowhere,
}

fn reach(ip: IpAddr) -> Reach {
    let (private, nowhere) = match ip {
        IpAddr::V4(ip) => (
            ip.is_private() || ip.is_loopback(),
            ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        ),
        IpAddr::V6(ip) => (
            ip.is_loopback() || ip.is_unique_local(),
            ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast(),
        ),
    };
    match (private, nowhere) {
        (_, true) => Reach::Nowhere,
        (true, false) => Reach::Private,
        (false, false) => Reach::Public,
    }
}

fn parts(text: &str, separator: char) -> Result<Vec<Part>, String> {
    text.split(separator)
        .map(|text| {
            let decoded = text.replace("%2e", ".").replace("%2E", ".");
            if decoded == "." || decoded == ".." {
                return Err("`.` and `..` in a URL change its path; write the path out".into());
            }
            part(text, "path segment")
        })
        .collect()
}

fn pairs(text: &str) -> Result<Vec<(String, Part)>, String> {
    text.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name.contains(['{', '}']) {
                return Err(format!("the query name `{name}` must be literal"));
            }
            Ok((name.to_owned(), part(value, "query value")?))
        })
        .collect()
}

fn part(text: &str, what: &str) -> Result<Part, String> {
    if !text.contains(['{', '}']) {
        return Ok(Part::Literal(text.into()));
    }
    text.strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .and_then(ParamPath::inner)
        .map(Part::Param)
        .ok_or_else(|| {
            format!("`{text}` mixes text and parameters; a `{{parameter}}` must fill the whole {what}")
        })
}

/// Without percent-encoding, which targets undo before they compare.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = byte.and_then(|_| after.get(2..)).unwrap_or(after);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes all but the unreserved characters (RFC 3986).
fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
}
