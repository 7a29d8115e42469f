//! The database's address, which may hold a password.

use std::{convert::Infallible, fmt, path::Path, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::SettingsError;

const WHAT: &str = "the address of the database";

/// An address as it was given; it is looked at later, so that no error repeats it.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Address(SecretString);

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl FromStr for Address {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(SecretString::from(text)))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

impl Address {
    /// A file is looked for in a directory, unless it says where it is.
    pub(super) fn beside(self, directory: &Path) -> Self {
        match self.0.expose_secret().strip_prefix("sqlite:") {
            Some(file) if !file.starts_with('/') => {
                Self::from(format!("sqlite:{}", directory.join(file).display()))
            }
            Some(_) | None => self,
        }
    }

    /// The address, when it is one.
    pub(super) fn checked(&self) -> Result<SecretString, SettingsError> {
        let text = self.0.expose_secret();
        let known = ["postgres://", "postgresql://", "sqlite:"];
        if known.iter().any(|kind| text.starts_with(kind)) && Url::parse(text).is_ok() {
            return Ok(self.0.clone());
        }
        let kind = text.split_once(':').map_or("", |(kind, _)| kind);
        Err(wrong(kind, "`postgres://USER@HOST/NAME` or `sqlite:FILE`"))
    }

    /// The address from a settings file, which holds no secret.
    pub(super) fn without_password(&self) -> Result<SecretString, SettingsError> {
        let checked = self.checked()?;
        let url = Url::parse(checked.expose_secret());
        if url.is_ok_and(|url| {
            url.password().is_none() && !url.query_pairs().any(|(name, _)| name == "password")
        }) {
            return Ok(checked);
        }
        Err(wrong(
            "postgres",
            "without a password in the settings file; set COUNTERSIGN_DATABASE, or PGPASSWORD beside it",
        ))
    }
}

fn wrong(kind: &str, rule: &'static str) -> SettingsError {
    SettingsError::Value {
        value: format!("{kind}:.."),
        what: WHAT,
        rule,
    }
}
