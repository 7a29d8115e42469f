//! What a proposal changes of the one it replaces, so that whoever read that one need not read all of it again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::Replaced;
use crate::{
    domain::proposal::{Proposal, dotted},
    render::{
        leaves::{cell, leaves, long_text},
        markdown::Markdown,
        mask::masked_item,
    },
};

#[derive(Serialize)]
pub(super) struct Since {
    what: Markdown,
    many: bool,
    rows: Vec<Row>,
    /// Sealed, and something else than before, as the gate found when it had both in clear.
    changed: Vec<String>,
    /// Sealed, and the same as before.
    same: Vec<String>,
    /// Sealed, and nobody could compare: equal masks may hide different values.
    sealed: Vec<String>,
    /// `alice`, who changed it by a comment.
    amended: Option<String>,
    /// Whether the agent gives other reasons.
    words: bool,
}

#[derive(Serialize)]
struct Row {
    item: String,
    name: String,
    before: Markdown,
    now: Markdown,
}

type Places = BTreeMap<(String, String), Value>;

pub(super) fn since(old: &Replaced<'_>, new: &Proposal) -> Since {
    let many = new.binding.items.len() > 1 || old.proposal.binding.items.len() > 1;
    let (before, now) = (places(old.proposal), places(new));
    let sealed: BTreeSet<(String, String)> = hidden(old.proposal).union(&hidden(new)).cloned().collect();
    let all: BTreeSet<&(String, String)> = before.keys().chain(now.keys()).collect();
    let (differ, _) = all
        .into_iter()
        .filter(|place| !sealed.contains(*place))
        .partition::<Vec<_>, _>(|place| before.get(*place) != now.get(*place));
    let row = |place: &(String, String)| Row {
        item: place.0.clone(),
        name: place.1.clone(),
        before: before.get(place).map_or_else(nothing, shortly),
        now: now.get(place).map_or_else(nothing, cell),
    };
    let compared = compared(new);
    // What was taken out is something else too.
    let stands = |place: &(String, String)| compared.get(place).copied().unwrap_or(Some(false));
    let named = |wanted: Option<bool>| -> Vec<String> {
        let places = sealed.iter().filter(|place| stands(place) == wanted);
        places
            .map(|(item, name)| {
                if many {
                    format!("{item}:{name}")
                } else {
                    name.clone()
                }
            })
            .collect()
    };
    let id = Markdown::code(&old.proposal.id.to_string());
    Since {
        what: match old.pull {
            Some(pull) => Markdown::ours("pull request ")
                .then(&Markdown::pull(pull))
                .and(", proposal ")
                .then(&id),
            None => Markdown::ours("proposal ").then(&id),
        },
        many,
        rows: differ.into_iter().map(row).collect(),
        changed: named(Some(false)),
        same: named(Some(true)),
        sealed: named(None),
        words: words(old.proposal) != words(new),
        amended: new
            .proof
            .corrections()
            .last()
            .filter(|last| last.from == old.proposal.id)
            .map(|last| last.by.to_string()),
    }
}

fn words(proposal: &Proposal) -> impl PartialEq + '_ {
    (
        &proposal.justification,
        &proposal.rollback_plan,
        &proposal.claimed,
        &proposal.exceptions,
    )
}

fn nothing() -> Markdown {
    Markdown::ours("-")
}

/// A value of before; what is too long for a cell stands in full nowhere here.
fn shortly(value: &Value) -> Markdown {
    match long_text(value) {
        Some(text) => {
            let count = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            Markdown::count(count).and(" characters")
        }
        None => cell(value),
    }
}

/// Every parameter, by item and name.
fn places(proposal: &Proposal) -> Places {
    let items = proposal.binding.items.iter();
    items
        .flat_map(|item| {
            let of_item = leaves(&masked_item(proposal, item)).into_iter();
            of_item.map(|(name, value)| ((item.id.to_string(), name), value))
        })
        .collect()
}

fn hidden(proposal: &Proposal) -> BTreeSet<(String, String)> {
    compared(proposal).into_keys().collect()
}

/// Every sealed place, by item and name, and whether it holds what the replaced proposal did.
fn compared(proposal: &Proposal) -> BTreeMap<(String, String), Option<bool>> {
    let sealed = proposal.sealed.iter();
    sealed
        .map(|sealed| {
            let place = (sealed.item().to_string(), dotted(sealed.pointer()));
            (place, sealed.as_before())
        })
        .collect()
}
