//! The body of `erased`.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{AccountId, CommentId, DeliveryId, PullNumber, Timestamp};

/// The body of `erased`: a person has a proposal's sealed values and answers destroyed. It is recorded before that is done,
/// and from there on nobody reads them: whoever keeps a copy that the ledger names destroys it, at the latest when they
/// start again. INVARIANT i29.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// The numeric account that asked for it.
    pub account: AccountId,
    /// The comment that says so, as it was made.
    pub comment: CommentId,
    /// The pull request below which it stands.
    pub pull: PullNumber,
    /// When GitHub says it was written.
    pub at: Timestamp,
    /// `X-GitHub-Delivery`.
    pub delivery: DeliveryId,
    /// Why, in the person's words.
    pub reason: String,
    /// What the gate's own store held.
    pub destroyed: Destroyed,
}

/// What a store held of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destroyed {
    /// Whether there was a key.
    pub key: bool,
    /// How many answers of targets were kept.
    pub answers: u32,
}
