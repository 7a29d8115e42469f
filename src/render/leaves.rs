//! A JSON value as lines that people compare: one place, one value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{markdown::Markdown, mask::HIDDEN};
use crate::domain::money;

/// Texts longer than this, or of several lines, stand below their table.
const CELL: usize = 120;
/// Lists and objects up to this length stand in one cell.
const COMPACT: usize = 40;

/// Every place of a value and what stands there, in order. Amounts and short lists stay whole.
pub(super) fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    walk(value, &mut String::new(), &mut found);
    found
}

fn walk(value: &Value, at: &mut String, found: &mut BTreeMap<String, Value>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) if money::parts(value).is_none() => {
            fields.iter().map(|(key, value)| (key.clone(), value)).collect()
        }
        Value::Array(items) if !is_compact(value) => items
            .iter()
            .enumerate()
            .map(|(at, item)| (at.to_string(), item))
            .collect(),
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => Vec::new(),
    };
    if children.is_empty() {
        found.insert(at.clone(), value.clone());
        return;
    }
    for (key, child) in children {
        let length = at.len();
        if !at.is_empty() {
            at.push('.');
        }
        at.push_str(&key);
        walk(child, at, found);
        at.truncate(length);
    }
}

fn is_compact(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().all(|item| !item.is_array() && !item.is_object()))
        && value.to_string().len() <= COMPACT
}

/// The text that is too long for a cell.
pub(super) fn long_text(value: &Value) -> Option<&str> {
    value
        .as_str()
        .filter(|text| text.contains('\n') || text.chars().count() > CELL)
}

/// A value in a cell.
pub(super) fn cell(value: &Value) -> Markdown {
    if let Some((minor, currency)) = money::parts(value) {
        return Markdown::prose(&money::amount(minor, currency));
    }
    if let Some(text) = long_text(value) {
        let count = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        return Markdown::count(count).and(" characters, in full below");
    }
    match value {
        Value::String(text) if text.starts_with(HIDDEN) => Markdown::prose(text),
        Value::String(text) => Markdown::code(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Markdown::code(&value.to_string())
        }
    }
}

/// A difference in a cell: `+4,200`.
pub(super) fn delta(value: &Value) -> Markdown {
    match value.as_i64() {
        Some(number) if number > 0 => Markdown::ours("+").then(&Markdown::count(number.unsigned_abs())),
        Some(number) if number < 0 => Markdown::ours("-").then(&Markdown::count(number.unsigned_abs())),
        Some(_) | None => cell(value),
    }
}
