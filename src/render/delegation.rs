//! Answers to `/delegate`.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
};
use crate::domain::entry::Delegated;

#[derive(Serialize)]
struct Answer {
    owner: String,
    stand_in: Option<String>,
    until: Markdown,
    actions: Vec<String>,
    takes_back: &'static str,
}

impl Page for Answer {
    const NAME: &'static str = "delegated.md";
}

/// What was recorded, in the words of the ledger.
pub fn delegated(said: &Delegated) -> Result<String, RenderError> {
    fill(&Answer {
        owner: said.owner.to_string(),
        stand_in: said.stand_in.as_ref().map(ToString::to_string),
        until: Markdown::time(said.until),
        actions: said.actions.iter().map(ToString::to_string).collect(),
        takes_back: "/delegate nobody",
    })
}
