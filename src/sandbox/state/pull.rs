//! Pull requests, reviews and comments.
use std::collections::BTreeSet;

use jiff::Timestamp;

#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) author: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) head_ref: String,
    pub(crate) head_sha: String,
    pub(crate) base_ref: String,
    /// The base branch's commit when the pull request last saw it.
    pub(crate) base_sha: String,
    pub(crate) draft: bool,
    pub(crate) closed: Option<Timestamp>,
    pub(crate) closed_by: Option<u64>,
    pub(crate) merged: Option<Merged>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) reviews: Vec<Review>,
    pub(crate) wanted_users: BTreeSet<u64>,
    pub(crate) wanted_teams: BTreeSet<u64>,
}

impl Pull {
    pub(crate) fn open(&self) -> bool {
        self.closed.is_none()
    }

    pub(crate) fn state(&self) -> &'static str {
        if self.open() { "open" } else { "closed" }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) at: Timestamp,
    pub(crate) by: u64,
    pub(crate) sha: String,
}

/// What a review says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
    Pending,
}

impl Verdict {
    /// The REST spelling.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Commented => "COMMENTED",
            Self::Dismissed => "DISMISSED",
            Self::Pending => "PENDING",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) author: u64,
    pub(crate) body: String,
    pub(crate) verdict: Verdict,
    pub(crate) commit: String,
    pub(crate) submitted_at: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) author: u64,
    pub(crate) app: Option<u64>,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}
