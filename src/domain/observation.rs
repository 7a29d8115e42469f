//! What was seen on GitHub at one moment, complete enough that [`super::gate::decide`] can be replayed on it alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AccountId, BranchName, Digest, Login, PullNumber, ReviewId, Seq, Sha, TeamName, Timestamp};

/// A fact, or the reason why it could not be had. An unknown never opens a gate. INVARIANT i10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Seen<T> {
    /// Read completely.
    Known(T),
    /// Not read, or not completely.
    Unknown {
        /// Why.
        because: String,
    },
}

impl<T> Seen<T> {
    /// The fact, if it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Unknown { .. } => None,
        }
    }
    /// An unknown with its reason.
    pub fn unknown(because: impl Into<String>) -> Self {
        Self::Unknown {
            because: because.into(),
        }
    }
}

/// Everything [`super::gate::decide`] looks at outside the ledger and the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// max(local clock, GitHub's `Date`, last entry). INVARIANT i30.
    pub at: Timestamp,
    /// The bot's own account.
    pub me: AccountId,
    /// The digest of `policies/` on the protected base.
    pub policy: Seen<Digest>,
    /// The pull request.
    pub pull: Seen<Pull>,
    /// All commits of base..head, not first parents only. INVARIANT i08.
    pub commits: Seen<Vec<Commit>>,
    /// Accounts that pushed to the proposal's branch.
    pub pushers: Seen<Vec<AccountId>>,
    /// Live reviews in the order GitHub gives them.
    pub reviews: Seen<Vec<LiveReview>>,
    /// What each reviewer may do in the repository now.
    pub permissions: BTreeMap<AccountId, Seen<Permission>>,
    /// Active members now, child teams included, of every team that [`super::gate::teams`] names.
    pub memberships: BTreeMap<TeamName, Seen<Vec<AccountId>>>,
    /// How the base branch is protected.
    pub protection: Seen<Protection>,
    /// How the ledger's branch is protected. INVARIANT i31.
    pub ledger: Seen<Protection>,
    /// The app's id, which the required check must be bound to. INVARIANT i27.
    pub app: u64,
    /// The place of the freeze that stops it, as the ledger stands. INVARIANT i22.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Seq>,
    /// Milliseconds by which the local clock is ahead of GitHub's; negative when it is behind. INVARIANT i30.
    pub skew: Seen<i64>,
}

impl Observation {
    /// When the merge took place, if there was one.
    pub fn merged_at(&self) -> Option<Timestamp> {
        match &self.pull.known()?.state {
            PullState::Merged { at, .. } => Some(*at),
            PullState::Open | PullState::Closed => None,
        }
    }
    /// The moment that approvals and expiry are judged at: the merge, or now. INVARIANT i12.
    pub fn decided_at(&self) -> Timestamp {
        self.merged_at().unwrap_or(self.at)
    }
}

/// A pull request as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// Its number.
    pub number: PullNumber,
    /// Open, closed or merged.
    pub state: PullState,
    /// A draft cannot be merged.
    pub draft: bool,
    /// The head commit now.
    pub head: Sha,
    /// The branch it would be merged into.
    pub base_ref: BranchName,
    /// The base commit now.
    pub base: Sha,
    /// The account that opened it.
    pub author: Option<AccountId>,
    /// SHA-256 of the title's bytes.
    pub title: Digest,
    /// SHA-256 of the body's bytes, line ends as `\n`.
    pub body: Digest,
}

/// Whether a pull request is open, closed, or merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PullState {
    /// Can still be merged.
    Open,
    /// Closed without a merge.
    Closed,
    /// Merged.
    Merged {
        /// When, as GitHub says.
        at: Timestamp,
        /// By whom; `None` for a deleted account.
        by: Option<AccountId>,
        /// The commit on the base branch, when GitHub names it.
        #[serde(skip_serializing_if = "Option::is_none")]
        sha: Option<Sha>,
    },
}

/// One commit of base..head, with every account that had a hand in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Its id.
    pub sha: Sha,
    /// Its parents.
    pub parents: Vec<Sha>,
    /// The author's account; `None` where GitHub knows none.
    pub author: Option<AccountId>,
    /// The committer's account; `None` where GitHub knows none.
    pub committer: Option<AccountId>,
    /// Accounts of co-author trailers; `None` where one can't be attributed.
    pub co_authors: Vec<Option<AccountId>>,
}

/// A review as GitHub shows it now; it may only disqualify. INVARIANT i06.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveReview {
    /// Its id.
    pub id: ReviewId,
    /// Who made it; `None` for a deleted account.
    pub account: Option<AccountId>,
    /// The login at the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Bots and apps never count.
    pub human: bool,
    /// What it says.
    pub state: ReviewState,
    /// The commit GitHub shows for it now; a force-push moves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Sha>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Approved.
    Approved,
    /// Asked for changes.
    ChangesRequested,
    /// Said something without deciding; never changes an earlier decision.
    Commented,
    /// Taken back; an older approval does not come back.
    Dismissed,
    /// Changed after it was submitted; void. INVARIANT i07.
    Edited,
}

/// What an account may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Triage.
    Triage,
    /// Write.
    Write,
    /// Maintain.
    Maintain,
    /// Administer.
    Admin,
}

/// How a branch is protected, as far as the caller may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protection {
    /// Checks that must succeed, and the app each is bound to.
    pub required_checks: Vec<RequiredCheck>,
    /// Whether force-pushes are refused.
    pub force_push_refused: bool,
    /// Whether deleting the branch is refused.
    pub deletion_refused: bool,
    /// Who may force-push or delete it all the same, as a credential of its own saw; nobody looked without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Vec<Bypass>>,
}

/// Somebody whom a ruleset lets around its rules, as GitHub names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bypass {
    /// `Integration`, `OrganizationAdmin`, `RepositoryRole`, `Team`, `User`, `DeployKey`, `EnterpriseOwner`.
    pub kind: String,
    /// Which of them; none where there is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// `always`, `pull_request`, `exempt`.
    pub mode: String,
}

impl std::fmt::Display for Bypass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.id {
            Some(id) => write!(f, "{} {id} ({})", self.kind, self.mode),
            None => write!(f, "{} ({})", self.kind, self.mode),
        }
    }
}

/// A check that must succeed before a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredCheck {
    /// Its name.
    pub context: String,
    /// The app that must have made it; anybody's without one. INVARIANT i27.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<u64>,
}
