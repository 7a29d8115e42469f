//! What webhooks said about a pull request: hints, and reviews to be recorded as they were heard.

use crate::{
    domain::{
        entry::{EditedPart, VoidReason},
        ids::AccountId,
    },
    github::{CommentEvent, Hint, PullAction, PullEvent, ReviewEvent},
};

/// One thing that a webhook said.
#[derive(Debug, Clone)]
pub enum Told {
    /// Somebody reviewed.
    Review(Box<ReviewEvent>),
    /// The pull request changed.
    Pull(PullEvent),
    /// Somebody wrote a command.
    Comment(Box<CommentEvent>),
    /// Somebody moved its branch.
    Push(Option<AccountId>),
}

impl Told {
    /// What a hint says about its pull request.
    pub(super) fn of(hint: Hint) -> Option<Self> {
        match hint {
            Hint::Review { event, .. } => Some(Self::Review(event)),
            Hint::Comment { event, .. } => Some(Self::Comment(event)),
            Hint::Pull(event) => Some(Self::Pull(event)),
            // Heard of a pull request, a push is to its proposal's branch.
            Hint::Push { sender, .. } => Some(Self::Push(sender)),
            Hint::MergeGroup { .. }
            | Hint::CheckRerequested { .. }
            | Hint::Protection { .. }
            | Hint::Deployment { .. }
            | Hint::Run { .. }
            | Hint::Nothing => None,
        }
    }
    pub(super) fn review(&self) -> Option<&ReviewEvent> {
        match self {
            Self::Review(event) => Some(event),
            Self::Pull(_) | Self::Comment(_) | Self::Push(_) => None,
        }
    }
    pub(super) fn comment(&self) -> Option<&CommentEvent> {
        match self {
            Self::Comment(event) => Some(event),
            Self::Pull(_) | Self::Review(_) | Self::Push(_) => None,
        }
    }
    /// Who closed it, as far as this says.
    pub(super) fn closer(&self) -> Option<AccountId> {
        self.sender_of(PullAction::Closed)
    }
    /// Who moved its head or base, as far as this says.
    pub(super) fn mover(&self, because: VoidReason) -> Option<AccountId> {
        match because {
            VoidReason::ForeignHead => match self {
                Self::Push(sender) => *sender,
                Self::Pull(_) | Self::Review(_) | Self::Comment(_) => self.sender_of(PullAction::Synchronize),
            },
            VoidReason::ForeignBase => {
                let edit = self.edit().filter(|edit| edit.edited.contains(&EditedPart::Base));
                edit.and_then(|edit| edit.sender)
            }
            VoidReason::Changed | VoidReason::Gone | VoidReason::Rules => None,
        }
    }
    /// An edit of what is not merged yet; once it is, title and text decide nothing.
    pub(super) fn edit(&self) -> Option<&PullEvent> {
        match self {
            Self::Pull(event) if event.action == PullAction::Edited && !event.merged => Some(event),
            Self::Pull(_) | Self::Review(_) | Self::Comment(_) | Self::Push(_) => None,
        }
    }
    fn sender_of(&self, action: PullAction) -> Option<AccountId> {
        match self {
            Self::Pull(event) if event.action == action => event.sender,
            Self::Pull(_) | Self::Review(_) | Self::Comment(_) | Self::Push(_) => None,
        }
    }
}
