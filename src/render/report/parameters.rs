//! What would be sent: every parameter of every item, sensitive values masked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    domain::{
        ids::ItemId,
        money,
        proposal::{Item, Proposal, dotted},
    },
    render::{
        leaves::{cell, leaves, long_text},
        markdown::Markdown,
        mask::masked_item,
        summary::total,
    },
};

/// More differing parameters than this beside each other make a table too wide for a phone.
const COLUMNS: usize = 2;

/// The parameters of all items.
#[derive(Serialize)]
pub(super) struct Parameters {
    /// One item: all of them; several: what is the same for all.
    same: Vec<Row>,
    /// What differs: a column each, or none and all of it in one.
    columns: Vec<String>,
    rows: Vec<ItemRow>,
    /// Texts too long for a table.
    long: Vec<Long>,
    count: Markdown,
    many: bool,
    total: Option<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    value: Markdown,
}

#[derive(Serialize)]
struct ItemRow {
    id: String,
    cells: Vec<Markdown>,
}

#[derive(Serialize)]
struct Long {
    name: String,
    item: Option<String>,
    text: Markdown,
}

struct Shown<'a> {
    item: &'a Item,
    leaves: BTreeMap<String, Value>,
    sealed: BTreeSet<String>,
    defaulted: BTreeSet<String>,
}

impl Shown<'_> {
    fn value(&self, name: &str) -> Markdown {
        let Some(value) = self.leaves.get(name) else {
            return Markdown::ours("-");
        };
        let shown = cell(value);
        if self.sealed.contains(name) {
            shown.and(" (sealed)")
        } else if self.defaulted.contains(name) {
            shown.and(" (default)")
        } else {
            shown
        }
    }

    /// The values of some parameters: a cell each, or all in one cell that a phone can wrap.
    fn cells(&self, names: &[&String], wide: bool) -> Vec<Markdown> {
        if !wide {
            return names.iter().map(|name| self.value(name)).collect();
        }
        let there = names.iter().filter(|name| self.leaves.contains_key(**name));
        let pairs = there.map(|name| Markdown::prose(name).and(": ").then(&self.value(name)));
        vec![Markdown::joined(pairs, "; ")]
    }
}

pub(super) fn parameters(proposal: &Proposal) -> Parameters {
    let items = &proposal.binding.items;
    let masked: Vec<Value> = items.iter().map(|item| masked_item(proposal, item)).collect();
    let shown: Vec<Shown<'_>> = items
        .iter()
        .zip(&masked)
        .map(|(item, parameters)| Shown {
            item,
            leaves: leaves(parameters),
            sealed: sealed_names(proposal, &item.id),
            defaulted: defaulted_names(proposal, &item.id, &item.parameters),
        })
        .collect();
    let names: BTreeSet<&String> = shown.iter().flat_map(|one| one.leaves.keys()).collect();
    let (same, differ): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| is_same(&shown, name));
    let many = items.len() > 1;
    let wide = differ.len() > COLUMNS;
    let row = |one: &Shown<'_>, name: &&String| Row {
        name: (*name).clone(),
        value: one.value(name),
    };
    Parameters {
        same: shown
            .first()
            .map(|first| same.iter().map(|name| row(first, name)).collect())
            .unwrap_or_default(),
        columns: if wide {
            Vec::new()
        } else {
            differ.iter().map(|name| (*name).clone()).collect()
        },
        rows: if many {
            let row = |one: &Shown<'_>| ItemRow {
                id: one.item.id.to_string(),
                cells: one.cells(&differ, wide),
            };
            shown.iter().map(row).collect()
        } else {
            Vec::new()
        },
        long: long(&shown, &same, &differ),
        count: Markdown::count(u64::try_from(items.len()).unwrap_or(u64::MAX)),
        many,
        total: if many { total(&masked) } else { None },
    }
}

fn is_same(shown: &[Shown<'_>], name: &str) -> bool {
    let mut all = shown.iter().map(|one| {
        let how = (one.sealed.contains(name), one.defaulted.contains(name));
        (one.leaves.get(name), how)
    });
    let first = all.next();
    all.all(|one| Some(one) == first)
        // Equal masks may hide different values.
        && (shown.len() == 1 || !shown.iter().any(|one| one.sealed.contains(name)))
}

fn long(shown: &[Shown<'_>], same: &[&String], differ: &[&String]) -> Vec<Long> {
    let once = shown.first().into_iter().flat_map(|first| {
        same.iter().filter_map(|name| {
            Some(Long {
                name: (*name).clone(),
                item: None,
                text: Markdown::fenced(long_text(first.leaves.get(*name)?)?),
            })
        })
    });
    let each = shown.iter().flat_map(|one| {
        differ.iter().filter_map(|name| {
            Some(Long {
                name: (*name).clone(),
                item: Some(one.item.id.to_string()),
                text: Markdown::fenced(long_text(one.leaves.get(*name)?)?),
            })
        })
    });
    once.chain(each).collect()
}

fn sealed_names(proposal: &Proposal, item: &ItemId) -> BTreeSet<String> {
    let of_item = proposal.sealed.iter().filter(|sealed| sealed.item() == item);
    of_item.map(|sealed| dotted(sealed.pointer())).collect()
}

/// The defaults that fill a place with a value of their own; an amount as a whole counts when one part does.
fn defaulted_names(proposal: &Proposal, item: &ItemId, parameters: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for pointer in proposal.defaulted.get(item).into_iter().flatten() {
        names.insert(dotted(pointer));
        if let Some((parent, _)) = pointer.rsplit_once('/')
            && parameters
                .pointer(parent)
                .is_some_and(|value| money::parts(value).is_some())
        {
            names.insert(dotted(parent));
        }
        if let Some(value) = parameters.pointer(pointer) {
            let inner = leaves(value);
            names.extend(
                inner
                    .keys()
                    .filter(|key| !key.is_empty())
                    .map(|key| format!("{}.{key}", dotted(pointer))),
            );
        }
    }
    names
}
