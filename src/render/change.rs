//! `change.diff`: what changes, as a unified diff of pretty JSON.

use serde_json::Value;
use similar::TextDiff;

use super::{mask::masked_item, visible};
use crate::domain::proposal::{Item, Observed, Proposal};

/// A unified diff of every item: what was observed before against after; where no after is known, the request's
/// parameters, sensitive values masked, as a new file. `git apply` and `patch` read it.
pub fn change_diff(proposal: &Proposal) -> String {
    let items = &proposal.binding.items;
    let one = |item: &Item| {
        let seen = proposal.observed.iter().find(|seen| seen.item == item.id);
        let name = name(proposal, item);
        match seen.and_then(change) {
            Some((before, after)) => changed(&name, &before, &after),
            None => added(&name, &pretty(&masked_item(proposal, item))),
        }
    };
    items.iter().map(one).collect()
}

/// Both sides, when there is an after and it differs.
fn change(seen: &Observed) -> Option<(String, String)> {
    let after = seen.facts.after.as_ref()?;
    let (before, after) = (pretty(&seen.facts.before), pretty(after));
    (before != after).then_some((before, after))
}

fn changed(name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut diff = diff.unified_diff();
    diff.header(&format!("a/{name}"), &format!("b/{name}"));
    format!("diff --git a/{name} b/{name}\n{diff}")
}

fn added(name: &str, text: &str) -> String {
    let diff = TextDiff::from_lines("", text);
    let mut diff = diff.unified_diff();
    diff.header("/dev/null", &format!("b/{name}"));
    format!("diff --git a/{name} b/{name}\nnew file mode 100644\n{diff}")
}

/// Pretty JSON, line ends within texts escaped by JSON, everything hidden escaped by us.
fn pretty(value: &Value) -> String {
    format!("{}\n", visible::lines(&format!("{value:#}")))
}

/// The item's resource as a file name; with several items, the item's id under it.
fn name(proposal: &Proposal, item: &Item) -> String {
    let mut name = String::new();
    for part in proposal
        .binding
        .target
        .resource
        .split('/')
        .filter(|part| !part.is_empty())
    {
        let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let text = match inner {
            Some(path) => {
                let pointer = format!("/{}", path.replace('.', "/"));
                match item.parameters.pointer(&pointer) {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => path.to_owned(),
                }
            }
            None => part.to_owned(),
        };
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(&segment(&text));
    }
    if proposal.binding.items.len() > 1 {
        name.push('/');
        name.push_str(&segment(&format!("item-{}", item.id)));
    }
    name
}

/// A file name that neither Git nor `patch` reads otherwise.
fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    match out.as_str() {
        "" | "." | ".." => "_".to_owned(),
        _ if out.to_ascii_lowercase().starts_with(".git") => format!("_{out}"),
        _ => out,
    }
}
