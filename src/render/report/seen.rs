//! What the bot itself read: before, after, and whom and what it touches. INVARIANT i13.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::{
    domain::{
        policy::Action,
        proposal::{Affected, Observed, Proposal},
    },
    render::{
        leaves::{cell, delta, leaves},
        markdown::Markdown,
    },
};

/// More columns than this make a table of samples too wide for a phone.
const COLUMNS: usize = 3;

/// What was observed for all items.
#[derive(Serialize)]
pub(super) struct SeenFacts {
    any: bool,
    not_read: &'static str,
    at: Option<Markdown>,
    many: bool,
    changes: Vec<Change>,
    unchanged: u64,
    now: Vec<Change>,
    affected: Vec<Touched>,
    deltas: Vec<Delta>,
    samples: Vec<Sample>,
}

#[derive(Serialize)]
struct Change {
    item: String,
    field: String,
    before: Markdown,
    after: Option<Markdown>,
}

#[derive(Serialize)]
struct Touched {
    item: String,
    count: Option<Markdown>,
    audience: Option<String>,
}

#[derive(Serialize)]
struct Delta {
    item: String,
    name: String,
    by: Markdown,
}

#[derive(Serialize)]
struct Sample {
    item: String,
    shown: Markdown,
    one: bool,
    of: Option<Markdown>,
    columns: Vec<String>,
    rows: Vec<Vec<Markdown>>,
}

pub(super) fn seen(proposal: &Proposal, action: Option<&Action>) -> SeenFacts {
    let mut facts = SeenFacts {
        any: !proposal.observed.is_empty(),
        not_read: if action.is_some_and(|action| action.observe().is_some()) {
            "Countersign has not read the target system for this."
        } else {
            "Countersign can't tell: the catalog names no place in the target system to read."
        },
        at: proposal
            .observed
            .iter()
            .map(|one| one.at)
            .max()
            .map(Markdown::time),
        many: proposal.binding.items.len() > 1,
        changes: Vec::new(),
        unchanged: 0,
        now: Vec::new(),
        affected: Vec::new(),
        deltas: Vec::new(),
        samples: Vec::new(),
    };
    for observed in &proposal.observed {
        facts.state(observed);
        facts.affected(&observed.item.to_string(), &observed.facts.affected);
    }
    facts
}

impl SeenFacts {
    fn state(&mut self, observed: &Observed) {
        let item = observed.item.to_string();
        let before = leaves(&observed.facts.before);
        let Some(after) = &observed.facts.after else {
            let known = before.iter().filter(|(_, value)| !value.is_null());
            self.now.extend(known.map(|(field, value)| Change {
                item: item.clone(),
                field: named(field),
                before: cell(value),
                after: None,
            }));
            return;
        };
        let after = leaves(after);
        let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let shown = |value: Option<&Value>| value.map_or_else(|| Markdown::ours("-"), cell);
        for field in fields {
            let (was, will) = (before.get(field), after.get(field));
            if was == will {
                self.unchanged += 1;
                continue;
            }
            self.changes.push(Change {
                item: item.clone(),
                field: named(field),
                before: shown(was),
                after: Some(shown(will)),
            });
        }
    }

    fn affected(&mut self, item: &str, affected: &Affected) {
        if affected.count.is_some() || affected.audience.is_some() {
            self.affected.push(Touched {
                item: item.to_owned(),
                count: affected.count.map(Markdown::count),
                audience: affected.audience.clone(),
            });
        }
        self.deltas.extend(affected.deltas.iter().map(|(name, by)| Delta {
            item: item.to_owned(),
            name: name.clone(),
            by: delta(by),
        }));
        if !affected.sample.is_empty() {
            self.samples.push(sample(item, affected));
        }
    }
}

fn sample(item: &str, affected: &Affected) -> Sample {
    let listed = u64::try_from(affected.sample.len()).unwrap_or(u64::MAX);
    let rows: Vec<_> = affected.sample.iter().map(leaves).collect();
    let columns: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    let narrow = columns.len() <= COLUMNS;
    Sample {
        item: item.to_owned(),
        shown: Markdown::count(listed),
        one: listed == 1,
        of: affected
            .count
            .filter(|count| *count > listed)
            .map(Markdown::count),
        columns: if narrow {
            columns.iter().map(|name| named(name)).collect()
        } else {
            vec!["record".to_owned()]
        },
        rows: if narrow {
            let row = |row: &std::collections::BTreeMap<String, Value>| {
                let at = |name: &&String| row.get(*name).map_or_else(|| Markdown::ours("-"), cell);
                columns.iter().map(at).collect()
            };
            rows.iter().map(row).collect()
        } else {
            let whole = |value: &Value| vec![Markdown::code(&value.to_string())];
            affected.sample.iter().map(whole).collect()
        },
    }
}

fn named(field: &str) -> String {
    if field.is_empty() { "value" } else { field }.to_owned()
}
