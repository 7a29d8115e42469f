//! The book written down, so that a start need not fold the whole ledger again; believed only under a key.
//!
//! Two parts: a line for every proposal that ended, to be appended as they end, and a sealed image of everything else,
//! small however long the ledger is. The image names the digest of the lines that belong to it, so its seal covers both.
//! INVARIANT i18, i28.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        amendment::Amendments,
        case::Case,
        delegation::Delegations,
        entry::{Genesis, SEMANTICS},
        freeze::Freezes,
        ids::{Digest, ProposalId, Seq, Sha, Timestamp},
        keys::Keys,
    },
    Book, RECENT,
    register::{Line, Register, Standing},
    running::Running,
};

/// The form of what is written here.
const FORMAT: u32 = 2;
/// The program that wrote it: another one may fold otherwise, and folds anew.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What snapshots are sealed with: whoever may write the directory but has no key of the bot's can't make a book.
#[derive(Clone)]
pub struct SnapshotKey([u8; 32]);

impl std::fmt::Debug for SnapshotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SnapshotKey(..)")
    }
}

impl SnapshotKey {
    /// A key that was derived from a private key for this purpose and no other.
    pub const fn new(derived: [u8; 32]) -> Self {
        Self(derived)
    }

    /// HMAC-SHA-256 (RFC 2104); its keys may have any length, so there is always one.
    pub(super) fn mac(&self, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(bytes);
        Some(mac)
    }
}

/// Where a book stands on the ledger's branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The newest commit that was folded.
    pub commit: Sha,
    /// The tree that every commit has.
    pub tree: Sha,
}

/// Why a book is not taken from what was written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It was cut off, changed, or sealed with another key.
    #[error("its seal does not hold: it was cut off, changed, or made with another key")]
    Seal,
    /// Written by another version.
    #[error("another version of this program wrote it")]
    Version,
    /// Another ledger's.
    #[error("it is of a ledger that begins with {0}")]
    Genesis(Digest),
    /// The lines are not those it was sealed with.
    #[error("the ended cases beside it were cut off or changed")]
    Cases,
    /// Sealed, and yet no book.
    #[error("it holds no book: {0}")]
    NoBook(String),
}

/// The lines that were written down: how many bytes, their digest, and how each proposal stood in them.
#[derive(Debug, Clone, Default)]
pub struct WrittenDown {
    bytes: u64,
    lines: u64,
    hash: Sha256,
    standings: Vec<Option<Standing>>,
}

impl WrittenDown {
    /// Bytes of the file up to here.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Lines of proposals that ended.
    pub const fn lines(&self) -> u64 {
        self.lines
    }
    fn digest(&self) -> Digest {
        Digest::from_bytes(self.hash.clone().finalize().into())
    }
    fn take(&mut self, line: &[u8], slot: usize, standing: Standing) {
        if self.standings.len() <= slot {
            self.standings.resize(slot + 1, None);
        }
        if let Some(known) = self.standings.get_mut(slot) {
            *known = Some(standing);
        }
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.lines += 1;
        self.hash.update(line);
    }
}

/// What an image says of the lines beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    bytes: u64,
    lines: u64,
    digest: Digest,
}

/// Everything but the lines.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    format: u32,
    program: String,
    semantics: u32,
    genesis_digest: Digest,
    at: Place,
    cases: Cases,
    genesis: Genesis,
    next: Seq,
    head: Digest,
    time: Timestamp,
    policy: Digest,
    strong: bool,
    open: Vec<Case>,
    rows: Vec<Line>,
    recent: Vec<Arc<Case>>,
    running: Running,
    delegations: Delegations,
    amendments: Arc<Amendments>,
    freezes: Freezes,
}

/// What every image says first, whichever version wrote it.
#[derive(Deserialize)]
struct Front {
    format: u32,
    program: String,
    semantics: u32,
    genesis_digest: Digest,
}

impl Book {
    /// The lines of proposals that ended, ended otherwise, or were erased, since some were written down; to be appended to them.
    pub fn lines_of_ended(&self, written: &mut WrittenDown) -> Vec<u8> {
        let changed = |(slot, standing): (usize, Standing)| {
            let known = written.standings.get(slot).copied().flatten();
            (standing.life.ended() && known != Some(standing)).then_some(slot)
        };
        let slots: BTreeSet<usize> = self
            .register
            .standings()
            .enumerate()
            .filter_map(changed)
            .collect();
        let mut bytes = Vec::new();
        for line in self.register.lines(&slots) {
            // Text, numbers and lists of them: there is always JSON.
            let Ok(mut json) = serde_json::to_vec(&line) else {
                continue;
            };
            json.push(b'\n');
            written.take(&json, line.slot(), line.standing());
            bytes.append(&mut json);
        }
        bytes
    }

    /// The sealed image that belongs to lines that are written down: its seal, and the rest.
    pub fn sealed(&self, at: Place, written: &WrittenDown, key: &SnapshotKey) -> Result<Vec<u8>, Unfit> {
        let open = self.register.standings().enumerate();
        let open = open
            .filter_map(|(slot, standing)| (!standing.life.ended()).then_some(slot))
            .collect();
        let recent = self.recent.iter().filter_map(|id| self.whole.get(id));
        let image = Image {
            format: FORMAT,
            program: PROGRAM.to_owned(),
            semantics: SEMANTICS,
            genesis_digest: self.genesis_digest,
            at,
            cases: Cases {
                bytes: written.bytes,
                lines: written.lines,
                digest: written.digest(),
            },
            genesis: self.genesis.clone(),
            next: self.next,
            head: self.head,
            time: self.time,
            policy: self.policy,
            strong: self.strong,
            open: self.cases.values().cloned().collect(),
            rows: self.register.lines(&open),
            recent: recent.cloned().collect(),
            running: self.running.clone(),
            delegations: self.delegations.clone(),
            amendments: Arc::clone(&self.amendments),
            freezes: self.freezes.clone(),
        };
        let json = serde_json::to_vec(&image).map_err(|error| Unfit::NoBook(error.to_string()))?;
        let mac = key.mac(&json).ok_or(Unfit::Seal)?.finalize().into_bytes();
        let mut sealed = Digest::from_bytes(mac.into()).to_string().into_bytes();
        sealed.push(b'\n');
        sealed.extend(json);
        Ok(sealed)
    }

    /// What was sealed, when the seal holds, and it is of this ledger and this program.
    pub fn unseal(sealed: &[u8], key: &SnapshotKey, genesis: Digest) -> Result<Unsealed, Unfit> {
        let split = sealed.iter().position(|byte| *byte == b'\n').ok_or(Unfit::Seal)?;
        let (seal, json) = sealed.split_at_checked(split + 1).ok_or(Unfit::Seal)?;
        let seal = std::str::from_utf8(seal).map_err(|_| Unfit::Seal)?;
        let seal: Digest = seal.trim_end().parse().map_err(|_| Unfit::Seal)?;
        let mac = key.mac(json).ok_or(Unfit::Seal)?;
        mac.verify_slice(seal.as_bytes()).map_err(|_| Unfit::Seal)?;
        let broken = |error: serde_json::Error| Unfit::NoBook(error.to_string());
        let front: Front = serde_json::from_slice(json).map_err(broken)?;
        if (front.format, front.program.as_str(), front.semantics) != (FORMAT, PROGRAM, SEMANTICS) {
            return Err(Unfit::Version);
        }
        if front.genesis_digest != genesis {
            return Err(Unfit::Genesis(front.genesis_digest));
        }
        let image = serde_json::from_slice(json).map_err(broken)?;
        Ok(Unsealed {
            image,
            lines: BTreeMap::new(),
            written: WrittenDown::default(),
        })
    }
}

/// A sealed image whose seal held, while the lines beside it are read. Made by [`Book::unseal`] only.
pub struct Unsealed {
    image: Image,
    lines: BTreeMap<usize, Line>,
    written: WrittenDown,
}

impl std::fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unsealed")
            .field("at", &self.image.at)
            .finish_non_exhaustive()
    }
}

/// The book that was written down, and what it takes to go on writing.
#[derive(Debug)]
pub struct Restored {
    /// The book.
    pub book: Book,
    /// Where it stands.
    pub at: Place,
    /// The lines beside its image.
    pub written: WrittenDown,
}

impl Unsealed {
    /// How many bytes of lines belong to it; what follows them was being written when it ended.
    pub const fn bytes(&self) -> u64 {
        self.image.cases.bytes
    }

    /// Takes the next line in, with its line end.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Unfit> {
        let read: Line = serde_json::from_slice(line).map_err(|_| Unfit::Cases)?;
        // No more proposals than entries: what is not sealed yet must not ask for memory.
        let slot = u64::try_from(read.slot()).unwrap_or(u64::MAX);
        if !read.standing().life.ended() || slot >= self.image.next.0 {
            return Err(Unfit::Cases);
        }
        self.written.take(line, read.slot(), read.standing());
        self.lines.insert(read.slot(), read);
        Ok(())
    }

    /// The book, when the lines are those it was sealed with.
    pub fn book(self) -> Result<Restored, Unfit> {
        let Self {
            image,
            mut lines,
            written,
        } = self;
        let read = Cases {
            bytes: written.bytes,
            lines: written.lines,
            digest: written.digest(),
        };
        if read != image.cases {
            return Err(Unfit::Cases);
        }
        let no = |why: &str| Unfit::NoBook(why.to_owned());
        lines.extend(image.rows.into_iter().map(|row| (row.slot(), row)));
        let register = Register::of(lines).ok_or_else(|| no("its proposals do not fit together"))?;
        if image.recent.len() > RECENT {
            return Err(no("too many ended cases are kept whole"));
        }
        let keys = Keys::of(&image.genesis.keys).map_err(|error| no(&error.to_string()))?;
        let id = |case: &Arc<Case>| case.proposal.id;
        let cases: BTreeMap<ProposalId, Case> = image
            .open
            .into_iter()
            .map(|case| (case.proposal.id, case))
            .collect();
        let book = Book {
            genesis: image.genesis,
            genesis_digest: image.genesis_digest,
            next: image.next,
            head: image.head,
            time: image.time,
            keys,
            policy: image.policy,
            cases,
            register,
            running: image.running,
            recent: image.recent.iter().map(id).collect(),
            whole: image.recent.into_iter().map(|case| (id(&case), case)).collect(),
            delegations: image.delegations,
            amendments: image.amendments,
            strong: image.strong,
            freezes: image.freezes,
        };
        Ok(Restored {
            book,
            at: image.at,
            written,
        })
    }
}
