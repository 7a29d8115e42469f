//! How a target knows who asks: a credential made for one call, or a secret that the catalog names and never holds.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{error::unknown, http::is_header, url_template::UrlTemplate};
use crate::domain::source::{Fault, Kind, Node};

/// How the variables begin that a catalog may name. Without that, a change of the rules could have any variable of the
/// bot's process sent to a host of its author's.
pub const SECRET_PREFIX: &str = "COUNTERSIGN_SECRET_";
const MAX_TEXT: usize = 200;

/// What a request shows its target. It is part of the plan: approved with it, and holding no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// A token (RFC 7519) made for this one call. INVARIANT i19.
    Credential {
        /// The one target that it is for.
        audience: String,
    },
    /// A secret as `Authorization: Bearer` (RFC 6750).
    Bearer(SecretName),
    /// A secret in a header.
    Header {
        /// The header.
        name: String,
        /// The secret.
        value: SecretName,
    },
    /// A user name and a secret password (RFC 7617).
    Basic {
        /// The user name.
        user: String,
        /// The secret.
        password: SecretName,
    },
}

/// Where a secret is: a variable whose name begins with [`SECRET_PREFIX`], or a file below the directory that the
/// operator names. Its text is a variable's name, or a file's path in that directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that names no secret which may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotASecret(String);

impl SecretName {
    /// A variable's name.
    pub fn variable(text: &str) -> Result<Self, NotASecret> {
        let rest = text.strip_prefix(SECRET_PREFIX).unwrap_or_default();
        let good = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if !rest.is_empty() && text.len() <= MAX_TEXT && rest.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            let shown = shown(text);
            Err(NotASecret(format!(
                "`{shown}` is not a variable that may be sent to a target; its name must begin with `{SECRET_PREFIX}`, then \
                 capital letters, digits and `_`"
            )))
        }
    }
    /// A file's path below the operator's directory of secrets.
    pub fn file(text: &str) -> Result<Self, NotASecret> {
        let part = |part: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(good)
        };
        if text.len() <= MAX_TEXT && text.split('/').all(part) && !text.starts_with(SECRET_PREFIX) {
            Ok(Self(text.into()))
        } else {
            let shown = shown(text);
            Err(NotASecret(format!(
                "`{shown}` is not a file of the operator's `secrets_dir`; write its path inside that directory, as in `bank/token`"
            )))
        }
    }
    /// The variable's name, unless it is a file.
    pub fn as_variable(&self) -> Option<&str> {
        self.0.starts_with(SECRET_PREFIX).then_some(&self.0)
    }
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for SecretName {
    type Err = NotASecret;
    fn from_str(text: &str) -> Result<Self, NotASecret> {
        if text.starts_with(SECRET_PREFIX) {
            Self::variable(text)
        } else {
            Self::file(text)
        }
    }
}
impl TryFrom<String> for SecretName {
    type Error = NotASecret;
    fn try_from(text: String) -> Result<Self, NotASecret> {
        text.parse()
    }
}
impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// Why a secret that the catalog names can't be sent. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nobody set it.
    #[error("the secret `{0}` is not there; the operator has to set it where the bot runs")]
    Missing(SecretName),
    /// The operator bound it to other hosts.
    #[error("the secret `{name}` may not be sent to `{host}`; the operator's `secret_hosts` names others")]
    Host {
        /// The secret.
        name: SecretName,
        /// Where it would have gone.
        host: String,
    },
    /// It is there, and no request can carry it, or it is not kept as a secret.
    #[error("the secret `{name}` can't be used: {why}")]
    Unfit {
        /// The secret.
        name: SecretName,
        /// Why, and what helps.
        why: &'static str,
    },
}

impl Auth {
    /// The secret that it names.
    pub const fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Credential { .. } => None,
            Self::Bearer(name) | Self::Header { value: name, .. } | Self::Basic { password: name, .. } => {
                Some(name)
            }
        }
    }
    /// The audience of the token that it asks for.
    pub fn audience(&self) -> Option<&str> {
        match self {
            Self::Credential { audience } => Some(audience),
            Self::Bearer(_) | Self::Header { .. } | Self::Basic { .. } => None,
        }
    }

    /// Reads `auth` of a connector that calls this URL.
    pub(super) fn read(node: &Node, url: Option<&UrlTemplate>) -> Result<Self, Vec<Fault>> {
        const KNOWN: [&str; 4] = ["credential", "bearer", "header", "basic"];
        let [(key, inner)] = node.entries() else {
            let message = "expected one of `credential`, `bearer`, `header` and `basic`";
            return Err(vec![Fault::new(node.mark(), message)]);
        };
        let one = |fault: Fault| vec![fault];
        let at = |place: &str, message: String| vec![Fault::new(inner.mark_at(place), message)];
        match key.text() {
            "credential" => {
                let raw: RawCredential = inner.decode().map_err(one)?;
                let audience = audience(raw.audience, url).map_err(|message| at("/audience", message))?;
                Ok(Self::Credential { audience })
            }
            "bearer" => secret(inner).map(Self::Bearer).map_err(one),
            "header" => {
                let raw: RawHeader = inner.decode().map_err(one)?;
                check_header(&raw.name).map_err(|message| at("/name", message))?;
                let value = named(inner, "value").map_err(one)?;
                Ok(Self::Header {
                    name: raw.name,
                    value,
                })
            }
            "basic" => {
                let raw: RawBasic = inner.decode().map_err(one)?;
                let good = |c: char| c == ' ' || c.is_ascii_graphic() && c != ':';
                if raw.user.is_empty() || raw.user.len() > MAX_TEXT || !raw.user.chars().all(good) {
                    let shown = shown(&raw.user);
                    let message =
                        format!("`{shown}` is not a user name; 1 to 200 printable ASCII characters but `:`");
                    return Err(at("/user", message));
                }
                let password = named(inner, "password").map_err(one)?;
                Ok(Self::Basic {
                    user: raw.user,
                    password,
                })
            }
            other => Err(one(unknown(key.mark(), "way to authenticate", other, KNOWN))),
        }
    }
}

fn named(node: &Node, field: &str) -> Result<SecretName, Fault> {
    match node.get(field) {
        Some(inner) => secret(inner),
        None => Err(Fault::new(node.mark(), format!("the field `{field}` is missing"))),
    }
}

/// `env: NAME` or `file: PATH`. What stands there is not repeated when it is neither: it may be the secret itself.
fn secret(node: &Node) -> Result<SecretName, Fault> {
    let by_value = || {
        let message = "a secret's value does not belong in the catalog; name it, as in `{ env: COUNTERSIGN_SECRET_BANK }` or \
                       `{ file: bank/token }`";
        Fault::new(node.mark(), message)
    };
    let [(key, value)] = node.entries() else {
        return Err(by_value());
    };
    let Kind::Text(text) = value.kind() else {
        return Err(Fault::new(value.mark(), "expected a name"));
    };
    let named = match key.text() {
        "env" => SecretName::variable(text),
        "file" => SecretName::file(text),
        other => return Err(unknown(key.mark(), "place of a secret", other, ["env", "file"])),
    };
    named.map_err(|error| Fault::new(value.mark(), error.to_string()))
}

/// The audience as it is stated, or the origin of the connector's URL. One that is a URL has the connector's host:
/// whoever receives a token that is meant for another could show it there. INVARIANT i19.
fn audience(stated: Option<String>, url: Option<&UrlTemplate>) -> Result<String, String> {
    let Some(audience) = stated else {
        return Ok(url.map(|url| url.origin().to_owned()).unwrap_or_default());
    };
    let shown = shown(&audience);
    if audience.is_empty() || audience.len() > MAX_TEXT || !audience.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!(
            "`{shown}` is not an audience; 1 to {MAX_TEXT} printable ASCII characters without spaces"
        ));
    }
    let host = match Url::parse(&audience) {
        Ok(parsed) => parsed.host_str().map(str::to_owned),
        Err(_) if audience.contains("://") => return Err(format!("`{shown}` is not a URL")),
        Err(_) => None,
    };
    match (host, url) {
        (Some(host), Some(url)) if host != url.host() => Err(format!(
            "`{shown}` is another host than the connector's, `{}`, which could use the token there; leave `audience` out",
            url.host()
        )),
        _ => Ok(audience),
    }
}

fn check_header(name: &str) -> Result<(), String> {
    if is_header(name) || name.eq_ignore_ascii_case("authorization") {
        Ok(())
    } else {
        let shown = shown(name);
        Err(format!(
            "`{shown}` is not a header that can carry a secret; name the target's own, as in `X-Api-Key`"
        ))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// What the request shows its target: one of these.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "what editors are told; the nodes are read one by one, for the places of faults"
)]
pub(super) enum RawAuth {
    /// A token made for this one call, which the target verifies with the bot's published keys.
    Credential(RawCredential),
    /// A secret, sent as `Authorization: Bearer`.
    Bearer(RawSecret),
    /// A secret, sent in a header.
    Header(RawHeader),
    /// A user name and a secret password.
    Basic(RawBasic),
}

/// What an observation shows its target: one of these. Nothing is approved yet, so there is no credential.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "what editors are told; the nodes are read one by one, for the places of faults"
)]
pub(super) enum RawReading {
    /// A secret, sent as `Authorization: Bearer`.
    Bearer(RawSecret),
    /// A secret, sent in a header.
    Header(RawHeader),
    /// A user name and a secret password.
    Basic(RawBasic),
}

/// A token made for this one call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    /// The one target that it is for; scheme, host and port of the URL unless stated.
    #[schemars(length(min = 1, max = 200))]
    audience: Option<String>,
}

/// Where a secret is. Its value never stands here.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "what editors are told; the nodes are read one by one, for the places of faults"
)]
pub(super) enum RawSecret {
    /// A variable of the bot's process.
    Env(#[schemars(regex(pattern = "^COUNTERSIGN_SECRET_[A-Z0-9_]+$"))] String),
    /// A file, by its path inside the operator's `secrets_dir`.
    File(
        #[schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"))]
        String,
    ),
}

/// A secret in a header.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHeader {
    /// The header's name, as in `X-Api-Key`.
    name: String,
    /// The secret.
    #[serde(rename = "value")]
    #[schemars(with = "RawSecret")]
    _value: serde::de::IgnoredAny,
}

/// A user name and a secret password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBasic {
    /// The user name.
    user: String,
    /// The secret.
    #[serde(rename = "password")]
    #[schemars(with = "RawSecret")]
    _password: serde::de::IgnoredAny,
}
