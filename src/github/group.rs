//! The groups of a merge queue: which commits one holds. INVARIANT i27.

use serde::Deserialize;

use super::{client::GitHub, error::Error, publish::Texts, wire};
use crate::domain::{group::GroupCommit, ids::Sha, publish::CheckShown};

#[derive(Deserialize)]
struct Compared {
    total_commits: usize,
    commits: Vec<wire::Commit>,
}

impl GitHub {
    /// All commits of a merge group, oldest first.
    ///
    /// # Errors
    /// [`Error::Truncated`] when GitHub does not list them all: 100 are read.
    pub async fn group_commits(&self, base: Sha, head: Sha) -> Result<Vec<GroupCommit>, Error> {
        let path = self.in_repo(&format!("/compare/{base}...{head}?per_page=100"));
        let compared: Compared = self.get(&path).await?;
        if compared.commits.len() != compared.total_commits {
            return Err(Error::Truncated {
                doing: format!("GET {path}"),
                because: "the group has more commits than are listed".to_owned(),
            });
        }
        let commits = compared.commits.into_iter();
        Ok(commits
            .map(|commit| GroupCommit {
                sha: commit.sha,
                parents: commit.parents.iter().map(|parent| parent.sha).collect(),
            })
            .collect())
    }

    /// Makes our check run on a merge group's head so.
    ///
    /// # Errors
    /// As [`GitHub::apply`].
    pub async fn check_group(&self, check: &CheckShown, texts: &Texts) -> Result<(), Error> {
        if self.check_on(check.head).await?.as_ref() == Some(check) {
            return Ok(());
        }
        self.put_check(check, texts).await
    }
}
