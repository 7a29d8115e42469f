//! What an auditor's reading of the ledger can find.

use serde::Serialize;

use super::{
    entry::Entry,
    ids::{Digest, KeyId, Seq, Sha},
};

/// An entry whose commit is signed by a key the ledger knows. Made by [`super::authentic::authenticate`] only.
///
/// ```
/// fn told(authentic: &countersign::domain::audit::Authentic) -> countersign::domain::ids::Digest {
///     authentic.digest()
/// }
/// ```
/// ```compile_fail,E0451
/// fn forged(authentic: countersign::domain::audit::Authentic, digest: countersign::domain::ids::Digest) {
///     let forged = countersign::domain::audit::Authentic { digest, ..authentic };
/// }
/// ```
#[derive(Debug)]
pub struct Authentic {
    pub(super) commit: Sha,
    pub(super) key: KeyId,
    pub(super) digest: Digest,
    pub(super) entry: Entry,
    /// The commit's subject, when the commit holds this entry alone.
    pub(super) subject: Option<String>,
}

impl Authentic {
    /// The commit that carries it.
    pub const fn commit(&self) -> Sha {
        self.commit
    }
    /// SHA-256 of the entry's bytes.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
    /// The entry.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// An entry that is part of the record: authentic, chained and legal. Made by [`super::book::Book::apply`] only.
///
/// ```
/// fn told(recorded: &countersign::domain::audit::Recorded) -> countersign::domain::ids::Digest {
///     recorded.digest()
/// }
/// ```
/// ```compile_fail,E0451
/// fn forged(recorded: countersign::domain::audit::Recorded, digest: countersign::domain::ids::Digest) {
///     let forged = countersign::domain::audit::Recorded { digest, ..recorded };
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Recorded {
    pub(super) commit: Sha,
    pub(super) digest: Digest,
    pub(super) entry: Entry,
}

impl Recorded {
    /// The commit that carries it.
    pub const fn commit(&self) -> Sha {
        self.commit
    }
    /// SHA-256 of the entry's bytes.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
    /// The entry.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// Something on the ledger's branch that is not part of the record; it changes no state. INVARIANT i03.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {flaw}", .commit.map_or_else(|| "ledger".to_owned(), |commit| format!("commit {commit}")))]
pub struct Finding {
    /// The commit it stands in.
    pub commit: Option<Sha>,
    /// The position it claims.
    pub seq: Option<Seq>,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Finding {
    /// A finding on one commit.
    pub const fn at(commit: Sha, flaw: Flaw) -> Self {
        Self {
            commit: Some(commit),
            seq: None,
            flaw,
        }
    }
}

/// What can be wrong with a ledger. INVARIANT i28.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The commit object can't be read.
    #[error("the commit can't be read: {0}")]
    Commit(String),
    /// The commit has no parent, several, or another than the commit before it.
    #[error("the commit does not follow the one before it")]
    Parent,
    /// The commit changes the ledger's constant tree.
    #[error("the commit changes the ledger's files")]
    Tree,
    /// No signature.
    #[error("the commit is not signed")]
    Unsigned,
    /// A signature that does not hold.
    #[error("the signature does not hold: the commit was changed after it was signed")]
    Signature,
    /// A key that the ledger does not know.
    #[error("signed with {0}, which is not a key of this ledger")]
    ForeignKey(KeyId),
    /// A line that is not an entry.
    #[error("not an entry of this ledger: {0}")]
    Entry(String),
    /// Subject or trailers say something else than the entry.
    #[error("the commit's {0} does not say what its entry says")]
    Message(&'static str),
    /// The key may not write this kind here.
    #[error("{role} may not write `{kind}` at position {seq}")]
    Role {
        /// The role that the entry claims.
        role: super::entry::Role,
        /// The kind.
        kind: super::entry::Kind,
        /// The position.
        seq: Seq,
    },
    /// Not the next position: something was dropped, inserted or re-ordered.
    #[error("position {found} where {expected} was due: something was dropped, inserted or re-ordered")]
    Sequence {
        /// The position that was due.
        expected: Seq,
        /// The position it claims.
        found: Seq,
    },
    /// The entry before it is not the one it was written after.
    #[error(
        "the entry before it is not the one it was written after: something was edited, dropped or re-ordered"
    )]
    Previous,
    /// Earlier than the entry before it. INVARIANT i30.
    #[error("its time is before the entry in front of it")]
    Time,
    /// Written under rules this program does not know.
    #[error("semantics version {0} is newer than this program")]
    Semantics(u32),
    /// It can't follow what came before.
    #[error("{0}")]
    Illegal(Box<super::illegal::Illegal>),
    /// The first entry is not the one whose digest was given. INVARIANT i01.
    #[error("the ledger begins with {found}, not with the genesis digest given ({expected})")]
    Genesis {
        /// The digest given.
        expected: Digest,
        /// The digest found.
        found: Digest,
    },
    /// The ledger ends before the checkpoint, or was rewritten since.
    #[error("the ledger does not hold the checkpoint's entry {size}: it was truncated or rewritten")]
    Checkpoint {
        /// Entries at the checkpoint.
        size: u64,
    },
    /// The branch has nothing on it.
    #[error("the ledger is empty")]
    Empty,
}
