//! Checkpoints: how long the ledger was and what it ended with, to be kept where the bot's keys can't rewrite them.
//!
//! C2SP `signed-note` and `tlog-checkpoint`: origin, size, base64 digest, a blank line, signature lines. The digest is
//! the newest entry's, which chains to all before it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, VerifyingKey};

use super::sign::Signer;
use crate::domain::{
    book::Book,
    entry::{Genesis, Role},
    ids::{Digest, Seq},
    keys::Keys,
};

/// What a signature line begins with: an em dash and a space.
const LINE: &str = "\u{2014} ";
/// The longest note that is read, in bytes.
const MAX: usize = 16 * 1024;

/// Why a text is not a checkpoint of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note at all.
    #[error("it is not a C2SP checkpoint: origin, size, digest, a blank line, signatures")]
    Malformed,
    /// Of another ledger.
    #[error("it is of `{found}`, and this ledger is `{expected}`")]
    Origin {
        /// This ledger.
        expected: String,
        /// What the note says.
        found: String,
    },
    /// No signature of the gate holds.
    #[error("no signature on it is the gate's")]
    Signature,
}

/// How long a ledger was, and the digest of its newest entry then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    digest: Digest,
}

impl Checkpoint {
    /// A ledger as it stands now.
    pub fn of(book: &Book) -> Self {
        Self {
            origin: origin(book.genesis()),
            size: book.size(),
            digest: book.head(),
        }
    }

    /// The note, signed by the gate.
    pub fn sign(&self, gate: &Signer) -> String {
        let text = self.text();
        let mut blob = key_hash(&self.origin, gate.verifying_key()).to_vec();
        blob.extend(gate.sign_raw(text.as_bytes()));
        format!("{text}\n{LINE}{} {}\n", self.origin, BASE64.encode(blob))
    }

    fn text(&self) -> String {
        let digest = BASE64.encode(self.digest.as_bytes());
        format!("{}\n{}\n{digest}\n", self.origin, self.size)
    }
}

/// A checkpoint as it was kept, with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
    signatures: Vec<(String, Vec<u8>)>,
}

impl SignedCheckpoint {
    /// Reads a note; what its signatures are worth is asked later.
    pub fn read(note: &str) -> Result<Self, CheckpointError> {
        let no = || CheckpointError::Malformed;
        if note.len() > MAX {
            return Err(no());
        }
        let (text, signatures) = note.split_once("\n\n").ok_or_else(no)?;
        let mut lines = text.split('\n');
        let mut next = || lines.next().ok_or_else(no);
        let (origin, size, digest) = (next()?, next()?, next()?);
        let bytes = BASE64.decode(digest).map_err(|_| no())?;
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: size
                .parse()
                .ok()
                .filter(|n: &u64| n.to_string() == size && *n > 0)
                .ok_or_else(no)?,
            digest: Digest::from_bytes(bytes.try_into().map_err(|_| no())?),
        };
        let signatures = signatures.lines().map(|line| {
            let (name, blob) = line.strip_prefix(LINE)?.split_once(' ')?;
            Some((name.to_owned(), BASE64.decode(blob).ok()?))
        });
        Ok(Self {
            checkpoint,
            text: format!("{text}\n"),
            signatures: signatures.collect::<Option<Vec<_>>>().ok_or_else(no)?,
        })
    }

    /// How many entries the ledger had.
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }
    /// The digest of the newest entry then.
    pub const fn digest(&self) -> Digest {
        self.checkpoint.digest
    }

    /// Whether it is of this ledger and the gate signed it; signatures of others are passed over.
    pub fn verify(&self, keys: &Keys, genesis: &Genesis) -> Result<(), CheckpointError> {
        let expected = origin(genesis);
        if self.checkpoint.origin != expected {
            return Err(CheckpointError::Origin {
                expected,
                found: self.checkpoint.origin.clone(),
            });
        }
        let newest = Seq(self.checkpoint.size.saturating_sub(1));
        let holds = keys.with_role(Role::Gate, newest).any(|gate| {
            let hash = key_hash(&expected, gate.key());
            self.signatures
                .iter()
                .filter(|(name, _)| *name == expected)
                .filter_map(|(_, blob)| blob.strip_prefix(&hash))
                .filter_map(|bytes| Signature::from_slice(bytes).ok())
                .any(|signature| gate.key().verify_strict(self.text.as_bytes(), &signature).is_ok())
        });
        if holds {
            Ok(())
        } else {
            Err(CheckpointError::Signature)
        }
    }
}

fn origin(genesis: &Genesis) -> String {
    format!("countersign/{}/{}", genesis.repository, genesis.ledger)
}

/// The first four bytes of SHA-256 over name, newline, algorithm (1: Ed25519) and key, as signed notes name keys.
fn key_hash(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut bytes = format!("{name}\n\u{1}").into_bytes();
    bytes.extend_from_slice(key.as_bytes());
    let digest = Digest::of(&bytes);
    digest.as_bytes().first_chunk().copied().unwrap_or_default()
}
