//! Finding a commit of the base branch by what it holds.

use std::collections::BTreeMap;

use git2::{Oid, Sort};

use super::{
    fold::sha,
    mirror::{Inside, Mirror, MirrorError, POLICIES},
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
            let mut known: BTreeMap<Option<Oid>, bool> = BTreeMap::new();
            let held = |id: Oid| {
                let tree = inside.tree(id)?.get_name(POLICIES).map(|entry| entry.id());
                match known.get(&tree) {
                    Some(held) => Ok(*held),
                    None => {
                        // What can't be read is not the one that is looked for.
                        let held = match inside.policy_files(id) {
                            Ok(files) => policy_digest(&files) == digest,
                            Err(MirrorError::PolicyFile { .. }) => false,
                            Err(error) => return Err(error),
                        };
                        known.insert(tree, held);
                        Ok(held)
                    }
                }
            };
            inside
                .first(&base, held)?
                .map(|id| inside.policy_files(id))
                .transpose()
        })
        .await
    }
}

impl Inside<'_> {
    /// The newest first parent of a branch's head that something holds for.
    pub(super) fn first(
        &self,
        branch: &BranchName,
        mut holds: impl FnMut(Oid) -> Result<bool, MirrorError>,
    ) -> Result<Option<Oid>, MirrorError> {
        let head = self.existing(branch)?;
        let failed = |error| self.failed(error);
        let mut walk = self.repo.revwalk().map_err(failed)?;
        walk.set_sorting(Sort::TOPOLOGICAL).map_err(failed)?;
        walk.simplify_first_parent().map_err(failed)?;
        walk.push(head).map_err(failed)?;
        for id in walk.take(DEPTH) {
            let id = id.map_err(failed)?;
            if holds(id)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}
