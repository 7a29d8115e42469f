//! How an agent shows at the HTTP door that a request is its own. INVARIANT i24.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::ids::{Digest, Nonce, Timestamp};

/// The header that names the agent.
pub const AGENT: &str = "countersign-agent";
/// The header that carries the time, RFC 3339.
pub const TIMESTAMP: &str = "countersign-timestamp";
/// The header that carries a nonce, used once.
pub const NONCE: &str = "countersign-nonce";
/// The header that carries `v1=` and the base64 signature or HMAC.
pub const SIGNATURE: &str = "countersign-signature";
/// How far an agent's clock may be from the gate's, in milliseconds.
pub const SKEW_MILLIS: i64 = 5 * 60 * 1000;

/// What is signed: one request, at one time, once.
#[derive(Debug, Clone)]
pub struct Signed<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query, as sent.
    pub path: &'a str,
    /// The time the header carries.
    pub timestamp: Timestamp,
    /// The nonce the header carries.
    pub nonce: &'a Nonce,
    /// The raw body.
    pub body: &'a [u8],
}

/// The proof does not hold. It does not say why: the door tells strangers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold over method, path, timestamp, nonce and body")]
pub struct NotTheirs;

impl Signed<'_> {
    /// `countersign door v1`, method, path, timestamp, nonce and the body's digest, a line each.
    pub fn bytes(&self) -> Vec<u8> {
        let (at, body) = (self.timestamp, Digest::of(self.body));
        format!(
            "countersign door v1\n{}\n{}\n{at}\n{}\n{body}\n",
            self.method, self.path, self.nonce
        )
        .into_bytes()
    }

    /// The header of an agent with an Ed25519 key.
    pub fn sign(&self, key: &SigningKey) -> String {
        format!("v1={}", BASE64.encode(key.sign(&self.bytes()).to_bytes()))
    }

    /// The header of an agent with a shared secret (RFC 2104, SHA-256).
    pub fn mac(&self, secret: &[u8]) -> Result<String, NotTheirs> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| NotTheirs)?;
        mac.update(&self.bytes());
        Ok(format!("v1={}", BASE64.encode(mac.finalize().into_bytes())))
    }

    /// Checks an Ed25519 header, strictly.
    pub fn verify(&self, header: &str, key: &VerifyingKey) -> Result<(), NotTheirs> {
        let signature: [u8; 64] = decoded(header)?.try_into().map_err(|_| NotTheirs)?;
        key.verify_strict(&self.bytes(), &Signature::from_bytes(&signature))
            .map_err(|_| NotTheirs)
    }

    /// Checks an HMAC header in constant time.
    pub fn verify_mac(&self, header: &str, secret: &[u8]) -> Result<(), NotTheirs> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| NotTheirs)?;
        mac.update(&self.bytes());
        mac.verify_slice(&decoded(header)?).map_err(|_| NotTheirs)
    }
}

fn decoded(header: &str) -> Result<Vec<u8>, NotTheirs> {
    let text = header.strip_prefix("v1=").ok_or(NotTheirs)?;
    BASE64.decode(text).map_err(|_| NotTheirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i24_a_proof_holds_for_one_request_only() {
        let nonce: Nonce = "0123456789abcdef".parse().unwrap();
        let other: Nonce = "0123456789abcdeg".parse().unwrap();
        let timestamp: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-01-01T00:00:01Z".parse().unwrap();
        let signed = Signed {
            method: "POST",
            path: "/api/v1/proposals",
            timestamp,
            nonce: &nonce,
            body: b"{}",
        };
        let key = SigningKey::from_bytes(&[7; 32]);
        let (header, mac) = (signed.sign(&key), signed.mac(b"secret").unwrap());
        assert_eq!(signed.verify(&header, &key.verifying_key()), Ok(()));
        assert_eq!(signed.verify_mac(&mac, b"secret"), Ok(()));
        let others = [
            Signed {
                method: "GET",
                ..signed.clone()
            },
            Signed {
                path: "/api/v1/proposals?dry_run=true",
                ..signed.clone()
            },
            Signed {
                timestamp: later,
                ..signed.clone()
            },
            Signed {
                nonce: &other,
                ..signed.clone()
            },
            Signed {
                body: b"{ }",
                ..signed.clone()
            },
        ];
        for changed in others {
            assert_eq!(changed.verify(&header, &key.verifying_key()), Err(NotTheirs));
            assert_eq!(changed.verify_mac(&mac, b"secret"), Err(NotTheirs));
        }
        assert_eq!(signed.verify_mac(&mac, b"other"), Err(NotTheirs));
        for bad in ["", "v1=", "v2=AAAA", "v1=!!"] {
            assert!(signed.verify(bad, &key.verifying_key()).is_err());
            assert!(signed.verify_mac(bad, b"secret").is_err());
        }
    }
}
