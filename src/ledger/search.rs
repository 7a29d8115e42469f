//! Finding a commit of the base branch by what it holds.

use std::{collections::BTreeMap, path::Path};

use git2::{Oid, Repository, Sort};

use super::{
    fold::sha,
    mirror::{Inside, Mirror, MirrorError, POLICIES},
    remote::{Remote, said},
};
use crate::domain::{
    ids::{BranchName, Digest, Sha},
    policy::policy_digest,
    source::SourceFile,
};

/// First parents that are looked at, newest first.
const DEPTH: usize = 20_000;

impl Mirror {
    /// The newest commit of the base branch that merged `head`; `None` when none of its first parents did.
    pub async fn merge_of(&self, base: &BranchName, head: Sha) -> Result<Option<Sha>, MirrorError> {
        let base = base.clone();
        self.inside(move |inside| {
            let merged = |id: Oid| {
                let commit = inside.commit(id)?;
                Ok(commit
                    .parent_ids()
                    .nth(1)
                    .is_some_and(|parent| sha(parent) == head))
            };
            Ok(inside.first(&base, merged)?.map(sha))
        })
        .await
    }

    /// The newest `policies/` of the base branch that have a digest; `None` when it never held them.
    pub async fn policy_of_digest(
        &self,
        base: &BranchName,
        digest: Digest,
    ) -> Result<Option<Vec<SourceFile>>, MirrorError> {
        let base = base.clone();
        self.inside(move |inside| {
            let found = inside.first(&base, inside.holding(digest))?;
            found.map(|id| inside.policy_files(id)).transpose()
        })
        .await
    }
}

/// The newest `policies/` on any branch of a clone or a bare repository that have a digest, the ledger's branch left out;
/// `None` when no branch holds them. Blocks.
pub fn policy_files(
    dir: &Path,
    ledger: &BranchName,
    digest: Digest,
) -> Result<Option<Vec<SourceFile>>, MirrorError> {
    let repo = Repository::open(dir).map_err(|error| MirrorError::Local {
        dir: dir.to_owned(),
        why: said(error),
    })?;
    let inside = Inside {
        repo: &repo,
        // Nothing is fetched.
        remote: &Remote::new(String::new(), None),
        dir,
    };
    let heads = inside.heads(ledger)?;
    let found = inside.newest(&heads, inside.holding(digest))?;
    found.map(|id| inside.policy_files(id)).transpose()
}

impl Inside<'_> {
    /// Whether a commit holds the `policies/` of a digest; each tree is read once.
    fn holding(&self, digest: Digest) -> impl FnMut(Oid) -> Result<bool, MirrorError> {
        let mut known: BTreeMap<Option<Oid>, bool> = BTreeMap::new();
        move |id| {
            let tree = self.tree(id)?.get_name(POLICIES).map(|entry| entry.id());
            match known.get(&tree) {
                Some(held) => Ok(*held),
                None => {
                    // What can't be read is not the one that is looked for.
                    let held = match self.policy_files(id) {
                        Ok(files) => policy_digest(&files) == digest,
                        Err(MirrorError::PolicyFile { .. }) => false,
                        Err(error) => return Err(error),
                    };
                    known.insert(tree, held);
                    Ok(held)
                }
            }
        }
    }

    /// Where every branch stands, here and as it was fetched, but for one.
    fn heads(&self, but: &BranchName) -> Result<Vec<Oid>, MirrorError> {
        let failed = |error| self.failed(error);
        let mut heads: Vec<Oid> = self
            .repo
            .head()
            .ok()
            .and_then(|head| head.target())
            .into_iter()
            .collect();
        for reference in self.repo.references().map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let Ok(name) = reference.name() else { continue };
            let remote = name
                .strip_prefix("refs/remotes/")
                .and_then(|name| name.split_once('/'));
            let branch = name
                .strip_prefix("refs/heads/")
                .or(remote.map(|(_, branch)| branch));
            if branch.is_some_and(|branch| branch != but.as_str()) {
                heads.extend(reference.peel_to_commit().ok().map(|commit| commit.id()));
            }
        }
        Ok(heads)
    }

    /// The newest first parent of a branch's head that something holds for.
    pub(super) fn first(
        &self,
        branch: &BranchName,
        holds: impl FnMut(Oid) -> Result<bool, MirrorError>,
    ) -> Result<Option<Oid>, MirrorError> {
        self.newest(&[self.existing(branch)?], holds)
    }

    /// The newest first parent of some commits that something holds for.
    fn newest(
        &self,
        heads: &[Oid],
        mut holds: impl FnMut(Oid) -> Result<bool, MirrorError>,
    ) -> Result<Option<Oid>, MirrorError> {
        let failed = |error| self.failed(error);
        let mut walk = self.repo.revwalk().map_err(failed)?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME).map_err(failed)?;
        walk.simplify_first_parent().map_err(failed)?;
        for head in heads {
            walk.push(*head).map_err(failed)?;
        }
        for id in walk.take(DEPTH) {
            let id = id.map_err(failed)?;
            if holds(id)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}
