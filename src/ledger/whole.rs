//! A book up to a commit: from what was written down of it, or folded from the ledger's beginning.

use std::path::Path;

use git2::{Oid, Repository};

use super::{
    fold::{chain, each_checked, oid, raw, sha, take},
    index::{Index, NoIndex},
    kept::Kept,
    remote::said,
    writer::{LedgerError, MAX_FINDINGS},
};
use crate::domain::{
    audit::Finding,
    authentic::{Link, RawCommit, authenticate_first},
    book::{Book, Place},
    ids::{BranchName, Digest, Sha},
};

/// A ledger that is folded.
pub(super) struct Whole {
    pub(super) book: Book,
    pub(super) place: Place,
    /// Entries that were not folded, since they were written down.
    pub(super) indexed: u64,
    /// What is not part of the record, beyond what was written down: that is of a ledger without any.
    pub(super) findings: Vec<Finding>,
}

/// Folds the ledger up to a commit that is here. What was written down is believed when it is sealed for this ledger, its
/// commit is an ancestor, and the newest head that was seen is not missing behind it; else everything is folded.
/// INVARIANT i18.
pub(super) fn whole(
    dir: &Path,
    tip: Oid,
    branch: &BranchName,
    genesis: Digest,
    index: &mut Index,
    mut progress: impl FnMut(u64, u64),
) -> Result<Whole, LedgerError> {
    let local = |why: String| LedgerError::Local {
        dir: dir.to_owned(),
        why,
    };
    let git = |error| local(said(error));
    let kept = Kept::in_dir(dir);
    let known = kept.read().map_err(|error| local(error.to_string()))?;
    let repo = Repository::open(dir).map_err(git)?;
    let odb = repo.odb().map_err(git)?;
    match index.read() {
        Ok((book, place)) => {
            let after = oid(place.commit).map_err(git)?;
            let ids = chain(tip, Some(after), |id| raw(&odb, id)).map_err(git)?;
            let holds =
                |ids: &[Oid], head: Sha| head == place.commit || ids.iter().any(|id| sha(*id) == head);
            match ids {
                Some(ids) if known.is_none_or(|known| holds(&ids, known.commit)) => {
                    let mut whole = Whole {
                        indexed: book.size(),
                        book,
                        place,
                        findings: Vec::new(),
                    };
                    whole.follow(&repo, &ids, progress).map_err(git)?;
                    return Ok(whole);
                }
                Some(_) | None => tracing::warn!(
                    written = %place.commit,
                    "the ledger does not go on from what was written down of it; it is folded from its beginning"
                ),
            }
        }
        Err(NoIndex::Missing(_)) => {}
        Err(error) => tracing::warn!(%error, "the ledger is folded from its beginning"),
    }
    let ids = chain(tip, None, |id| raw(&odb, id)).map_err(git)?;
    let ids = ids.unwrap_or_default();
    if let Some(known) = known
        && !ids.iter().any(|id| sha(*id) == known.commit)
    {
        return Err(kept.rewritten(known.commit, sha(tip)));
    }
    let no_branch = || LedgerError::NoBranch(branch.clone());
    let (first, rest) = ids.split_first().ok_or_else(no_branch)?;
    let first = raw(&odb, *first).map_err(git)?;
    drop(odb);
    // What was written down is of another ledger, or of none.
    index.remove().map_err(|error| local(error.to_string()))?;
    let mut whole = Whole::begin(&first, genesis)?;
    progress(1, u64::try_from(ids.len()).unwrap_or(u64::MAX));
    whole.follow(&repo, rest, progress).map_err(git)?;
    Ok(whole)
}

impl Whole {
    fn begin(first: &RawCommit, genesis: Digest) -> Result<Self, LedgerError> {
        let begun = authenticate_first(first).and_then(|authentic| Book::begin(authentic, genesis));
        let (book, _) = begun.map_err(LedgerError::Genesis)?;
        let link = Link::of(first).map_err(|flaw| LedgerError::Genesis(Finding::at(first.id, flaw)))?;
        Ok(Self {
            book,
            place: Place {
                commit: first.id,
                tree: link.tree,
            },
            indexed: 0,
            findings: Vec::new(),
        })
    }

    fn follow(
        &mut self,
        repo: &Repository,
        ids: &[Oid],
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(), git2::Error> {
        let keys = self.book.keys().clone();
        let all = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        let mut done = 0;
        each_checked(repo, ids, &keys, |checked| {
            take(checked, &mut self.place, &mut self.book, |_, one| {
                if let Err(finding) = one
                    && self.findings.len() < MAX_FINDINGS
                {
                    self.findings.push(finding);
                }
            });
            done += 1;
            progress(done, all);
        })
    }
}
