//! Whether GitHub sent a webhook. INVARIANT i24.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// A body that the holder of the secret did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match; check that GitHub and the bot have the same webhook secret")]
pub struct BadSignature;

/// Checks `X-Hub-Signature-256` over the raw bytes, in constant time.
///
/// # Errors
/// When the header is missing, or does not sign these bytes.
pub fn verify(secret: &SecretString, raw: &[u8], header: Option<&str>) -> Result<(), BadSignature> {
    let signature = header
        .and_then(|header| header.strip_prefix("sha256="))
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or(BadSignature)?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).map_err(|_| BadSignature)?;
    mac.update(raw);
    mac.verify_slice(&signature).map_err(|_| BadSignature)
}
