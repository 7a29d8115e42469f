//! Credentials of single calls: what a token says, and the keys that targets verify it with. INVARIANT i19.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    ids::{ActionName, Digest, ItemId, ProposalId, Span, Timestamp},
    policy::Tier,
};

/// The longest life of a token.
pub const LIFE: Span = Span::seconds(300);
/// How long whoever fetched the keys may keep them before asking again.
pub const KEPT: Span = Span::seconds(300);
/// A new key is published this long before it signs: [`KEPT`], and time for a file to reach every replica.
pub const AHEAD: Span = Span::seconds(900);
/// How far a target's clock may be behind; a key stays published that much longer. INVARIANT i30.
const SKEW: Span = Span::seconds(60);
const MAX_KEYS: usize = 16;

/// What a token says (RFC 7519; `htm` and `htu` as in RFC 9449).
#[derive(Debug, Clone, Serialize)]
pub struct Claims<'a> {
    /// Whose token it is.
    pub iss: &'a str,
    /// The one target that it is for.
    pub aud: &'a str,
    /// The proposal.
    pub sub: ProposalId,
    /// The token's own name; a target takes each once.
    pub jti: &'a str,
    /// Made at, in seconds.
    pub iat: i64,
    /// Not valid before, in seconds.
    pub nbf: i64,
    /// Not valid at or after, in seconds.
    pub exp: i64,
    /// The method of the one request that it is for.
    pub htm: &'a str,
    /// The address of that request.
    pub htu: &'a str,
    /// SHA-256 of that request's body as it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<Digest>,
    /// The idempotency key of that request.
    pub call: &'a str,
    /// What was approved.
    pub action_digest: Digest,
    /// What is to be called for it.
    pub plan_digest: Digest,
    /// The rules that it was approved under.
    pub policy_digest: Digest,
    /// The kind of action.
    pub operation: &'a ActionName,
    /// How risky it is.
    pub tier: Tier,
    /// The item.
    pub item: &'a ItemId,
    /// Whose approvals were counted; nobody's in low tier.
    pub approvers: Vec<Vouching<'a>>,
}

/// One approver, as a target is told.
#[derive(Debug, Clone, Serialize)]
pub struct Vouching<'a> {
    /// The name in `people.yaml`.
    pub person: &'a str,
}

/// A key that signs credentials.
#[derive(Clone)]
pub struct CredentialKey {
    key: SigningKey,
    id: String,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl CredentialKey {
    fn new(seed: &[u8; 32], from: Timestamp, until: Option<Timestamp>) -> Self {
        let key = SigningKey::from_bytes(seed);
        let x = BASE64URL.encode(key.verifying_key().as_bytes());
        // RFC 7638: the required members in alphabetical order.
        let thumbprint = Digest::of(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes());
        Self {
            key,
            id: BASE64URL.encode(thumbprint.as_bytes()),
            from,
            until,
        }
    }
    /// `kid`: the thumbprint of the public key (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }
    /// It signs from here on.
    pub const fn from(&self) -> Timestamp {
        self.from
    }
    /// It signs nothing at or after this.
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }
    /// The private key as PKCS #8 (RFC 8410, section 7).
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        const BEFORE: [u8; 16] = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
        ];
        let mut der = Zeroizing::new(Vec::with_capacity(48));
        der.extend_from_slice(&BEFORE);
        der.extend_from_slice(self.key.as_bytes());
        der
    }
    /// The public key as a JWK (RFC 8037).
    fn jwk(&self) -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": BASE64URL.encode(self.key.verifying_key().as_bytes()),
            "kid": self.id,
            "use": "sig",
            "alg": "EdDSA",
        })
    }
    /// Whether a token made with it may still be valid, or one will be.
    fn is_published(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until.plus(LIFE).plus(SKEW))
    }
}
impl std::fmt::Debug for CredentialKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CredentialKey({})", self.id)
    }
}

/// The keys of an executor, or of executors that share them: the one that signs, those before it, and the next.
#[derive(Debug, Clone)]
pub struct KeyRing(Vec<CredentialKey>);

/// Why keys can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are no credential keys: {0}")]
pub struct NoKeys(&'static str);

/// A rotation is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of the last rotation signs from {0} on; wait until then")]
pub struct Rotating(pub Timestamp);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    keys: Vec<WrittenKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    kid: String,
    /// The seed, base64url.
    private: String,
    signs_from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs_until: Option<Timestamp>,
}

impl Drop for WrittenKey {
    fn drop(&mut self) {
        self.private.zeroize();
    }
}

impl KeyRing {
    /// One key, of a seed that the caller drew; it signs at once.
    pub fn begin(seed: Zeroizing<[u8; 32]>, now: Timestamp) -> Self {
        Self(vec![CredentialKey::new(&seed, now, None)])
    }

    /// The keys once a further one was made, of a seed that the caller drew. It signs after [`AHEAD`], and the one before
    /// it until then. Keys that nobody needs any more are gone. Errors: the last one does not sign yet.
    pub fn rotated(mut self, seed: Zeroizing<[u8; 32]>, now: Timestamp) -> Result<Self, Rotating> {
        self.0.retain(|key| key.is_published(now));
        if let Some(next) = self.0.iter().find(|key| key.from > now) {
            return Err(Rotating(next.from));
        }
        let from = now.plus(AHEAD);
        for key in self.0.iter_mut().filter(|key| key.until.is_none()) {
            key.until = Some(from);
        }
        // Where none was left, nothing has to be waited for.
        let from = if self.0.is_empty() { now } else { from };
        self.0.push(CredentialKey::new(&seed, from, None));
        Ok(self)
    }

    /// Every key, the oldest first.
    pub fn keys(&self) -> &[CredentialKey] {
        &self.0
    }

    /// The key that signs now; none when the clock stands before the first.
    pub fn signing(&self, now: Timestamp) -> Option<&CredentialKey> {
        let signs = |key: &&CredentialKey| key.from <= now && key.until.is_none_or(|until| now < until);
        self.0.iter().rev().find(signs)
    }

    /// What targets verify with (RFC 7517): every key of which a token may be valid, and the next.
    pub fn published(&self, now: Timestamp) -> Value {
        let keys = self.0.iter().filter(|key| key.is_published(now));
        json!({ "keys": keys.map(CredentialKey::jwk).collect::<Vec<_>>() })
    }

    /// As a file holds them.
    pub fn write(&self) -> Result<Zeroizing<String>, NoKeys> {
        let keys = self.0.iter().map(|key| WrittenKey {
            kid: key.id.clone(),
            private: BASE64URL.encode(key.key.as_bytes()),
            signs_from: key.from,
            signs_until: key.until,
        });
        let written = Written { keys: keys.collect() };
        let text = serde_json::to_string_pretty(&written).map_err(|_| NoKeys("they have no form"))?;
        Ok(Zeroizing::new(text))
    }

    /// From a file.
    pub fn read(text: &str) -> Result<Self, NoKeys> {
        // The parser's words may repeat the key.
        let written: Written = serde_json::from_str(text).map_err(|_| NoKeys("it is not their JSON"))?;
        if written.keys.is_empty() || written.keys.len() > MAX_KEYS {
            return Err(NoKeys("there must be 1 to 16"));
        }
        let mut keys: Vec<CredentialKey> = Vec::new();
        for written in &written.keys {
            let mut seed = Zeroizing::new([0; 32]);
            let decoded = BASE64URL.decode(written.private.as_bytes()).map(Zeroizing::new);
            match decoded.as_deref().map(Vec::as_slice) {
                Ok(bytes) if bytes.len() == seed.len() => seed.copy_from_slice(bytes),
                Ok(_) | Err(_) => return Err(NoKeys("`private` is not 32 bytes in base64url")),
            }
            let key = CredentialKey::new(&seed, written.signs_from, written.signs_until);
            if key.id != written.kid {
                return Err(NoKeys("a `kid` is not its key's thumbprint"));
            }
            if keys.iter().any(|other| other.id == key.id) {
                return Err(NoKeys("one appears twice"));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }
}

/// The names of an execution's tokens: no other execution has one of them. Whoever reads the `started` entry can derive
/// them, so that each was recorded before it was made. INVARIANT i19.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenNames(String);

impl TokenNames {
    /// From the digest of what claims the execution. 128 bits of it are enough to be unique.
    pub fn of(claim: Digest) -> Self {
        let bytes = claim.as_bytes().first_chunk::<16>();
        Self(bytes.map(|bytes| BASE64URL.encode(bytes)).unwrap_or_default())
    }
    /// The name of the token with this number, counted from 1 through the whole execution.
    pub fn number(&self, number: u32) -> String {
        format!("{}.{number}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }
    fn seed(byte: u8) -> Zeroizing<[u8; 32]> {
        Zeroizing::new([byte; 32])
    }
    fn published(ring: &KeyRing, now: Timestamp) -> Vec<String> {
        let keys = ring.published(now);
        let ids = keys["keys"].as_array().unwrap().iter();
        ids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_key_has_the_form_and_the_thumbprint_of_the_standard() {
        // RFC 8037, appendix A.1 to A.3.
        let seed = BASE64URL
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let ring = KeyRing::begin(Zeroizing::new(seed.try_into().unwrap()), at(0));
        let key = &ring.published(at(0))["keys"][0];
        assert_eq!(key["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(ring.keys()[0].id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert!(!format!("{ring:?}").contains("nWGx"));
    }

    #[test]
    fn i19_a_new_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_ended() {
        let ring = KeyRing::begin(seed(1), at(10));
        let first = ring.keys()[0].id().to_owned();
        let ring = ring.rotated(seed(2), at(1_000)).unwrap();
        let second = ring.keys()[1].id().to_owned();
        let both = [first.clone(), second.clone()];
        let signs = |now| ring.signing(at(now)).map(|key| key.id().to_owned());
        for (now, signing, shown) in [
            (1_000, &first, &both[..]),
            (1_899, &first, &both),
            (1_900, &second, &both),
            // A token made in the last moment, verified by a clock a minute behind.
            (2_259, &second, &both),
            (2_260, &second, &both[1..]),
            (9_999_999, &second, &both[1..]),
        ] {
            assert_eq!(signs(now).as_ref(), Some(signing), "{now}");
            assert_eq!(published(&ring, at(now)), shown, "{now}");
        }
        assert_eq!(signs(9), None);
        let early = ring.clone().rotated(seed(3), at(1_899)).unwrap_err();
        assert_eq!(early, Rotating(at(1_900)));
        let ring = ring.rotated(seed(3), at(3_000)).unwrap();
        assert_eq!(ring.keys().len(), 2);
        assert_eq!(ring.keys()[0].id(), second);
    }

    #[test]
    fn keys_are_read_as_they_were_written_and_nothing_else_is() {
        let ring = KeyRing::begin(seed(1), at(0)).rotated(seed(2), at(50)).unwrap();
        let text = ring.write().unwrap();
        let again = KeyRing::read(&text).unwrap();
        assert_eq!(again.write().unwrap(), text);
        assert_eq!(published(&again, at(60)), published(&ring, at(60)));
        let private = serde_json::from_str::<Value>(&text).unwrap()["keys"][0]["private"]
            .as_str()
            .unwrap()
            .to_owned();
        let other = serde_json::from_str::<Value>(&text).unwrap()["keys"][1]["private"]
            .as_str()
            .unwrap()
            .to_owned();
        for (from, to) in [
            (private.as_str(), "AAAA"),
            (private.as_str(), other.as_str()),
            ("\"kid\"", "\"name\""),
            ("{", ""),
        ] {
            let wrong = KeyRing::read(&text.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            assert!(!wrong.contains(&private) && !wrong.contains(&other), "{wrong}");
        }
        assert!(KeyRing::read(r#"{"keys":[]}"#).is_err());
    }

    #[test]
    fn tokens_of_one_execution_have_names_of_their_own() {
        let names = TokenNames::of(Digest::of(b"one"));
        assert_ne!(names.number(1), names.number(2));
        assert_ne!(names.number(1), TokenNames::of(Digest::of(b"other")).number(1));
        assert_eq!(names.number(3).len(), 24);
    }
}
