//! Acting as a person: the clicks and pushes that tests and the demo make.
use super::json::field;
use git2::Oid;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::call::Caller;
use super::error::Error;
use super::git;
use super::guard::Change;
use super::running::Running;

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    /// A merge commit; its parents are base and head.
    Merge,
    /// One commit with all changes.
    Squash,
    /// The commits, replayed on the base.
    Rebase,
}

impl MergeMethod {
    fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

/// Someone at the sandbox's pages; what they do goes through the same rules as the API.
#[derive(Debug)]
pub struct Person<'a> {
    sandbox: &'a Running,
    login: String,
}

impl Running {
    /// Acts as a person. An unknown login shows in what they do.
    pub fn as_user(&self, login: &str) -> Person<'_> {
        Person {
            sandbox: self,
            login: login.to_owned(),
        }
    }
}

impl Person<'_> {
    fn caller(&self) -> Result<Caller, Error> {
        Ok(Caller::User {
            id: self.sandbox.lock().account_id(&self.login)?,
        })
    }

    fn call(&self, method: &str, repo: &str, path: &str, body: Value) -> Result<Value, Error> {
        self.sandbox
            .call(self.caller()?, method, &format!("/repos/{repo}/{path}"), body)
    }

    fn id_of(value: &Value) -> u64 {
        field(value, "id").as_u64().unwrap_or_default()
    }

    fn review(&self, repo: &str, number: u64, event: &str, body: &str) -> Result<u64, Error> {
        let body = json!({ "event": event, "body": body });
        self.call("POST", repo, &format!("pulls/{number}/reviews"), body)
            .map(|review| Self::id_of(&review))
    }

    /// Approves; gives the review's id.
    pub fn approve(&self, repo: &str, number: u64) -> Result<u64, Error> {
        self.review(repo, number, "APPROVE", "")
    }

    /// Asks for changes.
    pub fn request_changes(&self, repo: &str, number: u64, body: &str) -> Result<u64, Error> {
        self.review(repo, number, "REQUEST_CHANGES", body)
    }

    /// Reviews without a verdict.
    pub fn comment_review(&self, repo: &str, number: u64, body: &str) -> Result<u64, Error> {
        self.review(repo, number, "COMMENT", body)
    }

    /// Dismisses a review.
    pub fn dismiss(&self, repo: &str, number: u64, review: u64, message: &str) -> Result<(), Error> {
        let path = format!("pulls/{number}/reviews/{review}/dismissals");
        self.call(
            "PUT",
            repo,
            &path,
            json!({ "message": message, "event": "DISMISS" }),
        )
        .map(|_| ())
    }

    /// Edits the words of one's own review.
    pub fn edit_review(&self, repo: &str, number: u64, review: u64, body: &str) -> Result<(), Error> {
        self.call(
            "PUT",
            repo,
            &format!("pulls/{number}/reviews/{review}"),
            json!({ "body": body }),
        )
        .map(|_| ())
    }

    /// Merges; gives the SHA that is now the base branch's head.
    pub fn merge(&self, repo: &str, number: u64, method: MergeMethod) -> Result<String, Error> {
        let body = json!({ "merge_method": method.name() });
        let merged = self.call("PUT", repo, &format!("pulls/{number}/merge"), body)?;
        Ok(field(&merged, "sha").as_str().unwrap_or_default().to_owned())
    }

    /// Comments; gives the comment's id.
    pub fn comment(&self, repo: &str, number: u64, body: &str) -> Result<u64, Error> {
        let path = format!("issues/{number}/comments");
        self.call("POST", repo, &path, json!({ "body": body }))
            .map(|comment| Self::id_of(&comment))
    }

    /// Edits a comment.
    pub fn edit_comment(&self, repo: &str, comment: u64, body: &str) -> Result<(), Error> {
        self.call(
            "PATCH",
            repo,
            &format!("issues/comments/{comment}"),
            json!({ "body": body }),
        )
        .map(|_| ())
    }

    /// Edits a pull request: `title`, `body`, `base`, `state`, as GitHub's `PATCH` takes them.
    pub fn edit_pull(&self, repo: &str, number: u64, change: &Value) -> Result<(), Error> {
        self.call("PATCH", repo, &format!("pulls/{number}"), change.clone())
            .map(|_| ())
    }

    /// Closes a pull request.
    pub fn close(&self, repo: &str, number: u64) -> Result<(), Error> {
        self.edit_pull(repo, number, &json!({ "state": "closed" }))
    }

    /// Opens a closed pull request again.
    pub fn reopen(&self, repo: &str, number: u64) -> Result<(), Error> {
        self.edit_pull(repo, number, &json!({ "state": "open" }))
    }

    /// Opens a pull request; gives its number.
    pub fn open_pull(
        &self,
        repo: &str,
        head: &str,
        base: &str,
        title: &str,
        body: &str,
    ) -> Result<u64, Error> {
        let body = json!({ "head": head, "base": base, "title": title, "body": body });
        let pull = self.call("POST", repo, "pulls", body)?;
        Ok(field(&pull, "number").as_u64().unwrap_or_default())
    }

    /// Turns a pull request into a draft, or out of it.
    pub fn set_draft(&self, repo: &str, number: u64, draft: bool) -> Result<(), Error> {
        let mut state = self.sandbox.lock();
        let (id, user) = (state.repo_id(repo)?, state.account_id(&self.login)?);
        Ok(state.set_draft(id, number, user, draft)?)
    }

    /// Asks people and teams (slugs) to review.
    pub fn request_review(
        &self,
        repo: &str,
        number: u64,
        users: &[&str],
        teams: &[&str],
    ) -> Result<(), Error> {
        let body = json!({ "reviewers": users, "team_reviewers": teams });
        self.call("POST", repo, &format!("pulls/{number}/requested_reviewers"), body)
            .map(|_| ())
    }

    /// Presses "re-run" on a check run.
    pub fn rerequest_check(&self, repo: &str, run: u64) -> Result<(), Error> {
        let mut state = self.sandbox.lock();
        let (id, user) = (state.repo_id(repo)?, state.account_id(&self.login)?);
        Ok(state.rerequest(id, run, user)?)
    }

    /// Presses one of the buttons that a check run offers.
    pub fn press_check_button(&self, repo: &str, run: u64, identifier: &str) -> Result<(), Error> {
        let mut state = self.sandbox.lock();
        let (id, user) = (state.repo_id(repo)?, state.account_id(&self.login)?);
        Ok(state.requested_action(id, run, identifier, user)?)
    }

    /// Presses "re-run all checks" for the suite of a check run.
    pub fn rerequest_suite(&self, repo: &str, run: u64) -> Result<(), Error> {
        let mut state = self.sandbox.lock();
        let (id, user) = (state.repo_id(repo)?, state.account_id(&self.login)?);
        Ok(state.rerequest_suite(id, run, user)?)
    }

    /// Sets a commit status, as anyone with write access may.
    pub fn set_status(&self, repo: &str, sha: &str, context: &str, said: &str) -> Result<(), Error> {
        self.call(
            "POST",
            repo,
            &format!("statuses/{sha}"),
            json!({ "state": said, "context": context }),
        )
        .map(|_| ())
    }

    /// Asks for a run of a workflow; gives its number.
    pub fn dispatch(&self, repo: &str, workflow: &str, branch: &str, inputs: &Value) -> Result<u64, Error> {
        let body = json!({ "ref": branch, "inputs": inputs, "return_run_details": true });
        let path = format!("actions/workflows/{workflow}/dispatches");
        let said = self.call("POST", repo, &path, body)?;
        Ok(field(&said, "workflow_run_id").as_u64().unwrap_or_default())
    }

    /// Runs a run again.
    pub fn rerun(&self, repo: &str, run: u64) -> Result<(), Error> {
        self.call("POST", repo, &format!("actions/runs/{run}/rerun"), Value::Null)
            .map(|_| ())
    }

    /// Deletes a branch.
    pub fn delete_branch(&self, repo: &str, branch: &str) -> Result<(), Error> {
        self.call("DELETE", repo, &format!("git/refs/heads/{branch}"), Value::Null)
            .map(|_| ())
    }

    /// Pushes one commit with these files on top of the branch, which starts at the default branch when it is new; gives
    /// the SHA. With `force`, the commit replaces the branch's newest one instead.
    pub fn push_files(
        &self,
        repo: &str,
        branch: &str,
        files: &[(&str, &str)],
        message: &str,
        force: bool,
    ) -> Result<String, Error> {
        let caller = self.caller()?;
        let mut state = self.sandbox.lock();
        let id = state.repo_id(repo)?;
        let user = state.account_id(&self.login)?;
        let repo = state.repo(id)?;
        state.may(&caller, repo, "contents", super::state::Access::Write)?;
        let git = state.open_git(repo)?;
        let known = git::branch_head(&git, branch);
        let start = known
            .clone()
            .or_else(|| git::branch_head(&git, &repo.default_branch));
        let start = start.map(|sha| Oid::from_str(&sha)).transpose()?;
        let parent = match start {
            Some(oid) if force && known.is_some() => git.find_commit(oid)?.parent_ids().next(),
            other => other,
        };
        let changes: Vec<git::Change<'_>> = files
            .iter()
            .map(|(path, content)| (*path, Some(content.as_bytes())))
            .collect();
        let who = state.commit_signature(user)?;
        let sha = git::commit_files(&git, parent, &changes, message, &who, &who)?.to_string();
        let reference = format!("refs/heads/{branch}");
        let change = match &known {
            Some(_) => Change::Update { to: &sha },
            None => Change::Create { to: &sha },
        };
        let guard = state.guard(&caller, repo, &reference, change);
        guard
            .check(force && known.is_some())
            .map_err(|refusal: Refusal| Error::from(refusal))?;
        state.move_ref(id, user, &reference, Some(&sha), None)?;
        Ok(sha)
    }
}
