//! Answers on an agent's own pull request, which is only an inbox. INVARIANT i25.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
    room::{shortened, within_limit},
};
use crate::domain::{
    case::Life,
    ids::{ProposalId, PullNumber, Sha},
    receive::FieldError,
};

/// How many errors are listed, and the room of each in characters: the second when the first exceeds what GitHub takes.
const ROOM: [(usize, usize); 2] = [(50, 2_000), (25, 150)];

#[derive(Serialize)]
struct Refused {
    errors: Vec<ErrorLine>,
    more: usize,
}

#[derive(Serialize)]
struct ErrorLine {
    field: Option<String>,
    message: String,
}

impl Page for Refused {
    const NAME: &'static str = "inbox-refused.md";
}

#[derive(Serialize)]
struct Accepted {
    proposal: String,
    pull: Markdown,
}

impl Page for Accepted {
    const NAME: &'static str = "inbox-accepted.md";
}

#[derive(Serialize)]
struct RanAtOnce {
    proposal: String,
    life: String,
}

impl Page for RanAtOnce {
    const NAME: &'static str = "inbox-ran.md";
}

#[derive(Serialize)]
struct Shadow {
    head: String,
}

impl Page for Shadow {
    const NAME: &'static str = "shadow.md";
}

/// A low-tier proposal that needed no review.
pub fn inbox_ran(proposal: ProposalId, life: Life) -> Result<String, RenderError> {
    fill(&RanAtOnce {
        proposal: proposal.to_string(),
        life: life.to_string(),
    })
}

/// Why another pull request on a proposal's head is closed. INVARIANT i25.
pub fn shadow(head: Sha) -> Result<String, RenderError> {
    fill(&Shadow { head: head.short() })
}

/// Every field that does not fit, and what to send instead.
pub fn inbox_answer(errors: &[FieldError]) -> Result<String, RenderError> {
    within_limit(ROOM, |(listed, room)| {
        let line = |error: &FieldError| ErrorLine {
            field: (!error.field.is_empty()).then(|| shortened(&error.field, room)),
            message: shortened(&error.message, room),
        };
        fill(&Refused {
            errors: errors.iter().take(listed).map(line).collect(),
            more: errors.len().saturating_sub(listed),
        })
    })
}

/// Where the proposal goes on: the bot's own pull request.
pub fn inbox_accepted(proposal: ProposalId, pull: PullNumber) -> Result<String, RenderError> {
    fill(&Accepted {
        proposal: proposal.to_string(),
        pull: Markdown::pull(pull),
    })
}
