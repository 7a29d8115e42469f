//! Answers to `/delegate`.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
};
use crate::domain::{entry::Delegated, ids::PersonName};

#[derive(Serialize)]
struct Answer {
    refused: Option<Markdown>,
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
        refused: None,
        owner: said.owner.to_string(),
        stand_in: said.stand_in.as_ref().map(ToString::to_string),
        until: Markdown::time(said.until),
        actions: said.actions.iter().map(ToString::to_string).collect(),
        takes_back: "/delegate nobody",
    })
}

/// Why nothing was recorded; what the person wrote is quoted.
pub fn not_delegated(owner: &PersonName, why: &str) -> Result<String, RenderError> {
    fill(&Answer {
        refused: Some(words(why)),
        owner: owner.to_string(),
        stand_in: None,
        until: Markdown::default(),
        actions: Vec::new(),
        takes_back: "",
    })
}

/// An error's text, its input in backticks as code.
fn words(text: &str) -> Markdown {
    let parts = text.split('`').enumerate();
    parts.fold(Markdown::default(), |all, (number, part)| {
        if part.is_empty() {
            return all;
        }
        if number % 2 == 1 {
            return all.then(&Markdown::code(part));
        }
        let blank = |is: bool| Markdown::ours(if is { " " } else { "" });
        all.then(&blank(part.starts_with(' ')))
            .then(&Markdown::prose(part))
            .then(&blank(part.ends_with(' ')))
    })
}
