//! What a pull request changes, and what brought the base branch's rules there, as Git itself shows it. INVARIANT i02.

use git2::{ErrorCode, Oid};

use super::{
    fold::sha,
    mirror::{Inside, Mirror, MirrorError, POLICIES},
};
use crate::domain::{
    amendment::{Change, Landed},
    ids::{BranchName, Digest, PullNumber, Sha},
    policy::policy_digest,
    source::SourceFile,
};

/// A pull request's change, and the rules it brings.
#[derive(Debug)]
pub struct ChangeRead {
    /// The change.
    pub change: Change,
    /// The files under `policies/` at its head, or why they can't be read.
    pub files: Result<Vec<SourceFile>, String>,
}

/// The commit of the base branch that brought the rules it holds now.
#[derive(Debug)]
pub struct Brought {
    /// The commit.
    pub sha: Sha,
    /// Its rules, or why they can't be read.
    pub files: Result<Vec<SourceFile>, String>,
}

impl Brought {
    /// The digest of the rules; none when they can't be read.
    pub fn digest(&self) -> Option<Digest> {
        self.files.as_deref().ok().map(policy_digest)
    }
}

impl Mirror {
    /// What a pull request changes against the commit where it left the base branch; `merge` is the commit that GitHub
    /// names for its merge. `None` when the remote does not show the pull request's head.
    pub async fn change(
        &self,
        base: &BranchName,
        pull: PullNumber,
        merge: Option<Sha>,
    ) -> Result<Option<ChangeRead>, MirrorError> {
        let base = base.clone();
        self.inside(move |inside| inside.change(&base, pull, merge)).await
    }

    /// The first parent of the base branch that brought the rules which the branch holds now.
    pub async fn rules_brought(&self, base: &BranchName) -> Result<Brought, MirrorError> {
        let base = base.clone();
        self.inside(move |inside| {
            let tip = inside.existing(&base)?;
            let rules = |id: Oid| Ok::<_, MirrorError>(inside.tree(id)?.get_name(POLICIES).map(|e| e.id()));
            let now = rules(tip)?;
            let mut brought = tip;
            inside.first(&base, |id| {
                let other = rules(id)? != now;
                if !other {
                    brought = id;
                }
                Ok(other)
            })?;
            Ok(Brought {
                sha: sha(brought),
                files: inside.readable(brought)?,
            })
        })
        .await
    }
}

impl Inside<'_> {
    fn change(
        &self,
        base: &BranchName,
        pull: PullNumber,
        merge: Option<Sha>,
    ) -> Result<Option<ChangeRead>, MirrorError> {
        let tip = self.existing(base)?;
        let Some(head) = self.head_of_pull(pull)? else {
            return Ok(None);
        };
        let mut onto = tip;
        let mut landed = None;
        if let Some(merge) = merge {
            let id = self.id(merge)?;
            let parents: Vec<Oid> = self.commit(id)?.parent_ids().collect();
            let before = parents.first().copied();
            let within = |error| self.failed(error);
            let reachable = tip == id || self.repo.graph_descendant_of(tip, id).map_err(within)?;
            landed = Some(Landed {
                sha: merge,
                reachable,
                before: before.map(|before| self.digest(before)).transpose()?.flatten(),
                after: self.digest(id)?,
                parents: parents.into_iter().map(sha).collect(),
            });
            onto = before.unwrap_or(id);
        }
        let forks: Vec<Oid> = match self.repo.merge_bases(onto, head) {
            Ok(forks) => forks.iter().copied().collect(),
            Err(error) if error.code() == ErrorCode::NotFound => Vec::new(),
            Err(error) => return Err(self.failed(error)),
        };
        // Histories that crossed have several: the rules must be the same at all of them.
        let mut from: Option<Option<Digest>> = None;
        let mut paths = std::collections::BTreeSet::new();
        for fork in &forks {
            let digest = self.digest(*fork)?;
            from = match from {
                Some(known) if known != digest => Some(None),
                _ => Some(digest),
            };
            paths.extend(self.changed(Some(*fork), head)?);
        }
        if forks.is_empty() {
            paths.extend(self.changed(None, head)?);
        }
        let files = self.readable(head)?;
        Ok(Some(ChangeRead {
            change: Change {
                head: sha(head),
                paths: paths.into_iter().collect(),
                from: from.flatten(),
                to: files.as_deref().ok().map(policy_digest),
                landed,
            },
            files,
        }))
    }

    /// The rules at a commit, or what about them can't be read.
    fn readable(&self, at: Oid) -> Result<Result<Vec<SourceFile>, String>, MirrorError> {
        match self.policy_files(at) {
            Ok(files) => Ok(Ok(files)),
            Err(error @ MirrorError::PolicyFile { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn digest(&self, at: Oid) -> Result<Option<Digest>, MirrorError> {
        Ok(self.readable(at)?.as_deref().ok().map(policy_digest))
    }
}
