//! Commits, refs and changed files.
use git2::{Commit, Oid, Repository};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{merged, node};
use crate::sandbox::answer::Refusal;
use crate::sandbox::clock::stamp;
use crate::sandbox::git::{self, FileChange};
use crate::sandbox::state::{Repo, State};

fn git_user(signature: &git2::Signature<'_>) -> Value {
    let at = Timestamp::from_second(signature.when().seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
    json!({
        "name": signature.name().unwrap_or_default(),
        "email": signature.email().unwrap_or_default(),
        "date": stamp(at),
    })
}

impl State {
    pub(crate) fn open_git(&self, repo: &Repo) -> Result<Repository, Refusal> {
        Ok(Repository::open_bare(&repo.dir)?)
    }

    fn author_json(&self, signature: &git2::Signature<'_>) -> Value {
        let account = signature
            .email()
            .ok()
            .and_then(|email| self.account_by_email(email));
        account.map_or(Value::Null, |account| self.user_json(account.id))
    }

    pub(crate) fn commit_json(&self, repo: &Repo, commit: &Commit<'_>) -> Value {
        let url = self.repo_url(repo);
        let html = self.repo_html(repo);
        let sha = commit.id().to_string();
        let parents: Vec<Value> = commit
            .parent_ids()
            .map(|id| json!({ "sha": id.to_string(), "url": format!("{url}/commits/{id}"), "html_url": format!("{html}/commit/{id}") }))
            .collect();
        json!({
            "sha": sha,
            "node_id": node("Commit", &sha),
            "url": format!("{url}/commits/{sha}"),
            "html_url": format!("{html}/commit/{sha}"),
            "comments_url": format!("{url}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{url}/git/commits/{sha}"),
                "author": git_user(&commit.author()),
                "committer": git_user(&commit.committer()),
                "message": commit.message().unwrap_or_default().trim_end(),
                "comment_count": 0,
                "tree": { "sha": commit.tree_id().to_string(), "url": format!("{url}/git/trees/{}", commit.tree_id()) },
                "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
            },
            "author": self.author_json(&commit.author()),
            "committer": self.author_json(&commit.committer()),
            "parents": parents,
        })
    }

    /// A commit with its statistics and files.
    pub(crate) fn commit_full_json(&self, repo: &Repo, git: &Repository, oid: Oid) -> Result<Value, Refusal> {
        let commit = git.find_commit(oid)?;
        let parent = commit.parent(0).ok().and_then(|parent| parent.tree().ok());
        let changes = git::diff(git, parent.as_ref(), Some(&commit.tree()?))?;
        let (additions, deletions) = totals(&changes);
        let files: Vec<Value> = changes
            .iter()
            .map(|change| self.file_json(repo, &oid.to_string(), change))
            .collect();
        Ok(merged(
            self.commit_json(repo, &commit),
            json!({
                "stats": { "total": additions + deletions, "additions": additions, "deletions": deletions },
                "files": files,
            }),
        ))
    }

    pub(crate) fn commits_json(
        &self,
        repo: &Repo,
        git: &Repository,
        oids: &[Oid],
    ) -> Result<Vec<Value>, Refusal> {
        oids.iter()
            .map(|oid| Ok(self.commit_json(repo, &git.find_commit(*oid)?)))
            .collect()
    }

    pub(crate) fn file_json(&self, repo: &Repo, head: &str, change: &FileChange) -> Value {
        let html = self.repo_html(repo);
        let mut file = json!({
            "sha": change.sha,
            "filename": change.path,
            "status": change.status,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": format!("{html}/blob/{head}/{}", change.path),
            "raw_url": format!("{html}/raw/{head}/{}", change.path),
            "contents_url": format!("{}/contents/{}?ref={head}", self.repo_url(repo), change.path),
        });
        if let Some(fields) = file.as_object_mut() {
            if let Some(patch) = &change.patch {
                fields.insert("patch".to_owned(), Value::String(patch.clone()));
            }
            if let Some(previous) = &change.previous {
                fields.insert("previous_filename".to_owned(), Value::String(previous.clone()));
            }
        }
        file
    }

    pub(crate) fn ref_json(&self, repo: &Repo, name: &str, sha: &str) -> Value {
        let url = self.repo_url(repo);
        json!({
            "ref": name,
            "node_id": node("Ref", name),
            "url": format!("{url}/git/{name}"),
            "object": { "sha": sha, "type": "commit", "url": format!("{url}/git/commits/{sha}") },
        })
    }
}

/// Added and deleted lines of a diff.
pub(crate) fn totals(changes: &[FileChange]) -> (usize, usize) {
    changes.iter().fold((0, 0), |(added, deleted), change| {
        (added + change.additions, deleted + change.deletions)
    })
}
