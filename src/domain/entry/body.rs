//! The bodies of entries, one a kind.

use std::{collections::BTreeSet, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Heard, RoleKey, Said, Stray};
use crate::domain::{
    assess::Assessment,
    ids::{
        AccountId, ActionName, BranchName, CommentId, DeliveryId, Digest, Login, PersonName, ProposalId,
        PullNumber, RepoName, ReviewId, Sha, Span, Timestamp,
    },
    observation::{Observation, ReviewState},
    proposal::Proposal,
    verdict::{Because, Verdict},
};

/// The body of `genesis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The repository that holds proposals and ledger.
    pub repository: RepoName,
    /// The protected base branch.
    pub base: BranchName,
    /// The ledger's branch.
    pub ledger: BranchName,
    /// The digest of the first `policies/` tree.
    pub policy: Digest,
    /// The first key of each role.
    pub keys: Vec<RoleKey>,
    /// 32 random bytes, so that no two ledgers begin alike.
    pub nonce: Digest,
}

/// The body of `received`: the whole proposal, and what was found on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Received {
    /// Tier, reasons and check results.
    pub assessment: Assessment,
    /// The proposal.
    pub proposal: Arc<Proposal>,
    /// The door it came through.
    pub via: Via,
}

/// The door a proposal came through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Via {
    /// The HTTP interface.
    Api,
    /// The agent's own pull request. INVARIANT i25.
    Pull {
        /// Its number.
        number: PullNumber,
        /// The commit that was read.
        head: Sha,
    },
    /// A person's comment on the pull request of the proposal that it replaces.
    Comment(Heard),
    /// A person's comment that asks for something to be taken back.
    Rollback(Said),
}

/// The body of `opened`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The one pull request that counts.
    pub pull: PullNumber,
    /// The proposal's one commit.
    pub head: Sha,
    /// The branch it goes into: the protected base of the genesis entry, and no other.
    pub base_ref: BranchName,
    /// Its parent on the base branch.
    pub base: Sha,
    /// The proposal's branch.
    pub branch: BranchName,
    /// The digest of the pull request's title.
    pub title: Digest,
    /// The digest of `proposal.yaml`.
    pub file: Digest,
}

/// The body of `reviewed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// The pull request, when it would change the rules; a proposal's is named by `opened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullNumber>,
    /// The review's id.
    pub review: ReviewId,
    /// The numeric account; `None` for a deleted one.
    pub account: Option<AccountId>,
    /// The login at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// What it says.
    pub decision: ReviewState,
    /// The pull request's head when it was seen.
    pub head: Sha,
    /// The base when it was seen.
    pub base: Sha,
    /// The commit the review itself named when it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Sha>,
    /// When GitHub says it was submitted.
    pub submitted_at: Timestamp,
    /// What should change, in the reviewer's words, where they ask for changes and an event told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the gate came to know.
    pub found: Found,
    /// The owner requirement it meets, when it is an approval that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
    /// Approvals counted with this one, and needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u32, u32)>,
    /// What stands behind it.
    pub assurance: Assurance,
}

impl Reviewed {
    /// Whether it is known to be of the head that it names: told of by its own event, or submitted after every change
    /// of the head. INVARIANT i06.
    pub fn is_in_time(&self) -> bool {
        match &self.found {
            Found::Event { .. } => true,
            Found::Sweep { head_changed_at } => self.submitted_at > *head_changed_at,
        }
    }
}

/// How the gate came to know of a review. INVARIANT i06.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Found {
    /// By its own webhook.
    Event {
        /// `X-GitHub-Delivery`.
        delivery: DeliveryId,
    },
    /// By looking again later.
    Sweep {
        /// The newest change of the branch's head that GitHub reports.
        head_changed_at: Timestamp,
    },
}

/// What stands behind an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// The gate saw GitHub say so.
    GateAttested,
    /// The approver merged it.
    GithubMerge,
    /// The approver's passkey.
    Passkey,
}

/// The body of `observed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// Why it was recorded.
    pub when: When,
    /// What was seen, complete.
    pub observation: Box<Observation>,
    /// The verdict: `open`, `waiting`, `blocked` or `errored`.
    pub gate: Verdict,
    /// The rules that gave it.
    pub because: Vec<Because>,
}

/// Why an observation was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The verdict changed.
    Verdict,
    /// At the merge.
    Merge,
    /// Right before the act.
    Start,
}

/// The body of `reminded` and `escalated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminded {
    /// How long it had been open.
    pub open_for: Span,
}

/// The body of `delegated`: an absent owner's word, by one of their own accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delegated {
    /// Who is absent; the person who acted.
    pub owner: PersonName,
    /// Who stands in; none when what was said before is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<PersonName>,
    /// Valid from.
    pub from: Timestamp,
    /// Not valid at or after this.
    pub until: Timestamp,
    /// For these actions only; for all when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionName>,
    /// Why, in the owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The account that said so.
    pub account: AccountId,
    /// The comment.
    pub comment: CommentId,
    /// `X-GitHub-Delivery` of the comment.
    pub delivery: DeliveryId,
}

/// The body of `voided`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voided {
    /// What was not as proposed.
    pub because: VoidReason,
    /// The foreign head, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Sha>,
}

/// What made a proposal void. INVARIANT i05.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// Somebody else moved the branch.
    ForeignHead,
    /// Somebody moved the pull request to another base.
    ForeignBase,
    /// What was observed changed between the approval and the merge. INVARIANT i13.
    Changed,
    /// The pull request or its branch is gone.
    Gone,
    /// The rules that it was proposed under are not in force any more. INVARIANT i02.
    Rules,
}

/// The body of `denied`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// Who closed the pull request, when GitHub says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

/// The body of `expired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expired {
    /// When it could no longer be approved.
    pub at: Timestamp,
}

/// The body of `cancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelled {
    /// Why, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `superseded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Superseded {
    /// The proposal that took its place.
    pub by: ProposalId,
}

/// The body of `merged`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merged {
    /// The merge commit.
    pub sha: Sha,
    /// Its parents: the base before, then the head.
    pub parents: Vec<Sha>,
    /// When, as GitHub says.
    pub at: Timestamp,
    /// Who released it.
    pub by: Option<AccountId>,
}

/// The body of `bypassed`, `policy_changed` and `refused_after_merge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The commit on the base branch, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<Sha>,
    /// Who merged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AccountId>,
    /// One line: the rule that refused.
    pub reason: String,
    /// The rules that did not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Because>,
}

/// The body of `edited`: title and text are put back, another base makes it void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edited {
    /// Whose doing.
    pub account: AccountId,
    /// What they changed; empty when GitHub did not say.
    pub parts: BTreeSet<EditedPart>,
    /// The webhook that told of it.
    pub delivery: DeliveryId,
}

/// What can be edited about a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditedPart {
    /// Its title.
    Title,
    /// Its text.
    Body,
    /// The branch it goes into.
    Base,
}
impl fmt::Display for EditedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Title => "title",
            Self::Body => "text",
            Self::Base => "base",
        })
    }
}

/// The body of `incident`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// What happened, in one line.
    pub what: String,
    /// Whose doing, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The rules on the base branch that are not in force, when it is about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stray: Option<Stray>,
}
