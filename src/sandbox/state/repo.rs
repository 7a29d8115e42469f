//! A repository and what hangs on it.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::Permission;
use super::check::{CheckRun, Status};
use super::issue::Issue;
use super::pull::{Comment, Pull};
use super::rules::{Protection, Ruleset};
use super::workflow::Actions;

#[derive(Debug, Clone)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: u64,
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) default_branch: String,
    pub(crate) dir: PathBuf,
    pub(crate) created_at: Timestamp,
    pub(crate) pushed_at: Timestamp,
    pub(crate) collaborators: BTreeMap<u64, Permission>,
    pub(crate) teams: BTreeMap<u64, Permission>,
    pub(crate) next_number: u64,
    pub(crate) pulls: BTreeMap<u64, Pull>,
    pub(crate) issues: BTreeMap<u64, Issue>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) check_runs: BTreeMap<u64, CheckRun>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) rulesets: BTreeMap<u64, Ruleset>,
    pub(crate) protections: BTreeMap<String, Protection>,
    pub(crate) activity: Vec<Activity>,
    pub(crate) merging: Merging,
    pub(crate) actions: Actions,
    /// The refs as last seen, to tell what a push changed.
    pub(crate) refs: BTreeMap<String, String>,
    /// One push at a time, so that each change has its author.
    pub(crate) pushing: Arc<tokio::sync::Mutex<()>>,
}

/// The ways to merge that the repository's settings leave, and whether a merged branch is deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merging {
    pub(crate) merge: bool,
    pub(crate) squash: bool,
    pub(crate) rebase: bool,
    pub(crate) deletes_branches: bool,
}

impl Default for Merging {
    fn default() -> Self {
        Self {
            merge: true,
            squash: true,
            rebase: true,
            deletes_branches: false,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Activity {
    pub(crate) id: u64,
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) reference: String,
    pub(crate) at: Timestamp,
    pub(crate) kind: ActivityKind,
    pub(crate) actor: u64,
}

/// What happened to a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivityKind {
    Push,
    ForcePush,
    BranchCreation,
    BranchDeletion,
    PrMerge,
}

impl ActivityKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::ForcePush => "force_push",
            Self::BranchCreation => "branch_creation",
            Self::BranchDeletion => "branch_deletion",
            Self::PrMerge => "pr_merge",
        }
    }
}
