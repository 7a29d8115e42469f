//! Parameters as people may see them: sensitive values masked. INVARIANT i29.

use serde_json::Value;

use crate::domain::{
    policy::Action,
    proposal::{Item, Proposal},
    sealed::{mask, placeholder_of},
};

/// What stands for a value of which nothing may be shown.
pub(super) const HIDDEN: &str = "••••";

/// Parameters in clear, with every value that the catalog marks as sensitive masked.
pub fn masked(action: &Action, parameters: &Value) -> Value {
    let mut shown = parameters.clone();
    for path in action.sensitive() {
        if let Some(place) = shown.pointer_mut(&path.pointer()) {
            *place = Value::String(mask(place));
        }
    }
    shown
}

/// An item's parameters, with every sealed value in its masked form.
pub fn masked_item(proposal: &Proposal, item: &Item) -> Value {
    let mut shown = item.parameters.clone();
    for sealed in proposal.sealed.iter().filter(|sealed| *sealed.item() == item.id) {
        if let Some(place) = shown.pointer_mut(sealed.pointer()) {
            *place = Value::String(sealed.masked().to_owned());
        }
    }
    shown
}

/// The filter `mask`: a masked value stays as it is, any other is masked now.
pub(super) fn mask_value(value: &Value) -> String {
    if placeholder_of(value).is_some() {
        return HIDDEN.to_owned();
    }
    match value.as_str() {
        Some(text) if is_masked(text) => text.to_owned(),
        _ => mask(value),
    }
}

fn is_masked(text: &str) -> bool {
    text.strip_prefix(HIDDEN)
        .is_some_and(|tail| tail.is_empty() || tail.chars().count() == 5 && tail.starts_with(' '))
}
