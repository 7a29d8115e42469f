//! Looking at the index beside a bot's local repository, and making it again from Git alone.

use std::path::{Path, PathBuf};

use git2::Repository;
use serde::Serialize;

use super::{
    index::{Index, NoIndex},
    remote::tracking,
    sign::Signer,
    whole::{Whole, whole},
    writer::LedgerError,
};
use crate::domain::{
    entry::Role,
    ids::{BranchName, Digest, Sha},
};

/// An index: where the book stands that is written down, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Indexed {
    /// The newest commit that it holds.
    pub commit: Sha,
    /// Entries up to it.
    pub size: u64,
    /// The digest of the newest of them.
    pub digest: Digest,
    /// Proposals that have not ended.
    pub open: u64,
    /// Proposals that ended: lines of `cases.jsonl`, of which the newest about a proposal counts.
    pub ended: u64,
}

/// Why an index can't be made.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// No bot fetched the ledger here.
    #[error("`{0}` holds no copy of the ledger")]
    NoCopy(PathBuf),
    /// The ledger can't be folded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The files.
    #[error(transparent)]
    Index(#[from] NoIndex),
    /// The ledger holds what is no part of the record, which every start must find again.
    #[error(
        "the branch holds {0} things that are no part of the record, so that every start folds it all and tells"
    )]
    Findings(usize),
}

/// What is written down in a ledger's directory, as a bot with this key of a role would believe it.
///
/// # Errors
/// When there is nothing, or it is not believed.
pub fn index_of(dir: &Path, genesis: Digest, of: (Role, &Signer)) -> Result<Indexed, NoIndex> {
    let mut index = Index::in_dir(dir, [of], genesis);
    let (book, place) = index.read()?;
    let open = u64::try_from(book.cases().count()).unwrap_or(u64::MAX);
    Ok(Indexed {
        commit: place.commit,
        size: book.size(),
        digest: book.head(),
        open,
        ended: index.lines(),
    })
}

/// Removes what is written down in a ledger's directory and makes it again from the copy of the branch there, every
/// signature checked. `progress` gets the commits that are done, of how many. No bot may run on the directory. Blocks.
///
/// # Errors
/// When there is no copy, it is not the ledger of this genesis, or was rolled back.
pub fn rebuild_index(
    dir: &Path,
    branch: &BranchName,
    genesis: Digest,
    of: (Role, &Signer),
    progress: impl FnMut(u64, u64),
) -> Result<Indexed, RebuildError> {
    let no_copy = || RebuildError::NoCopy(dir.to_owned());
    let tip = {
        let repo = Repository::open_bare(dir).map_err(|_| no_copy())?;
        repo.refname_to_id(&tracking(branch.as_str()))
            .map_err(|_| no_copy())?
    };
    let mut index = Index::in_dir(dir, [of], genesis);
    index.remove()?;
    let Whole {
        book,
        place,
        findings,
        ..
    } = whole(dir, tip, branch, genesis, &mut index, progress)?;
    if !findings.is_empty() {
        return Err(RebuildError::Findings(findings.len()));
    }
    index.write(&book, place)?;
    Ok(index_of(dir, genesis, of)?)
}
