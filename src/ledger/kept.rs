//! The newest ledger head this process acknowledged, kept on disk so that a restored ledger is noticed. INVARIANT i18.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::writer::LedgerError;
use crate::domain::ids::{BranchName, Digest, Sha};

/// A head of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The commit.
    pub(super) commit: Sha,
    /// Entries recorded up to it.
    pub(super) size: u64,
    /// The digest of the newest of them.
    pub(super) digest: Digest,
}

/// The newest ledger head that a bot kept in its data directory, when it kept one. INVARIANT i18.
///
/// # Errors
/// When the file is there and can't be read.
pub fn kept_head(dir: &Path) -> io::Result<Option<Sha>> {
    Ok(Kept::in_dir(dir).read()?.map(|head| head.commit))
}

/// The file that keeps it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    path: PathBuf,
}

impl Kept {
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self {
            path: dir.join("ledger-head.json"),
        }
    }

    /// The remote does not descend from what is kept here.
    pub(super) fn rewritten(&self, known: Sha, remote: Sha) -> LedgerError {
        LedgerError::Rewritten {
            kept: known,
            remote,
            file: self.path.clone(),
        }
    }

    /// The remote has no such branch: it never had one, or not any more.
    pub(super) fn no_branch(&self, branch: &BranchName) -> LedgerError {
        match self.read() {
            Ok(Some(head)) => LedgerError::Gone {
                branch: branch.clone(),
                kept: head.commit,
                dir: self.path.parent().unwrap_or(Path::new(".")).to_owned(),
                file: self.path.clone(),
            },
            Ok(None) | Err(_) => LedgerError::NoBranch(branch.clone()),
        }
    }

    /// The head kept before, if this directory ever had one.
    pub(super) fn read(&self) -> io::Result<Option<Head>> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the head in one step that survives a crash.
    pub(super) fn write(&self, head: Head) -> io::Result<()> {
        let new = self.path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&head).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}
