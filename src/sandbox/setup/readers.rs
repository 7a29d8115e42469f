//! Looking into the sandbox: GitHub's JSON, without the network.
use std::path::PathBuf;

use serde_json::Value;

use super::super::answer::Refusal;
use super::super::error::Error;
use super::super::running::Running;
use super::super::state::State;

impl Running {
    /// The bare repository on disk.
    pub fn git_dir(&self, repo: &str) -> Result<PathBuf, Error> {
        let state = self.lock();
        let id = state.repo_id(repo)?;
        Ok(state.repo(id)?.dir.clone())
    }

    /// The repository's pull request, in GitHub's JSON.
    pub fn pull(&self, repo: &str, number: u64) -> Result<Value, Error> {
        self.read(repo, |state, id| {
            Ok(state.pull_full_json(state.repo(id)?, state.pull(id, number)?))
        })
    }

    /// All pull requests, oldest first.
    pub fn pulls(&self, repo: &str) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            Ok(repo
                .pulls
                .values()
                .map(|pull| state.pull_full_json(repo, pull))
                .collect())
        })
    }

    /// All rulesets, oldest first, in short.
    pub fn rulesets(&self, repo: &str) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            let all = repo.rulesets.values();
            Ok(all.map(|ruleset| state.ruleset_json(repo, ruleset)).collect())
        })
    }

    /// The reviews of a pull request, oldest first.
    pub fn reviews(&self, repo: &str, number: u64) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let (repo, pull) = (state.repo(id)?, state.pull(id, number)?);
            Ok(pull
                .reviews
                .iter()
                .map(|review| state.review_json(repo, pull, review))
                .collect())
        })
    }

    /// The comments on a pull request, oldest first.
    pub fn comments(&self, repo: &str, number: u64) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            let mine = repo.comments.values().filter(|comment| comment.number == number);
            Ok(mine.map(|comment| state.comment_json(repo, comment)).collect())
        })
    }

    /// The issues that are no pull requests, oldest first.
    pub fn issues(&self, repo: &str) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            let all = repo.issues.values();
            Ok(all.map(|issue| state.plain_issue_json(repo, issue)).collect())
        })
    }

    /// The check runs on a commit, oldest first.
    pub fn check_runs(&self, repo: &str, sha: &str) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            let runs = repo.check_runs.values().filter(|run| run.head_sha == sha);
            Ok(runs.map(|run| state.check_run_json(repo, run)).collect())
        })
    }

    /// The commit a branch names.
    pub fn branch_head(&self, repo: &str, branch: &str) -> Result<String, Error> {
        let head = self.read(repo, |state, id| {
            Ok(state.repo(id)?.refs.get(&format!("refs/heads/{branch}")).cloned())
        })?;
        head.ok_or_else(|| Error::unknown("branch", branch))
    }

    fn read<T>(&self, repo: &str, read: impl FnOnce(&State, u64) -> Result<T, Refusal>) -> Result<T, Error> {
        let state = self.lock();
        let id = state.repo_id(repo)?;
        Ok(read(&state, id)?)
    }
}
