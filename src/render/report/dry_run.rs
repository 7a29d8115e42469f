//! What the target says it would do: its answer to a dry run, kept as the catalog says.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    domain::{
        policy::Action,
        proposal::{DryRun, Proposal},
    },
    render::{
        leaves::{cell, leaves, long_text},
        markdown::Markdown,
    },
};

/// What was answered for all items.
#[derive(Serialize)]
pub(super) struct Answer {
    /// When the last item was asked about; none where nobody asked.
    at: Option<Markdown>,
    statuses: String,
    many: bool,
    rows: Vec<Row>,
    /// Texts too long for a table.
    long: Vec<Long>,
}

#[derive(Serialize)]
struct Row {
    item: String,
    name: String,
    value: Markdown,
}

#[derive(Serialize)]
struct Long {
    item: String,
    name: String,
    text: Markdown,
}

/// None where the catalog does not say how to ask, and nobody did.
pub(super) fn answer(proposal: &Proposal, action: Option<&Action>) -> Option<Answer> {
    let asked = &proposal.dry_runs;
    let declared = action.is_some_and(|action| action.dry_run().is_some());
    if asked.is_empty() && !declared {
        return None;
    }
    let statuses: BTreeSet<u16> = asked.iter().map(|one| one.status).collect();
    let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    let mut answer = Answer {
        at: asked.iter().map(|one| one.at).max().map(Markdown::time),
        statuses: statuses.join(", "),
        many: proposal.binding.items.len() > 1,
        rows: Vec::new(),
        long: Vec::new(),
    };
    asked.iter().for_each(|one| answer.add(one));
    Some(answer)
}

impl Answer {
    fn add(&mut self, asked: &DryRun) {
        let item = asked.item.to_string();
        for (name, value) in &asked.said {
            for (inner, leaf) in leaves(value) {
                let name = match inner.as_str() {
                    "" => name.clone(),
                    inner => format!("{name}.{inner}"),
                };
                self.rows.push(Row {
                    item: item.clone(),
                    name: name.clone(),
                    value: cell(&leaf),
                });
                self.long.extend(long_text(&leaf).map(|text| Long {
                    item: item.clone(),
                    name,
                    text: Markdown::fenced(text),
                }));
            }
        }
    }
}
