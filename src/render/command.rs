//! Answers to what people write for the bot to do.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
};
use crate::domain::{
    case::Case,
    entry::{Exception, Excluded, Frozen, Resolution, Resolved, Withdrawn},
    ids::{ActionName, PersonName, ProposalId, PullNumber, Seq},
    proposal::Proposal,
};

/// So many items are named; the others are counted.
const NAMED: usize = 12;

/// What may follow input in an error's text.
const MARKS: [&str; 4] = [";", ",", ":", "?"];

#[derive(Serialize)]
struct Answer {
    by: String,
    refused: Option<Markdown>,
    said: Markdown,
    means: Markdown,
}

impl Page for Answer {
    const NAME: &'static str = "answered.md";
}

/// Why nothing was recorded; what the person wrote is quoted.
pub fn not_recorded(by: &PersonName, why: &str) -> Result<String, RenderError> {
    fill(&Answer {
        by: by.to_string(),
        refused: Some(words(why).and(if why.ends_with('?') { "" } else { "." })),
        said: Markdown::default(),
        means: Markdown::default(),
    })
}

/// A freeze, in the words of the ledger, and the action that can end it.
pub fn frozen(
    by: &PersonName,
    seq: Seq,
    frozen: &Frozen,
    thaws: Option<&ActionName>,
) -> Result<String, RenderError> {
    let how = match thaws {
        Some(action) => Markdown::ours("It lasts until a proposal of ")
            .then(&Markdown::code(action.as_str()))
            .and(" for freeze "),
        None => Markdown::ours(
            "No action of the catalog can end it yet: add one with `thaw` under `execute`, and propose it for freeze ",
        ),
    };
    fill(&Answer {
        by: by.to_string(),
        refused: None,
        said: Markdown::prose(by.as_str())
            .and(" stops ")
            .then(&Markdown::prose(&frozen.what.to_string()))
            .and(", because ")
            .then(&Markdown::prose(&frozen.reason)),
        means: Markdown::ours(
            "Nothing of that begins any more, in any process; what has begun takes no further step, and is undone where that \
             can be. ",
        )
        .then(&how)
        .then(&Markdown::code(&seq.to_string()))
        .and(if thaws.is_some() { " has run." } else { "." }),
    })
}

/// What a person found out about an execution, in the words of the ledger.
pub fn resolved(by: &PersonName, resolved: &Resolved) -> Result<String, RenderError> {
    let means = match resolved.found {
        Resolution::Executed => "It counts as having run, once.",
        Resolution::NotExecuted => "It counts as not having run; its agent may propose it anew.",
    };
    fill(&Answer {
        by: by.to_string(),
        refused: None,
        said: Markdown::prose(by.as_str())
            .and(" found it to be ")
            .then(&Markdown::prose(&resolved.found.to_string()))
            .and(": ")
            .then(&Markdown::prose(&resolved.reason)),
        means: Markdown::ours(means),
    })
}

/// An exception, in the words of the ledger.
pub fn excepted(by: &PersonName, said: &Exception) -> Result<String, RenderError> {
    let text = Markdown::prose(by.as_str())
        .and(" lets this proposal pass ")
        .then(&Markdown::code(said.check.as_str()));
    fill(&Answer {
        by: by.to_string(),
        refused: None,
        said: match &said.reason {
            Some(reason) => text.and(", because ").then(&Markdown::prose(reason)),
            None => text.and(", as the agent asked"),
        },
        means: Markdown::ours(
            "It stands while the policy and GitHub let them grant it, as long as an approval would. It is no approval, and \
             theirs does not count besides; they take it back with ",
        )
        .then(&Markdown::code(&format!("/exception {} withdraw", said.check)))
        .and("."),
    })
}

/// An exception that was taken back, in the words of the ledger.
pub fn withdrawn(by: &PersonName, said: &Withdrawn) -> Result<String, RenderError> {
    let text = Markdown::prose(by.as_str())
        .and(" takes back the exception from ")
        .then(&Markdown::code(said.check.as_str()));
    fill(&Answer {
        by: by.to_string(),
        refused: None,
        said: match &said.reason {
            Some(reason) => text.and(", because ").then(&Markdown::prose(reason)),
            None => text,
        },
        means: Markdown::ours(
            "The check fails again, and nothing runs until somebody who may lets it pass anew.",
        ),
    })
}

/// An exclusion, in the words of the ledger; `case` as it stands with it.
pub fn excluded(by: &PersonName, said: &Excluded, case: &Case) -> Result<String, RenderError> {
    let code = |item: &str| Markdown::code(item);
    let items = said.items.iter().map(|item| code(item.as_str()));
    let left: Vec<Markdown> = case.left_in().map(|item| code(item.id.as_str())).collect();
    fill(&Answer {
        by: by.to_string(),
        refused: None,
        said: Markdown::prose(by.as_str())
            .and(" excludes ")
            .then(&Markdown::some_of(items, NAMED, ", "))
            .and(", because ")
            .then(&Markdown::prose(&said.reason)),
        means: Markdown::ours("What runs once it is approved: ")
            .then(&Markdown::some_of(left.into_iter(), NAMED, ", "))
            .and(". Approvals stay; an item does not come back, but the agent may propose it anew."),
    })
}

/// An erasure that is done.
pub fn erased(by: &PersonName, id: ProposalId, reason: &str) -> Result<String, RenderError> {
    fill(&Answer {
        by: by.to_string(),
        refused: None,
        said: Markdown::prose(by.as_str())
            .and(" erases proposal ")
            .then(&Markdown::code(&id.to_string()))
            .and(", because ")
            .then(&Markdown::prose(reason)),
        means: Markdown::ours(
            "The key of its sealed values and the answers of its target are destroyed here; what the target itself holds, \
             and backups, are not. The record of what happened stays and still verifies.",
        ),
    })
}

/// What somebody changed of a proposal, and what takes its place.
pub fn corrected(new: &Proposal, pull: Option<PullNumber>) -> Result<String, RenderError> {
    let last = new.proof.corrections().last();
    let by = last.map_or("", |last| last.by.as_str());
    let batch = new.binding.items.len() > 1;
    let places = last.into_iter().flat_map(|last| &last.changes).map(|change| {
        let name = change.name();
        Markdown::code(&if batch {
            format!("{}:{name}", change.item)
        } else {
            name
        })
    });
    let places: Vec<Markdown> = places.collect();
    let text = Markdown::ours("Proposal ").then(&Markdown::code(&new.id.to_string()));
    let text = match pull {
        Some(pull) => text.and(" takes its place, in ").then(&Markdown::pull(pull)),
        None => text.and(" takes its place, in a pull request of its own"),
    };
    fill(&Answer {
        by: by.to_owned(),
        refused: None,
        said: Markdown::prose(by)
            .and(" amends ")
            .then(&Markdown::some_of(places.into_iter(), NAMED, ", ")),
        means: text
            .and(", and takes the approvals of others: ")
            .then(&Markdown::prose(by))
            .and(" co-wrote it and approves neither that nor what its agent makes of it."),
    })
}

/// What a person has taken back, and by what.
pub fn rolled_back(new: &Proposal, pull: Option<PullNumber>) -> Result<String, RenderError> {
    let rolled = new.proof.rolled_back();
    let by = rolled.map_or("", |rolled| rolled.by.as_str());
    let of = rolled.map(|rolled| Markdown::code(&rolled.of.to_string()));
    let text = Markdown::ours("Proposal ").then(&Markdown::code(&new.id.to_string()));
    let text = match pull {
        Some(pull) => text.and(" does, in ").then(&Markdown::pull(pull)),
        None => text.and(" does, in a pull request of its own"),
    };
    fill(&Answer {
        by: by.to_owned(),
        refused: None,
        said: Markdown::prose(by)
            .and(" asks to take back proposal ")
            .then(&of.unwrap_or_default())
            .and(", because ")
            .then(&Markdown::prose(&new.justification)),
        means: text
            .and(", and runs once others approve it: ")
            .then(&Markdown::prose(by))
            .and(" asked for it and approves nothing of it."),
    })
}

/// An error's text, its input in backticks as code.
pub(super) fn words(text: &str) -> Markdown {
    let parts = text.split('`').enumerate();
    parts.fold(Markdown::default(), |all, (number, part)| {
        if part.is_empty() {
            return all;
        }
        if number % 2 == 1 {
            return all.then(&Markdown::code(part));
        }
        let mark = MARKS.into_iter().find(|mark| part.starts_with(mark));
        let part = mark.and_then(|mark| part.strip_prefix(mark)).unwrap_or(part);
        let blank = |is: bool| Markdown::ours(if is { " " } else { "" });
        all.and(mark.unwrap_or_default())
            .then(&blank(part.starts_with(' ')))
            .then(&Markdown::prose(part))
            .then(&blank(part.ends_with(' ') && !part.trim().is_empty()))
    })
}
