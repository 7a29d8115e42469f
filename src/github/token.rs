//! From the app's key to a narrow installation token.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    client::{Caller, GitHub},
    error::Error,
};
use crate::domain::ids::Timestamp;

/// A token is renewed when less than this is left of its hour.
const RESERVE: Duration = Duration::from_secs(300);

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything that the bot does but running workflows.
    Whole,
    /// Running workflows.
    Workflows,
}

/// What the bot needs to run workflows. INVARIANT i19.
const OF_WORKFLOWS: [(&str, Access, bool); 3] = [
    ("actions", Access::Write, true),
    ("deployments", Access::Write, true),
    ("metadata", Access::Read, true),
];

impl Scope {
    const fn needed(self) -> &'static [(&'static str, Access, bool)] {
        match self {
            Self::Whole => &NEEDED,
            Self::Workflows => &OF_WORKFLOWS,
        }
    }
}

/// What the bot needs, and whether it can't work without. INVARIANT i19.
const NEEDED: [(&str, Access, bool); 7] = [
    ("contents", Access::Write, true),
    ("pull_requests", Access::Write, true),
    ("checks", Access::Write, true),
    ("metadata", Access::Read, true),
    ("issues", Access::Write, false),
    ("members", Access::Read, false),
    ("administration", Access::Read, false),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Access {
    Read,
    Write,
    Admin,
}

/// The app's private key; never shown.
pub(super) struct AppKey {
    app_id: u64,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims {
    iss: String,
    iat: i64,
    exp: i64,
}

impl AppKey {
    pub(super) fn read(app_id: u64, pem: &SecretString) -> Result<Self, Error> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| Error::Setup {
            because: "the private key is not an RSA key in PEM; download a new one from the app's settings"
                .to_owned(),
        })?;
        Ok(Self { app_id, key })
    }

    pub(super) const fn app_id(&self) -> u64 {
        self.app_id
    }

    /// A token in the app's own name: a minute old, good for nine.
    pub(super) fn sign(&self, now: Timestamp) -> Result<SecretString, Error> {
        let claims = Claims {
            iss: self.app_id.to_string(),
            iat: now.seconds() - 60,
            exp: now.seconds() + 540,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|_| Error::Setup {
                because: "the private key can't sign; download a new one from the app's settings".to_owned(),
            })
    }
}

/// An installation token and the moment from which a new one is wanted.
pub(super) struct Token {
    secret: SecretString,
    renew_at: Instant,
}

impl Token {
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.renew_at
    }
    pub(super) fn secret(&self) -> SecretString {
        self.secret.clone()
    }
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    permissions: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    repositories: [&'a str; 1],
    permissions: BTreeMap<&'static str, Access>,
}

#[derive(Deserialize)]
struct Minted {
    token: String,
    expires_at: Timestamp,
}

impl GitHub {
    /// A new token for this repository and the needed permissions only. Minting twice is harmless, so an uncertain
    /// failure is simply an error.
    pub(super) async fn mint(&self) -> Result<Token, Error> {
        let installation: Installation = self.get_as_app(&self.in_repo("/installation")).await?;
        let path = format!("/app/installations/{}/access_tokens", installation.id);
        let wanted = Wanted {
            repositories: [self.repo().name()],
            permissions: narrowed(self.scope(), &path, &installation.permissions)?,
        };
        let asked_at = Instant::now();
        let minted: Minted = self.write_as(Caller::App, Method::POST, &path, &wanted).await?;
        let life = u64::try_from(minted.expires_at.since(self.now_there())).unwrap_or(0);
        let renew_at = asked_at + Duration::from_millis(life).saturating_sub(RESERVE);
        Ok(Token {
            secret: minted.token.into(),
            renew_at,
        })
    }
}

/// The needed permissions, as far as they are granted.
fn narrowed(
    scope: Scope,
    path: &str,
    granted: &BTreeMap<String, serde_json::Value>,
) -> Result<BTreeMap<&'static str, Access>, Error> {
    let mut narrowed = BTreeMap::new();
    for &(name, needed, must) in scope.needed() {
        let access = granted
            .get(name)
            .and_then(|access| Access::deserialize(access).ok());
        match access {
            Some(access) if access >= needed => {
                narrowed.insert(name, needed);
            }
            _ if must => {
                return Err(Error::Forbidden {
                    doing: format!("POST {path}"),
                    message: format!("the installation lacks the permission `{name}`"),
                });
            }
            _ => tracing::debug!(
                permission = name,
                "the installation does not grant it; what it shows stays unknown"
            ),
        }
    }
    Ok(narrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn i19_a_token_asks_for_no_more_than_is_needed() {
        let granted = serde_json::from_value(json!({
            "metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write",
            "administration": "write", "actions": "write", "members": "read"
        }))
        .unwrap();
        let of_workflows = narrowed(Scope::Workflows, "/x", &granted);
        assert!(of_workflows.unwrap_err().to_string().contains("`deployments`"));
        let narrowed = narrowed(Scope::Whole, "/x", &granted).unwrap();
        assert_eq!(
            serde_json::to_value(narrowed).unwrap(),
            json!({
                "metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write",
                "administration": "read", "members": "read"
            })
        );
    }

    #[test]
    fn i19_a_token_for_workflows_allows_nothing_else() {
        let granted = serde_json::from_value(json!({
            "metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write",
            "actions": "write", "deployments": "write", "administration": "read"
        }))
        .unwrap();
        let narrowed = narrowed(Scope::Workflows, "/x", &granted).unwrap();
        assert_eq!(
            serde_json::to_value(narrowed).unwrap(),
            json!({ "metadata": "read", "actions": "write", "deployments": "write" })
        );
    }

    #[test]
    fn a_missing_permission_is_named() {
        let granted = serde_json::from_value(json!({ "metadata": "read", "contents": "read" })).unwrap();
        let error = narrowed(Scope::Whole, "/x", &granted).unwrap_err();
        assert!(error.to_string().contains("`contents`"), "{error}");
    }

    #[test]
    fn what_is_not_a_key_is_not_shown() {
        let error = AppKey::read(1, &SecretString::from("hunter2")).err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
    }
}
