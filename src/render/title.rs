//! The pull request's title: tier, what, how much.

use super::{
    mask::masked_item,
    plain::{plain, shorten},
    summary::total,
};
use crate::domain::{assess::Assessment, money, proposal::Proposal};

/// The longest title, in characters.
pub const MAX_TITLE: usize = 70;

/// `[high] Pay ACME Ltd 12,500.00 EUR`: a label of at most [`MAX_TITLE`] characters; the body has it whole.
///
/// What is too long is shortened at a word with `…`; the amount, or how many are affected, always stays.
pub fn title(proposal: &Proposal, assessment: &Assessment) -> String {
    let tier = format!("[{}] ", assessment.tier);
    let room = MAX_TITLE.saturating_sub(tier.chars().count());
    format!("{tier}{}", label(proposal, room))
}

/// The summary in so many characters, with the amount or the number affected.
pub(super) fn label(proposal: &Proposal, room: usize) -> String {
    let summary = plain(&proposal.summary);
    let Some(size) = size(proposal) else {
        return shorten(&summary, room);
    };
    if summary.contains(&size) {
        let short = shorten(&summary, room);
        if short.contains(&size) {
            return short;
        }
        let room = room.saturating_sub(size.chars().count() + 1);
        return format!("{} {size}", shorten(&summary, room));
    }
    let room = room.saturating_sub(size.chars().count() + 2);
    format!("{}, {size}", shorten(&summary, room))
}

/// The amount, or how many records are affected.
fn size(proposal: &Proposal) -> Option<String> {
    let items: Vec<_> = proposal
        .binding
        .items
        .iter()
        .map(|item| masked_item(proposal, item))
        .collect();
    let affected = || {
        let count = proposal.affected_count()?;
        let shown = money::grouped(count);
        Some(if proposal.summary.contains(&shown) {
            shown
        } else {
            format!("{shown} affected")
        })
    };
    total(&items).or_else(affected)
}
