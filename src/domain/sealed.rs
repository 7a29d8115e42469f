//! Sealed fields: a sensitive value lives in Git only as ciphertext and a salted commitment, and its key can be
//! destroyed. INVARIANT i29.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    canonical::{NotCanonical, Salt, canonical, commitment},
    ids::{Digest, ItemId, ProposalId},
};

/// The key of one proposal's sealed fields; destroying it erases their values.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A key from random bytes that the caller drew.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes, for the store that keeps them.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
    /// Seals bytes to a place, which must be named again to open them; none when the cipher refuses.
    pub(super) fn encrypt(&self, place: &str, nonce: &[u8; 24], plain: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload {
            msg: plain,
            aad: place.as_bytes(),
        };
        let cipher = XChaCha20Poly1305::new(self.0.as_slice().into());
        cipher.encrypt(XNonce::from_slice(nonce), payload).ok()
    }
    /// The bytes that were sealed to a place; none when they were sealed to another, by another key, or changed.
    pub(super) fn decrypt(&self, place: &str, nonce: &[u8; 24], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        let cipher = XChaCha20Poly1305::new(self.0.as_slice().into());
        let plain = cipher.decrypt(XNonce::from_slice(nonce), payload);
        plain.ok().map(Zeroizing::new)
    }
}
impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// Where a sealed value stands: the proposal, the item, and a JSON pointer (RFC 6901) into its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAt {
    /// The proposal that owns the value.
    pub proposal: ProposalId,
    /// The item it belongs to.
    pub item: ItemId,
    /// The place in the item's parameters.
    pub pointer: String,
}

impl SealedAt {
    fn associated_data(&self) -> String {
        format!(
            "countersign sealed v1\n{}\n{}\n{}",
            self.proposal, self.item, self.pointer
        )
    }
}

/// A sealed value as it stands in Git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    item: ItemId,
    at: String,
    commitment: Digest,
    algorithm: Algorithm,
    nonce: String,
    ciphertext: String,
    masked: String,
    /// Whether it is what the replaced proposal holds in this place; nothing where nobody could compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_before: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "xchacha20-poly1305")]
    XChaCha20Poly1305,
}

/// Why a value could not be sealed or opened; says nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value has no canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// The cipher refused to seal.
    #[error("could not seal `{0}`")]
    Seal(String),
    /// The key is another one, or the record was changed.
    #[error("could not open the sealed value at `{0}`: another key, or the record was changed")]
    Open(String),
    /// The value opened is not the one committed to.
    #[error("the sealed value at `{0}` is not the one committed to")]
    Commitment(String),
}

impl Sealed {
    /// Seals a value; the caller draws the salt and the 192-bit nonce at random.
    pub fn seal(
        at: &SealedAt,
        value: &Value,
        key: &DataKey,
        salt: &Salt,
        nonce: [u8; 24],
    ) -> Result<Self, SealError> {
        let mut plain = Zeroizing::new(salt.expose().to_vec());
        plain.extend(canonical(value)?);
        let sealed = key.encrypt(&at.associated_data(), &nonce, &plain);
        Ok(Self {
            item: at.item.clone(),
            at: at.pointer.clone(),
            commitment: commitment(salt, value)?,
            algorithm: Algorithm::XChaCha20Poly1305,
            nonce: BASE64.encode(nonce),
            ciphertext: BASE64.encode(sealed.ok_or_else(|| SealError::Seal(at.pointer.clone()))?),
            masked: mask(value),
            as_before: None,
        })
    }

    /// The clear value, once the key opened it and its commitment held.
    pub fn open(&self, proposal: ProposalId, key: &DataKey) -> Result<Value, SealError> {
        self.reveal(proposal, key).map(|(_, value)| value)
    }

    /// The same with its salt: sealed with that again, it has the same commitment, so that whoever has no key sees that it
    /// is the same value.
    pub(super) fn reveal(&self, proposal: ProposalId, key: &DataKey) -> Result<(Salt, Value), SealError> {
        let no = || SealError::Open(self.at.clone());
        let at = SealedAt {
            proposal,
            item: self.item.clone(),
            pointer: self.at.clone(),
        };
        let nonce: [u8; 24] = BASE64
            .decode(&self.nonce)
            .ok()
            .and_then(|n| n.try_into().ok())
            .ok_or_else(no)?;
        let ciphertext = BASE64.decode(&self.ciphertext).map_err(|_| no())?;
        let plain = key
            .decrypt(&at.associated_data(), &nonce, &ciphertext)
            .ok_or_else(no)?;
        let (salt, bytes) = plain.split_first_chunk::<32>().ok_or_else(no)?;
        let value: Value = serde_json::from_slice(bytes).map_err(|_| no())?;
        let salt = Salt::new(*salt);
        if commitment(&salt, &value)? == self.commitment {
            Ok((salt, value))
        } else {
            Err(SealError::Commitment(self.at.clone()))
        }
    }

    /// The item the value belongs to.
    pub const fn item(&self) -> &ItemId {
        &self.item
    }
    /// JSON pointer (RFC 6901) into the item's parameters.
    pub fn pointer(&self) -> &str {
        &self.at
    }
    /// `sha256(salt || canonical value)`.
    pub const fn commitment(&self) -> Digest {
        self.commitment
    }
    /// What people are shown instead of the value.
    pub fn masked(&self) -> &str {
        &self.masked
    }
    /// With whether it is what the replaced proposal holds in this place, as whoever could open both says.
    #[must_use]
    pub(super) const fn compared(mut self, as_before: Option<bool>) -> Self {
        self.as_before = as_before;
        self
    }
    /// Whether it is what the replaced proposal holds in this place; nothing where nobody could compare.
    pub const fn as_before(&self) -> Option<bool> {
        self.as_before
    }
    /// What stands in the parameters instead of the value.
    pub fn placeholder(&self) -> Value {
        json!({ PLACEHOLDER: self.commitment })
    }
}

/// The key of the object that stands in for a sealed value.
pub const PLACEHOLDER: &str = "$sealed";

/// The commitment, when a value is the placeholder of a sealed one.
pub fn placeholder_of(value: &Value) -> Option<Digest> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(PLACEHOLDER)?.as_str()?.parse().ok()
}

/// How many placeholders a value holds.
pub(super) fn placeholders(value: &Value) -> usize {
    if placeholder_of(value).is_some() {
        return 1;
    }
    match value {
        Value::Array(items) => items.iter().map(placeholders).sum(),
        Value::Object(fields) => fields.values().map(placeholders).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Keeps the last four characters of a text of twelve or more, and nothing of anything else.
pub fn mask(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.chars().count() >= 12 => {
            let tail: String = text.chars().skip(text.chars().count() - 4).collect();
            let safe = tail.chars().all(|c| c.is_ascii_alphanumeric());
            if safe {
                format!("•••• {tail}")
            } else {
                "••••".into()
            }
        }
        _ => "••••".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pointer: &str) -> SealedAt {
        SealedAt {
            proposal: ProposalId::from_parts("2026-01-01T00:00:00Z".parse().unwrap(), 7),
            item: "1".parse().unwrap(),
            pointer: pointer.into(),
        }
    }

    #[test]
    fn i29_a_sealed_value_opens_only_with_its_key_in_its_place() {
        let (key, place) = (DataKey::new([9; 32]), at("/iban"));
        let iban = json!("DE89370400440532013000");
        let sealed = Sealed::seal(&place, &iban, &key, &Salt::new([3; 32]), [5; 24]).unwrap();
        assert_eq!(sealed.open(place.proposal, &key).unwrap(), iban);
        assert_eq!(sealed.masked(), "•••• 3000");
        assert!(!serde_json::to_string(&sealed).unwrap().contains("8937"));
        assert!(sealed.open(place.proposal, &DataKey::new([8; 32])).is_err());
        let moved = Sealed {
            at: "/other".into(),
            ..sealed.clone()
        };
        assert!(moved.open(place.proposal, &key).is_err());
        let swapped = Sealed {
            commitment: Digest::of(b"x"),
            ..sealed
        };
        assert_eq!(
            swapped.open(place.proposal, &key),
            Err(SealError::Commitment("/iban".into()))
        );
    }

    #[test]
    fn short_and_odd_values_are_masked_whole() {
        for value in [
            json!("1234"),
            json!(12),
            json!("elevenchars"),
            json!("ends in \u{202e}<b>"),
        ] {
            assert_eq!(mask(&value), "••••");
        }
    }
}
