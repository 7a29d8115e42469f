//! Walking a ledger from its first entry, in any repository that holds the branch: a clone or a bare one.

use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use super::{
    fold::{Checked, Reader, chain, sha, stream, take},
    init::{ALLOWED_SIGNERS, allowed_signers},
    remote::said,
};
use crate::domain::{
    audit::{Authentic, Finding, Flaw, Recorded},
    authentic::{Link, authenticate_first},
    book::{Book, Place},
    ids::{BranchName, Digest, Sha},
};

/// Why a ledger can't be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Not a repository, or one that can't be read.
    #[error("the repository at `{dir}` can't be read: {why}")]
    Repository {
        /// Where it is.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// No such branch.
    #[error("neither `{0}` nor `origin/{0}` is a branch here; name the ledger's branch, or fetch it")]
    NoBranch(BranchName),
    /// Cut off at some depth.
    #[error("this clone is shallow; complete it with `git fetch --unshallow`")]
    Shallow,
}

/// What stands next on the ledger.
#[derive(Debug)]
pub enum Step<'a> {
    /// An entry that is part of the record.
    Recorded(&'a Recorded),
    /// Something that is not.
    Found(Finding),
}

/// How a walk ended.
#[derive(Debug)]
pub struct Walked {
    /// Everything recorded, folded; `None` when the ledger does not begin as it must.
    pub book: Option<Book>,
    /// Commits on the branch.
    pub commits: u64,
    /// The newest of them.
    pub tip: Sha,
}

/// Does without libgit2's object cache and without hashing every object read again: the signatures and the ledger's
/// own chain cover every byte. For a process that reads one ledger and ends; it holds for the whole process.
pub fn for_one_reading() {
    git2::opts::enable_caching(false);
    git2::opts::strict_hash_verification(false);
}

/// Walks a ledger from its beginning; without a genesis digest, from whatever its first entry says. `each` also gets
/// the book as it stands after the step, and how many commits are done of how many.
pub fn walk(
    dir: &Path,
    branch: &BranchName,
    genesis: Option<Digest>,
    mut each: impl FnMut(Option<&Book>, Step<'_>),
    mut progress: impl FnMut(u64, u64),
) -> Result<Walked, WalkError> {
    let failed = |error| WalkError::Repository {
        dir: dir.to_owned(),
        why: said(error),
    };
    let mut reader = Reader::open(dir).map_err(failed)?;
    let repo = reader.repo();
    if repo.is_shallow() {
        return Err(WalkError::Shallow);
    }
    let tip = tip(repo, branch).ok_or_else(|| WalkError::NoBranch(branch.clone()))?;
    let git = repo.path().to_owned();
    let ids = chain(tip, None, |id| reader.raw(id))
        .map_err(failed)?
        .unwrap_or_default();
    let commits = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let mut walked = Walked {
        book: None,
        commits,
        tip: sha(tip),
    };
    let Some((first, rest)) = ids.split_first() else {
        return Ok(walked);
    };
    let raw = reader.raw(*first).map_err(failed)?;
    let link = Link::of(&raw).map_err(|flaw| Finding::at(raw.id, flaw));
    let begun = link.and_then(|link| {
        let (book, recorded) = begin(authenticate_first(&raw)?, genesis)?;
        Ok((link, book, recorded))
    });
    let (link, mut book, recorded) = match begun {
        Ok(begun) => begun,
        Err(finding) => {
            each(None, Step::Found(finding));
            return Ok(walked);
        }
    };
    each(Some(&book), Step::Recorded(&recorded));
    if !names_its_keys(reader.repo(), link.tree, &book) {
        each(Some(&book), Step::Found(Finding::at(link.id, Flaw::Tree)));
    }
    let keys = book.keys().clone();
    let mut place = Place {
        commit: link.id,
        tree: link.tree,
    };
    let mut done = 1;
    progress(done, commits);
    drop(reader);
    stream(&git, rest, &keys, |checked: Checked| {
        take(checked, &mut place, &mut book, |book, one| match one {
            Ok(recorded) => each(Some(book), Step::Recorded(&recorded)),
            Err(finding) => each(Some(book), Step::Found(finding)),
        });
        done += 1;
        progress(done, commits);
    })
    .map_err(failed)?;
    walked.book = Some(book);
    Ok(walked)
}

fn begin(first: Authentic, genesis: Option<Digest>) -> Result<(Book, Recorded), Finding> {
    let digest = genesis.unwrap_or_else(|| first.digest());
    Book::begin(first, digest)
}

fn tip(repo: &Repository, branch: &BranchName) -> Option<Oid> {
    [
        format!("refs/heads/{branch}"),
        format!("refs/remotes/origin/{branch}"),
    ]
    .iter()
    .find_map(|name| repo.refname_to_id(name).ok())
}

/// Whether the ledger's `allowed_signers` holds its keys and no other.
fn names_its_keys(repo: &Repository, tree: Sha, book: &Book) -> bool {
    let file = || {
        let tree = repo.find_tree(super::fold::oid(tree).ok()?).ok()?;
        let blob = repo.find_blob(tree.get_name(ALLOWED_SIGNERS)?.id()).ok()?;
        Some(blob.content().to_vec())
    };
    file().is_some_and(|found| found == allowed_signers(&book.genesis().keys).as_bytes())
}
