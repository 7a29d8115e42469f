//! `/exclude 3,7 paid last week`, as an approver writes it below a pull request.

use super::leaves_some;
use crate::domain::{
    case::Case,
    comment::{reason, shown},
    ids::ItemId,
    proposal::Item,
    source::nearest,
};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/exclude";
const USAGE: &str = "write `/exclude 3,7` with the items to leave out, then why";

/// Items to leave out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The items.
    pub items: Vec<ItemId>,
    /// Why.
    pub reason: String,
}

/// What a comment takes out of a case as it stands; none where it takes out nothing that could be.
pub fn written(text: &str, case: &Case) -> Option<Exclusion> {
    let mut words = text.trim_start().lines().next()?.split_whitespace();
    (words.next()? == COMMAND).then(|| asked(words, case).ok())?
}

/// The exclusion that a comment's words ask for. Errors: why it can't be recorded, and what to write instead.
pub(in crate::domain) fn asked<'a>(
    mut words: impl Iterator<Item = &'a str>,
    case: &Case,
) -> Result<Exclusion, String> {
    let mut items: Vec<ItemId> = Vec::new();
    for name in words
        .next()
        .ok_or(USAGE)?
        .split(',')
        .filter(|name| !name.is_empty())
    {
        let item = known(name, case)?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    leaves_some(case, &items).map_err(|error| error.to_string())?;
    let reason = reason(words)?.ok_or_else(|| format!("it takes your reason; {USAGE}"))?;
    Ok(Exclusion { items, reason })
}

fn known(name: &str, case: &Case) -> Result<ItemId, String> {
    let items = &case.proposal.binding.items;
    let known = items.iter().find(|item: &&Item| item.id.as_str() == name);
    known.map(|item| item.id.clone()).ok_or_else(|| {
        // Numbers are near each other and mean something else.
        let words = items
            .iter()
            .map(|item| item.id.as_str())
            .filter(|id| id.len() > 2);
        let near = nearest(name, words);
        let near = near
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        format!("the proposal has no item `{}`{near}", shown(name))
    })
}
