//! The keys that sign the ledger: which role each has, and for which positions. INVARIANT i03.

use ed25519_dalek::VerifyingKey;
use ssh_key::{HashAlg, PublicKey};

use super::{
    entry::{Role, RoleKey},
    ids::{KeyId, Seq},
};

/// Why a text is not a key that can sign a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an OpenSSH public key.
    #[error("`{0}` is not an OpenSSH public key (`ssh-ed25519 AAAA...`)")]
    Malformed(String),
    /// Another algorithm.
    #[error("`{0}` is not an Ed25519 key; make one with `ssh-keygen -t ed25519`")]
    Algorithm(String),
    /// One key for two roles.
    #[error("key {0} is named twice; every role has a key of its own")]
    Twice(KeyId),
}

/// An Ed25519 public key with its SSH fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningIdentity {
    id: KeyId,
    key: VerifyingKey,
}

impl SigningIdentity {
    /// Reads `ssh-ed25519 AAAA... [comment]`.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let shown = || text.chars().take(40).collect::<String>();
        let public = PublicKey::from_openssh(text.trim()).map_err(|_| KeyError::Malformed(shown()))?;
        let ed25519 = public
            .key_data()
            .ed25519()
            .ok_or_else(|| KeyError::Algorithm(shown()))?;
        let key = VerifyingKey::from_bytes(&ed25519.0).map_err(|_| KeyError::Malformed(shown()))?;
        let id = public.fingerprint(HashAlg::Sha256).to_string();
        Ok(Self {
            id: id.parse().map_err(|_| KeyError::Malformed(shown()))?,
            key,
        })
    }
    /// The key's SHA-256 fingerprint, as `ssh-keygen -l` prints it.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }
    /// The key.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

/// The keys of one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    keys: Vec<(SigningIdentity, RoleKey)>,
}

impl Keys {
    /// Reads role keys; every key has one role.
    pub fn of(roles: &[RoleKey]) -> Result<Self, KeyError> {
        let mut keys: Vec<(SigningIdentity, RoleKey)> = Vec::new();
        for role in roles {
            let identity = SigningIdentity::read(&role.key)?;
            if keys.iter().any(|(known, _)| known.id == identity.id) {
                return Err(KeyError::Twice(identity.id));
            }
            keys.push((identity, role.clone()));
        }
        Ok(Self { keys })
    }
    /// The key of a fingerprint.
    pub fn get(&self, id: &KeyId) -> Option<&VerifyingKey> {
        self.keys
            .iter()
            .find(|(known, _)| known.id == *id)
            .map(|(known, _)| &known.key)
    }
    /// The fingerprint of raw key bytes.
    pub fn by_bytes(&self, bytes: &[u8; 32]) -> Option<&SigningIdentity> {
        self.keys
            .iter()
            .find(|(known, _)| known.key.as_bytes() == bytes)
            .map(|(known, _)| known)
    }
    /// Whether a key has a role at a position.
    pub fn allow(&self, id: &KeyId, role: Role, at: Seq) -> bool {
        self.keys.iter().any(|(known, named)| {
            known.id == *id
                && named.role == role
                && named.from <= at
                && named.until.is_none_or(|until| at < until)
        })
    }
    /// The keys that have a role at a position.
    pub fn with_role(&self, role: Role, at: Seq) -> impl Iterator<Item = &SigningIdentity> {
        self.keys
            .iter()
            .map(|(identity, _)| identity)
            .filter(move |identity| self.allow(identity.id(), role, at))
    }
    /// Every role key.
    pub fn roles(&self) -> impl Iterator<Item = &RoleKey> {
        self.keys.iter().map(|(_, role)| role)
    }
}
