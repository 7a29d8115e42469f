//! Secrets in files that nobody else can read.

use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::SettingsError;

const MAX_BYTES: u64 = 64 * 1024;
const MIN_SHARED: usize = 16;

/// Reads a secret file as it is. Errors: others may read it.
pub(super) fn read(path: &Path, what: &'static str) -> Result<SecretString, SettingsError> {
    Ok(SecretString::from(text(path, what)?.as_str()))
}

/// Reads a secret, without the end of its line.
pub(super) fn line(path: &Path, what: &'static str) -> Result<SecretString, SettingsError> {
    let text = text(path, what)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// Reads a shared secret, without the end of its line.
pub(super) fn shared(path: &Path, what: &'static str) -> Result<SecretString, SettingsError> {
    let text = line(path, what)?;
    let shown = format!("`{}`, {what},", path.display());
    long_enough(text.expose_secret().to_owned(), &shown)
}

/// Refuses a shared secret that can be guessed.
pub(super) fn long_enough(text: String, what: &str) -> Result<SecretString, SettingsError> {
    let text = Zeroizing::new(text);
    if text.len() >= MIN_SHARED {
        Ok(SecretString::from(text.as_str()))
    } else {
        Err(SettingsError::Secret {
            what: what.to_owned(),
            rule: "has fewer than 16 characters; draw one with `openssl rand -hex 32`",
        })
    }
}

fn text(path: &Path, what: &'static str) -> Result<Zeroizing<String>, SettingsError> {
    let failed = |source| SettingsError::Read {
        path: path.to_owned(),
        what,
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that it is the one that is read.
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SettingsError::Open {
            path: path.to_owned(),
            what,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
