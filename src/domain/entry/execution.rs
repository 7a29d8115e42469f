//! The bodies of entries that executors make.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Credential;
use crate::domain::ids::{Digest, InstanceId, ItemId, Seq, StepName, Timestamp};

/// The body of `started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// 1 for the first.
    pub attempt: u32,
    /// The lock that was taken before the act.
    pub claim: ClaimedBy,
    /// It must have ended by then.
    pub deadline: Timestamp,
    /// The items that approvers excluded; every other item of the proposal is in the plan, and none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ItemId>,
    /// What the target is given so that a repetition has no second effect.
    pub idempotency_key: String,
    /// The process that executes.
    pub instance: InstanceId,
    /// Whether every call may be made again with its key, so that whoever finds it begun may go on. INVARIANT i21.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumable: bool,
    /// The freeze that it ends; a freeze does not keep that from running. INVARIANT i22.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thaws: Option<Seq>,
}

/// The lock that was taken before the act. INVARIANT i16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimedBy {
    /// This entry, acknowledged by the remote ledger.
    Ledger,
    /// A row of the outbox on disk; low tier only.
    Outbox,
}

/// The body of `step` and `undone`: one call of an execution that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Took {
    /// The process that executes.
    pub instance: InstanceId,
    /// Which call of the plan it is, from 1, and how many there are when nothing fails.
    pub progress: (u32, u32),
    /// How the call ended.
    pub result: StepResult,
}

/// The body of `finished`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// The credentials that were made for this attempt. INVARIANT i19.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// The process that executed.
    pub instance: InstanceId,
    /// How it ended as a whole.
    pub outcome: Outcome,
    /// How each item ended.
    pub steps: Vec<StepResult>,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every item ran.
    Executed,
    /// The target said no; nothing ran.
    Refused,
    /// Something failed.
    Errored,
    /// It failed and was undone.
    Undone,
    /// Some items ran and some did not.
    Partial,
}
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Executed => "executed",
            Self::Refused => "refused",
            Self::Errored => "errored",
            Self::Undone => "undone",
            Self::Partial => "partial",
        })
    }
}

/// How one step of an item ended, or the taking back of one; an item that was not tried has one line, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepResult {
    /// The item.
    pub item: ItemId,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The digest of the request as sent, sensitive values as commitments.
    pub request: Digest,
    /// A salted commitment to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Digest>,
    /// The target's status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The step, when the action has named steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// Whether the step was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
}

impl StepResult {
    /// What it is about, as in "item 1, step `pay`".
    pub fn what(&self) -> String {
        let step = self.step.as_ref().map(|step| format!(", step `{step}`"));
        format!("item {}{}", self.item, step.unwrap_or_default())
    }
}

/// The body of `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// The credentials that are known to have been made for this attempt. INVARIANT i19.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// The process that had started it.
    pub instance: InstanceId,
    /// Why nobody can tell.
    pub reason: String,
    /// How far it is known to have come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepResult>,
    /// Whether whoever had begun it stopped in mid-call, so that another may go on where that has no second effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}
