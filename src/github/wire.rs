//! GitHub's answers, as far as they are read. Shapes of our own: unknown fields are ignored, missing ones are errors.

use serde::Deserialize;

use crate::domain::ids::{AccountId, Login, PullNumber, ReviewId, Sha, Timestamp};

/// An account; an empty object where GitHub knows none.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Account {
    id: Option<AccountId>,
    login: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Account {
    pub(super) fn id(&self) -> Option<AccountId> {
        self.id
    }
    pub(super) fn login(&self) -> Option<Login> {
        self.login.as_deref()?.parse().ok()
    }
    pub(super) fn is_human(&self) -> bool {
        self.kind.as_deref() == Some("User")
    }
}

/// The id of an account that may be missing or empty.
pub(super) fn id_of(account: Option<&Account>) -> Option<AccountId> {
    account.and_then(Account::id)
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Side {
    pub(super) sha: Sha,
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) repo: Option<Repository>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Repository {
    pub(super) full_name: String,
}

/// A pull request, from a list or on its own; a list leaves out what is optional here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pull {
    pub(super) number: PullNumber,
    pub(super) state: String,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) user: Option<Account>,
    pub(super) head: Side,
    pub(super) base: Side,
    pub(super) merged_at: Option<Timestamp>,
    pub(super) merged_by: Option<Account>,
    pub(super) merge_commit_sha: Option<Sha>,
    pub(super) mergeable: Option<bool>,
    pub(super) commits: Option<u64>,
    #[serde(default)]
    pub(super) requested_reviewers: Vec<Account>,
    #[serde(default)]
    pub(super) requested_teams: Vec<RequestedTeam>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RequestedTeam {
    pub(super) slug: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub(super) sha: Sha,
    pub(super) parents: Vec<Parent>,
    pub(super) author: Option<Account>,
    pub(super) committer: Option<Account>,
    pub(super) commit: Message,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parent {
    pub(super) sha: Sha,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    pub(super) id: ReviewId,
    pub(super) user: Option<Account>,
    pub(super) state: String,
    pub(super) commit_id: Option<Sha>,
    pub(super) submitted_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Activity {
    pub(super) actor: Option<Account>,
    pub(super) after: Sha,
    pub(super) timestamp: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct Role {
    pub(super) permission: String,
    pub(super) role_name: Option<String>,
    pub(super) user: Option<Account>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRuns {
    pub(super) total_count: u64,
    pub(super) check_runs: Vec<CheckRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) head_sha: Sha,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) app: Option<App>,
}

#[derive(Debug, Deserialize)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) slug: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) user: Option<Account>,
    #[serde(default)]
    pub(super) body: String,
}

/// The answer to a merge.
#[derive(Debug, Deserialize)]
pub(super) struct Merge {
    pub(super) sha: Sha,
}

/// A file of a tree.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) size: usize,
    #[serde(default)]
    pub(super) encoding: String,
    #[serde(default)]
    pub(super) content: String,
}
