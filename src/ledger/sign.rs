//! A role's private key: it signs commits as `git commit -S` does with `gpg.format=ssh`, and notes.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use ssh_key::{
    HashAlg, LineEnding, PrivateKey, SshSig,
    private::{Ed25519Keypair, KeypairData},
};

use crate::domain::{
    authentic::NAMESPACE,
    book::{SnapshotKey, first_key},
    entry::{Role, RoleKey},
    ids::KeyId,
    keys::{KeyError, SigningIdentity},
};

/// Why a private key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The file can't be read or written.
    #[error("the key file `{path}` can't be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others may read it.
    #[error("others may read the key file `{0}`; run `chmod 600 {0}`")]
    Open(PathBuf),
    /// Not an OpenSSH private key.
    #[error("`{0}` is not an OpenSSH private key; make one with `ssh-keygen -t ed25519`")]
    Malformed(PathBuf),
    /// Protected by a passphrase.
    #[error("the key in `{0}` has a passphrase; take it off with `ssh-keygen -p`")]
    Encrypted(PathBuf),
    /// Another algorithm, or not a key after all.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signature could not be made.
    #[error("could not sign: {0}")]
    Sign(String),
}

/// An Ed25519 private key. It is never shown.
pub struct Signer {
    key: PrivateKey,
    raw: SigningKey,
    identity: SigningIdentity,
    public: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.identity.id())
    }
}

impl Signer {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, SignError> {
        Self::from_seed(rand::random())
    }

    /// The key of a 32-byte seed that the caller drew.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, SignError> {
        let pair = Ed25519Keypair::from_seed(&seed);
        let key = PrivateKey::new(KeypairData::from(pair), "").map_err(|e| SignError::Sign(e.to_string()))?;
        Self::of(key)
    }

    /// Reads an OpenSSH private key file that nobody else may read.
    pub fn load(path: &Path) -> Result<Self, SignError> {
        let file = |error| SignError::File {
            path: path.to_owned(),
            error,
        };
        if open_to_others(path).map_err(file)? {
            return Err(SignError::Open(path.to_owned()));
        }
        let text = zeroize::Zeroizing::new(fs::read(path).map_err(file)?);
        Self::read(&text, path)
    }

    /// Reads an OpenSSH private key whose file was read already; `path` is for errors.
    pub fn read(text: &[u8], path: &Path) -> Result<Self, SignError> {
        let key = PrivateKey::from_openssh(text).map_err(|_| SignError::Malformed(path.to_owned()))?;
        if key.is_encrypted() {
            return Err(SignError::Encrypted(path.to_owned()));
        }
        Self::of(key)
    }

    /// Writes the key to a new file that nobody else may read.
    pub fn save(&self, path: &Path) -> Result<(), SignError> {
        let file = |error| SignError::File {
            path: path.to_owned(),
            error,
        };
        let text = self
            .key
            .to_openssh(LineEnding::LF)
            .map_err(|e| SignError::Sign(e.to_string()))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut to = options.open(path).map_err(file)?;
        to.write_all(text.as_bytes()).map_err(file)?;
        to.sync_all().map_err(file)
    }

    fn of(key: PrivateKey) -> Result<Self, SignError> {
        let public = without_comment(&key)?;
        let identity = SigningIdentity::read(&public)?;
        let pair = key
            .key_data()
            .ed25519()
            .ok_or_else(|| KeyError::Algorithm(public.clone()))?;
        let raw = SigningKey::from_bytes(&pair.private.to_bytes());
        Ok(Self {
            key,
            raw,
            identity,
            public,
        })
    }

    /// The key's fingerprint.
    pub const fn id(&self) -> &KeyId {
        self.identity.id()
    }
    /// The public key in OpenSSH form, without a comment.
    pub fn public(&self) -> &str {
        &self.public
    }
    /// The key as the genesis entry names it: this role's, from the first position on.
    pub fn role_key(&self, role: Role) -> RoleKey {
        first_key(role, self.public.clone())
    }

    /// Signs a commit's bytes; the armored signature goes into its `gpgsig` header (PROTOCOL.sshsig).
    pub fn sign(&self, payload: &[u8]) -> Result<String, SignError> {
        let failed = |error: ssh_key::Error| SignError::Sign(error.to_string());
        let message = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, payload).map_err(failed)?;
        let signature =
            ssh_key::Signature::new(ssh_key::Algorithm::Ed25519, self.raw.sign(&message).to_vec())
                .map_err(failed)?;
        let public = self.key.public_key().key_data().clone();
        SshSig::new(public, NAMESPACE, HashAlg::Sha512, signature)
            .and_then(|sig| sig.to_pem(LineEnding::LF))
            .map_err(failed)
    }

    /// The key that the book's snapshots are sealed with: HMAC-SHA-256 of the purpose, under the private key. There is
    /// always one, since HMAC takes keys of any length.
    pub(super) fn snapshot_key(&self) -> Option<SnapshotKey> {
        self.derived("book snapshot 1").map(SnapshotKey::new)
    }
    /// The 32 bytes that callbacks to agents are signed with.
    pub fn callback_seed(&self) -> Option<zeroize::Zeroizing<[u8; 32]>> {
        self.derived("callbacks 1").map(zeroize::Zeroizing::new)
    }
    fn derived(&self, purpose: &str) -> Option<[u8; 32]> {
        let seed = zeroize::Zeroizing::new(self.raw.to_bytes());
        let mut mac = Hmac::<Sha256>::new_from_slice(&*seed).ok()?;
        mac.update(b"countersign ");
        mac.update(purpose.as_bytes());
        Some(mac.finalize().into_bytes().into())
    }
    /// Signs bytes as they are, for notes (RFC 8032).
    pub(super) fn sign_raw(&self, bytes: &[u8]) -> [u8; 64] {
        self.raw.sign(bytes).to_bytes()
    }
    /// The key's own public bytes.
    pub(super) fn verifying_key(&self) -> &ed25519_dalek::VerifyingKey {
        self.identity.key()
    }
}

fn without_comment(key: &PrivateKey) -> Result<String, SignError> {
    let public = ssh_key::PublicKey::new(key.public_key().key_data().clone(), "");
    let text = public.to_openssh().map_err(|e| SignError::Sign(e.to_string()))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}
#[cfg(not(unix))]
fn open_to_others(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|_| false)
}
