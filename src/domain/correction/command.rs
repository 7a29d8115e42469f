//! `/amend amount.minor=900000`, a line a change, as a person writes it below a pull request.

use serde_json::Value;

use super::sent;
use crate::domain::{
    canonical::escape_pointer,
    case::Case,
    comment::shown,
    ids::ItemId,
    policy::{Action, ParamPath, Policy},
    proposal::{Change, Item, dotted, put},
    receive::meet,
    source::is_visible,
};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/amend";
/// The most lines of one comment.
const MAX_CHANGES: usize = 50;
const USAGE: &str =
    "write a line for each change, `/amend amount.minor=900000` or `/amend reference=\"two words\"`";

/// The changes that a comment asks for. Errors: why they can't be made, and what to write instead; never the value, which
/// may be one that should not be read.
pub(in crate::domain) fn asked(text: &str, case: &Case, policy: &Policy) -> Result<Vec<Change>, String> {
    let operation = &case.proposal.binding.operation;
    let action = policy
        .action(operation)
        .ok_or_else(|| format!("the catalog has no action `{operation}`; ask the agent to propose anew"))?;
    let mut changes: Vec<Change> = Vec::new();
    for line in text.lines().map(str::trim) {
        let Some(rest) = line.strip_prefix(COMMAND) else {
            if line.starts_with('/') {
                return Err(format!("one comment holds one kind of command; {USAGE}"));
            }
            continue;
        };
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(USAGE.to_owned());
        }
        let change = change(rest.trim(), case, action)?;
        let twice = |other: &Change| other.item == change.item && meet(&other.at, &change.at);
        if changes.iter().any(twice) {
            return Err(format!("`{}` is changed twice; say it once", name(&change.at)));
        }
        if changes.len() >= MAX_CHANGES {
            return Err(format!(
                "one comment changes {MAX_CHANGES} values at most; ask the agent to revise"
            ));
        }
        changes.push(change);
    }
    Ok(changes)
}

fn change(text: &str, case: &Case, action: &Action) -> Result<Change, String> {
    let (field, value) = text.split_once('=').ok_or(USAGE)?;
    let (field, value) = (field.trim(), value.trim());
    let (item, field) = item(field, case)?;
    if case.excludes(&item.id) {
        return Err(format!("item `{}` is excluded, and does not run", item.id));
    }
    let at = pointer(field)?;
    if action
        .sensitive()
        .iter()
        .any(|sealed| meet(&sealed.pointer(), &at))
    {
        return Err(format!(
            "`{}` is sealed, and your comment shows what it says; delete the comment and ask the agent to revise",
            name(&at)
        ));
    }
    if let Some(named) = action
        .resource()
        .params()
        .find(|param| meet(&param.pointer(), &at))
    {
        return Err(another_matter(named));
    }
    let mut parameters = sent(&case.proposal, item);
    let before = parameters.pointer(&at).cloned();
    let stands = item.parameters.pointer(&at);
    let now = read(value, &at, stands, &mut parameters, action)?;
    if stands == Some(&now) {
        return Err(format!("`{}` says that already", name(&at)));
    }
    Ok(Change {
        item: item.id.clone(),
        at,
        before,
        now,
    })
}

/// What a person is told who would have something else acted on.
fn another_matter(param: &ParamPath) -> String {
    format!(
        "`{}` names what is acted on, and on something else it is another matter; ask the agent to propose that",
        param.dotted()
    )
}

/// The item that a field is of, and the field. In a batch it stands in front: `3:amount.minor`.
fn item<'c, 'f>(field: &'f str, case: &'c Case) -> Result<(&'c Item, &'f str), String> {
    let items = &case.proposal.binding.items;
    let named = field.split_once(':').and_then(|(id, rest)| {
        let item = items.iter().find(|item| item.id.as_str() == id)?;
        Some((item, rest))
    });
    match (named, items.as_slice()) {
        (Some(named), _) => Ok(named),
        (None, [only]) => Ok((only, field)),
        (None, _) => {
            let first = items.first().map_or("1", |item| ItemId::as_str(&item.id));
            Err(format!(
                "`{}` does not begin with an item; write the item in front, as in `{first}:amount.minor=900000`",
                shown(field)
            ))
        }
    }
}

/// A field as JSON pointer: it is one, or a dotted path as the report shows it.
fn pointer(field: &str) -> Result<String, String> {
    let well = |part: &str| !part.is_empty() && part.chars().all(|c| is_visible(c) && !c.is_whitespace());
    let parts: Vec<&str> = match field.strip_prefix('/') {
        Some(pointer) => pointer.split('/').collect(),
        None => field.split('.').collect(),
    };
    if field.len() > 200 || !parts.iter().all(|part| well(part)) {
        return Err(format!("`{}` is no parameter; {USAGE}", shown(field)));
    }
    Ok(match field.strip_prefix('/') {
        Some(_) => field.to_owned(),
        None => parts
            .iter()
            .map(|part| format!("/{}", escape_pointer(part)))
            .collect(),
    })
}

/// The dotted name of a place.
fn name(at: &str) -> String {
    shown(&dotted(at))
}

/// The value as the parameter's schema has it: JSON, or bare text where the schema asks for text. A bare value is one
/// word, so that nothing that was meant as a remark gets into it.
fn read(
    text: &str,
    at: &str,
    stands: Option<&Value>,
    parameters: &mut Value,
    action: &Action,
) -> Result<Value, String> {
    let field = name(at);
    if text.is_empty() {
        return Err(format!(
            "`{field}` has no value; write `{field}=\"\"` for an empty text"
        ));
    }
    let json = serde_json::from_str::<Value>(text).ok();
    let candidates = if text.starts_with(['"', '{', '[']) {
        let json = json.ok_or_else(|| {
            format!("the value of `{field}` begins as JSON and is none; close its quotes and brackets, and put nothing after it")
        })?;
        vec![json]
    } else if text.contains(char::is_whitespace) {
        return Err(format!(
            "the value of `{field}` holds blanks; write it in quotes, as in `{field}=\"two words\"`"
        ));
    } else {
        let bare = Value::from(text);
        // What is text stays text, so that `0049` keeps its zeros.
        if stands.is_some_and(Value::is_string) {
            std::iter::once(bare).chain(json).collect()
        } else {
            json.into_iter().chain([bare]).collect()
        }
    };
    let mut first = None;
    for candidate in candidates {
        if put(parameters, at, Some(candidate.clone())).is_none() {
            return Err(format!(
                "there is no place `{field}`; write the whole value that it would be in"
            ));
        }
        let wrong = action.validate(parameters);
        match wrong
            .iter()
            .find(|error| meet(at, error.pointer()) && error.pointer().len() >= at.len())
        {
            None => return Ok(candidate),
            Some(error) => first.get_or_insert_with(|| error.message().to_owned()),
        };
    }
    Err(format!("`{field}`: {}", first.unwrap_or_default()))
}
