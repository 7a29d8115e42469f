//! The bodies of entries that people make by a comment on a proposal's pull request.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{AccountId, CheckName, CommentId, DeliveryId, ItemId, Sha, Timestamp};

/// The comment that a person's word stands in, as it was made; what it is edited to later says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// The numeric account that wrote it.
    pub account: AccountId,
    /// The comment.
    pub comment: CommentId,
    /// When GitHub says it was written.
    pub at: Timestamp,
    /// `X-GitHub-Delivery`.
    pub delivery: DeliveryId,
    /// The pull request's head when it was written.
    pub head: Sha,
}

/// The body of `exception`: one of a check's approvers lets one proposal pass that the check denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The check that is departed from.
    pub check: CheckName,
    /// Why, in the person's words; none where the agent's own request in the proposal is granted as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The comment that says so.
    pub heard: Heard,
}

/// The body of `withdrawn`: whoever let a proposal pass a check takes that back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// The check that is not departed from any more.
    pub check: CheckName,
    /// The comments that had granted it.
    pub granted: Vec<CommentId>,
    /// Why, in the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The comment that says so.
    pub heard: Heard,
}

/// The body of `excluded`: an approver takes items out of what will run, never in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// The items.
    pub items: Vec<ItemId>,
    /// Why, in the person's words.
    pub reason: String,
    /// The comment that says so.
    pub heard: Heard,
}
