//! Canonical JSON (RFC 8785) without floats, and commitments to values that must stay secret.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Number, Value};

use super::ids::Digest;

mod stands;

use stands::is_canonical;

/// The largest integer that RFC 8785 readers agree on: 2^53 - 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why a value has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// Floats round differently in different readers; money is an integer of minor units.
    #[error("`{at}` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)")]
    Float {
        /// JSON pointer (RFC 6901) to the value.
        at: String,
    },
    /// Beyond what every JSON reader represents exactly.
    #[error("`{at}` is beyond 2^53 - 1; write it as a string")]
    TooLarge {
        /// JSON pointer (RFC 6901) to the value.
        at: String,
    },
    /// The value is not representable as JSON at all.
    #[error("not representable as JSON: {0}")]
    Json(String),
    /// The bytes read are JSON but not in canonical form.
    #[error("not in canonical form (RFC 8785)")]
    Form,
}

/// The RFC 8785 form of a value; refuses floats and integers beyond 2^53 - 1.
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    let not_json = |error: serde_json::Error| NotCanonical::Json(error.to_string());
    let as_declared = serde_json::to_vec(value).map_err(not_json)?;
    if is_canonical(&as_declared) {
        return Ok(as_declared);
    }
    let value = serde_json::to_value(value).map_err(not_json)?;
    let in_order = serde_json::to_vec(&value).map_err(not_json)?;
    if is_canonical(&in_order) {
        return Ok(in_order);
    }
    refuse_inexact(&value, &mut String::new())?;
    serde_json_canonicalizer::to_vec(&value).map_err(not_json)
}

/// Whether every reader takes an integer for the same one; nothing for a float.
fn is_exact(n: &Number) -> Option<bool> {
    let magnitude = n.as_u64().or_else(|| n.as_i64().map(i64::unsigned_abs));
    magnitude.map(|magnitude| magnitude <= MAX_INTEGER)
}

/// [`canonical`] as text; RFC 8785 output is always UTF-8.
pub fn canonical_text<T: Serialize + ?Sized>(value: &T) -> Result<String, NotCanonical> {
    String::from_utf8(canonical(value)?).map_err(|e| NotCanonical::Json(e.to_string()))
}

/// The digest of a value's canonical form.
pub fn digest_of<T: Serialize + ?Sized>(value: &T) -> Result<Digest, NotCanonical> {
    Ok(Digest::of(&canonical(value)?))
}

/// Reads bytes that must already be canonical: what is read writes back to the same bytes.
pub fn read_canonical<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, NotCanonical> {
    let value: T = serde_json::from_slice(bytes).map_err(|e| NotCanonical::Json(e.to_string()))?;
    if canonical(&value)? == bytes {
        Ok(value)
    } else {
        Err(NotCanonical::Form)
    }
}

/// Refuses what has no exact canonical form, naming the place.
pub fn refuse_inexact(value: &Value, at: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(n) => match is_exact(n) {
            Some(true) => Ok(()),
            Some(false) => Err(NotCanonical::TooLarge { at: at.clone() }),
            None => Err(NotCanonical::Float { at: at.clone() }),
        },
        Value::Array(items) => items.iter().enumerate().try_for_each(|(i, item)| {
            let length = at.len();
            at.push_str(&format!("/{i}"));
            refuse_inexact(item, at)?;
            at.truncate(length);
            Ok(())
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(key, item)| {
            let length = at.len();
            at.push('/');
            at.push_str(&escape_pointer(key));
            refuse_inexact(item, at)?;
            at.truncate(length);
            Ok(())
        }),
    }
}

/// One reference token of a JSON pointer (RFC 6901).
pub fn escape_pointer(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(key)
    }
}

/// A 256-bit salt; without it a commitment to a guessable value says nothing.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt from random bytes that the caller drew.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes, for sealing beside the value.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// `sha256(salt || canonical value)`: binds a value without showing it.
pub fn commitment(salt: &Salt, value: &Value) -> Result<Digest, NotCanonical> {
    let mut bytes = salt.0.to_vec();
    bytes.extend(canonical(value)?);
    let digest = Digest::of(&bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Keys on both sides of where UTF-8 and UTF-16 sort otherwise, and texts with all that JSON escapes.
    fn json() -> impl Strategy<Value = Value> {
        let text = || "[ -~\u{0}-\u{1f}\u{7f}\"\\\\/é\u{2028}\u{d7ff}\u{e000}\u{ffff}\u{10000}😀]{0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(MAX_INTEGER as i64)..=MAX_INTEGER as i64).prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// An object as it is written by a struct whose fields are declared like this.
    struct Declared<'a>(&'a [(String, Value)]);

    impl Serialize for Declared<'_> {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
        }
    }

    proptest! {
        #[test]
        fn in_whatever_order_fields_are_declared_they_are_written_as_rfc_8785_says(
            fields in prop::collection::vec(("[a-c\"\\\\é\u{d7ff}\u{e000}\u{10000}]{0,2}", json()), 0..5),
        ) {
            let sorted: Value = Value::Object(fields.iter().cloned().collect());
            prop_assert_eq!(
                canonical(&Declared(&fields)).unwrap(),
                serde_json_canonicalizer::to_vec(&sorted).unwrap()
            );
        }

        #[test]
        fn the_short_way_writes_what_rfc_8785_does(value in json()) {
            prop_assert_eq!(canonical(&value).unwrap(), serde_json_canonicalizer::to_vec(&value).unwrap());
        }
    }

    #[test]
    fn keys_are_sorted_as_utf_16_sorts_them() {
        assert_eq!(
            canonical_text(&json!({"\u{e000}": 1, "\u{10000}": 2})).unwrap(),
            "{\"\u{10000}\":2,\"\u{e000}\":1}"
        );
    }

    #[test]
    fn keys_are_sorted_and_nothing_is_added() {
        assert_eq!(
            canonical_text(&json!({"b": 1, "a": [true, null, "é\n"]})).unwrap(),
            "{\"a\":[true,null,\"é\\n\"],\"b\":1}"
        );
    }

    #[test]
    fn floats_are_refused_with_their_place() {
        let error = canonical(&json!({"items": [{"amount": 12.5}]})).unwrap_err();
        assert_eq!(
            error,
            NotCanonical::Float {
                at: "/items/0/amount".into()
            }
        );
        let error = canonical(&json!({"n": 9_007_199_254_740_992_u64})).unwrap_err();
        assert_eq!(error, NotCanonical::TooLarge { at: "/n".into() });
    }

    #[test]
    fn only_canonical_bytes_are_read() {
        assert!(read_canonical::<Value>(br#"{"a":1,"b":2}"#).is_ok());
        assert_eq!(
            read_canonical::<Value>(br#"{"b":2,"a":1}"#),
            Err(NotCanonical::Form)
        );
    }

    #[test]
    fn a_commitment_depends_on_its_salt() {
        let value = json!("DE89370400440532013000");
        let one = commitment(&Salt::new([1; 32]), &value).unwrap();
        assert_ne!(one, commitment(&Salt::new([2; 32]), &value).unwrap());
        assert_ne!(one, Digest::of(&canonical(&value).unwrap()));
    }
}
