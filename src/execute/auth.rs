//! What a request shows its target: put together right before it is sent, wiped afterwards, and never let out again by
//! the target's answer.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use memchr::memmem;
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::credential::{MintError, Minter, Occasion};
use crate::domain::{
    entry::Credential,
    ids::Timestamp,
    policy::{Auth, SecretError, SecretName},
};

/// What stands in an answer in the place of what the target was shown.
const MASK: &[u8] = b"[secret]";

/// Gives the secret of a name, if it may be sent to the address.
pub type Secrets = Arc<dyn Fn(&SecretName, &Url) -> Result<SecretString, SecretError> + Send + Sync>;

/// Why a request can't be shown to its target as the catalog says; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The credential.
    #[error(transparent)]
    Credential(#[from] MintError),
}

/// The secrets and keys that a client has.
#[derive(Clone)]
pub(super) struct Wallet {
    pub(super) secrets: Secrets,
    pub(super) minter: Option<Minter>,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wallet(..)")
    }
}

impl Default for Wallet {
    fn default() -> Self {
        Self {
            secrets: Arc::new(|name, _| Err(SecretError::Missing(name.clone()))),
            minter: None,
        }
    }
}

impl Wallet {
    /// Whether a call could be shown so. Only a process that makes credentials acts, and has to have what acting takes.
    pub(super) fn ready(&self, auth: &Auth, url: &Url, now: Timestamp) -> Result<(), AuthError> {
        let Some(minter) = &self.minter else {
            return Ok(());
        };
        match auth {
            Auth::Credential { .. } => Ok(minter.ready(now)?),
            Auth::Bearer(_) | Auth::Header { .. } | Auth::Basic { .. } => self.of_secret(auth, url).map(drop),
        }
    }

    /// What a call is shown with, and what the record keeps of a credential.
    pub(super) fn for_call(
        &self,
        auth: &Auth,
        at: &Occasion<'_>,
    ) -> Result<(Pass, Option<Credential>), AuthError> {
        let Auth::Credential { audience } = auth else {
            return Ok((self.of_secret(auth, &at.call.url)?, None));
        };
        let minter = self.minter.as_ref().ok_or(MintError::NoExecutor)?;
        let (token, record) = minter.mint(audience, at)?;
        let text = Zeroizing::new(format!("Bearer {}", *token));
        let pass = Pass::new(AUTHORIZATION, text, vec![token]);
        let pass = pass.ok_or_else(|| MintError::Sign("it fits no header".into()))?;
        Ok((pass, Some(record)))
    }

    /// What an observation is shown with.
    pub(super) fn for_observation(&self, auth: &Auth, url: &Url) -> Result<Pass, AuthError> {
        self.of_secret(auth, url)
    }

    fn of_secret(&self, auth: &Auth, url: &Url) -> Result<Pass, AuthError> {
        let name = auth.secret().ok_or(MintError::NoExecutor)?;
        let secret = (self.secrets)(name, url)?;
        let secret = Zeroizing::new(secret.expose_secret().to_owned());
        let pass = match auth {
            Auth::Credential { .. } => None,
            Auth::Bearer(_) => {
                let text = Zeroizing::new(format!("Bearer {}", *secret));
                Pass::new(AUTHORIZATION, text, vec![secret])
            }
            Auth::Header { name, .. } => match name.parse() {
                Ok(header) => Pass::new(header, secret.clone(), vec![secret]),
                Err(_) => None,
            },
            Auth::Basic { user, .. } => {
                let both = Zeroizing::new(format!("{user}:{}", *secret));
                let encoded = Zeroizing::new(BASE64.encode(both.as_bytes()));
                let text = Zeroizing::new(format!("Basic {}", *encoded));
                Pass::new(AUTHORIZATION, text, vec![encoded, secret])
            }
        };
        let unfit = || SecretError::Unfit {
            name: name.clone(),
            why: "no header can carry it; it must be printable ASCII",
        };
        Ok(pass.ok_or_else(unfit)?)
    }
}

/// A header that lets a request in, and what of it must not come back.
pub(super) struct Pass {
    header: HeaderName,
    value: HeaderValue,
    hidden: Vec<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Pass {
    fn new(header: HeaderName, text: Zeroizing<String>, secrets: Vec<Zeroizing<String>>) -> Option<Self> {
        let good = |c: char| c == ' ' || c.is_ascii_graphic();
        if !text.chars().all(good) || text.trim() != text.as_str() {
            return None;
        }
        let bytes = Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()));
        let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
        value.set_sensitive(true);
        let mut hidden = Vec::new();
        for secret in secrets {
            // A JSON answer repeats it with its quotes and backslashes escaped.
            let escaped = Zeroizing::new(serde_json::to_string(&*secret).ok()?);
            let escaped = escaped
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'))?;
            if *escaped != **secret {
                hidden.push(Zeroizing::new(escaped.as_bytes().to_vec()));
            }
            hidden.push(Zeroizing::new(secret.as_bytes().to_vec()));
        }
        Some(Self {
            header,
            value,
            hidden,
        })
    }

    /// Puts the header in its place.
    pub(super) fn show(&self, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), self.value.clone());
    }

    /// The answer's headers but those that repeat what was shown.
    pub(super) fn without(&self, headers: HeaderMap) -> HeaderMap {
        let repeats = |value: &HeaderValue| {
            let found = |hidden: &Zeroizing<Vec<u8>>| memmem::find(value.as_bytes(), hidden).is_some();
            self.hidden.iter().any(found)
        };
        let mut kept = HeaderMap::new();
        for (name, value) in headers.iter().filter(|(_, value)| !repeats(value)) {
            kept.append(name.clone(), value.clone());
        }
        kept
    }

    /// An answer's body with a mask wherever it repeats what was shown.
    pub(super) fn masked(&self, body: Vec<u8>) -> Vec<u8> {
        self.hidden.iter().fold(body, |body, hidden| {
            let mut kept = Vec::new();
            let mut from = 0;
            for at in memmem::find_iter(&body, hidden.as_slice()) {
                kept.extend_from_slice(body.get(from..at).unwrap_or_default());
                kept.extend_from_slice(MASK);
                from = at + hidden.len();
            }
            if from == 0 {
                return body;
            }
            kept.extend_from_slice(body.get(from..).unwrap_or_default());
            kept
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(text: &str, secrets: &[&str]) -> Option<Pass> {
        let secrets = secrets.iter().map(|text| Zeroizing::new((*text).to_owned()));
        Pass::new(AUTHORIZATION, Zeroizing::new(text.into()), secrets.collect())
    }

    #[test]
    fn what_was_shown_does_not_come_back() {
        let pass = pass("Bearer a\"bcdefg", &["a\"bcdefg"]).unwrap();
        let masked = |text: &str| String::from_utf8(pass.masked(text.into())).unwrap();
        assert_eq!(masked(""), "");
        assert_eq!(masked("nothing"), "nothing");
        assert_eq!(
            masked("a\"bcdefg and a\"bcdefga\"bcdefg."),
            "[secret] and [secret][secret]."
        );
        assert_eq!(
            masked(r#"{"you sent":"a\"bcdefg"}"#),
            r#"{"you sent":"[secret]"}"#
        );
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("\"a\"bcdefg\""));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let kept = pass.without(headers);
        assert_eq!(kept.len(), 1);
        assert!(kept.contains_key("content-type"));
    }

    #[test]
    fn a_pass_is_never_shown_and_carries_no_second_header() {
        let pass_of = pass("Bearer hunter22", &["hunter22"]).unwrap();
        let mut headers = HeaderMap::new();
        pass_of.show(&mut headers);
        assert!(!format!("{pass_of:?} {headers:?}").contains("hunter22"));
        for wrong in [
            "a\r\nHost: evil",
            "a\nb",
            "caf\u{e9}",
            "nul\0",
            "space at the end ",
        ] {
            assert!(pass(wrong, &[wrong]).is_none(), "{wrong:?}");
        }
    }
}
