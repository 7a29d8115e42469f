//! A pull request that changed, and who changed it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{Hint, PullPart};
use crate::{
    domain::{
        entry::EditedPart,
        ids::{AccountId, BranchName, DeliveryId, PullNumber, RepoName, Sha},
    },
    github::wire,
};

/// A change of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullEvent {
    /// The repository.
    pub repo: RepoName,
    /// The pull request.
    pub pull: PullNumber,
    /// What changed.
    pub action: PullAction,
    /// `X-GitHub-Delivery`.
    pub delivery: DeliveryId,
    /// Who changed it.
    pub sender: Option<AccountId>,
    /// Who opened it.
    pub author: Option<AccountId>,
    /// Its head.
    pub head: Sha,
    /// Its branch; `None` when the name is not one the bot would write.
    pub head_ref: Option<BranchName>,
    /// Whether the branch is in the same repository.
    pub same_repo: bool,
    /// Whether it was merged by then.
    pub merged: bool,
    /// What an edit changed, as far as GitHub says.
    pub edited: BTreeSet<EditedPart>,
}

/// What changed about a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullAction {
    /// Opened.
    Opened,
    /// Opened again.
    Reopened,
    /// Its head moved.
    Synchronize,
    /// Its title, body or base changed.
    Edited,
    /// Closed or merged.
    Closed,
    /// Made a draft, or ready again.
    Draft,
}

#[derive(Deserialize)]
pub(super) struct OfPull {
    pull_request: PullPart,
    #[serde(default)]
    changes: Option<Changes>,
}

/// What was there before an edit, for each part that it changed.
#[derive(Deserialize)]
struct Changes {
    title: Option<IgnoredAny>,
    body: Option<IgnoredAny>,
    base: Option<IgnoredAny>,
}

impl Changes {
    fn parts(&self) -> impl Iterator<Item = EditedPart> {
        let title = self.title.map(|_| EditedPart::Title);
        let body = self.body.map(|_| EditedPart::Body);
        let base = self.base.map(|_| EditedPart::Base);
        [title, body, base].into_iter().flatten()
    }
}

/// What changed, where the bot looks at it.
pub(super) fn action(text: &str) -> Option<PullAction> {
    match text {
        "opened" => Some(PullAction::Opened),
        "reopened" => Some(PullAction::Reopened),
        "synchronize" => Some(PullAction::Synchronize),
        "edited" => Some(PullAction::Edited),
        "closed" => Some(PullAction::Closed),
        "converted_to_draft" | "ready_for_review" => Some(PullAction::Draft),
        _ => None,
    }
}

/// What was changed, by whom.
pub(super) fn of_pull(
    repo: RepoName,
    (action, sender): (PullAction, Option<wire::Account>),
    delivery: DeliveryId,
    part: OfPull,
) -> Hint {
    let OfPull {
        pull_request: pull,
        changes,
    } = part;
    let name = |side: &wire::Side| side.repo.as_ref().map(|repo| repo.full_name.clone());
    let head = name(&pull.head);
    Hint::Pull(PullEvent {
        repo,
        pull: pull.number,
        action,
        delivery,
        sender: wire::id_of(sender.as_ref()),
        author: wire::id_of(pull.user.as_ref()),
        head: pull.head.sha,
        head_ref: pull.head.name.parse().ok(),
        same_repo: head.is_some() && head == name(&pull.base),
        merged: pull.merged_at.is_some(),
        edited: changes
            .map(|changes| changes.parts().collect())
            .unwrap_or_default(),
    })
}
