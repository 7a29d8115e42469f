//! A comment by a person of the policy, and what every command of theirs has.

use super::{
    ids::{AccountId, CommentId, DeliveryId, ProposalId, Timestamp},
    policy::Person,
    source::is_visible,
};

/// The longest reason, in characters.
const MAX_REASON: usize = 200;

/// A comment by a person of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Comment<'a> {
    /// What it says.
    pub text: &'a str,
    /// Whose account wrote it.
    pub by: &'a Person,
    /// Its number.
    pub id: CommentId,
    /// The account.
    pub account: AccountId,
    /// `X-GitHub-Delivery`.
    pub delivery: &'a DeliveryId,
    /// When it is heard.
    pub at: Timestamp,
}

/// A command about a proposal: the one whose id stands in front of the rest, or none for the pull request's own; and the
/// rest of its line. Nothing when the text begins with anything else.
pub(super) fn of_a_proposal<'a>(
    text: &'a str,
    command: &str,
) -> Option<(Option<ProposalId>, impl Iterator<Item = &'a str> + use<'a>)> {
    let mut words = text.trim_start().lines().next()?.split_whitespace().peekable();
    (words.next()? == command).then(|| {
        let proposal = words.peek().and_then(|word| word.parse().ok());
        if proposal.is_some() {
            words.next();
        }
        (proposal, words)
    })
}

/// The rest of a command as its reason; none where there is no rest.
pub(super) fn reason<'a>(words: impl Iterator<Item = &'a str>) -> Result<Option<String>, String> {
    let reason = words.collect::<Vec<_>>().join(" ");
    if reason.chars().count() > MAX_REASON || !reason.chars().all(is_visible) {
        return Err(format!(
            "the reason has at most {MAX_REASON} visible characters; shorten it"
        ));
    }
    Ok(Some(reason).filter(|reason| !reason.is_empty()))
}

/// The most of somebody's words that is kept, in characters.
const MAX_WORDS: usize = 500;

/// Somebody's words in one line of visible characters, what is beyond 500 of them shown as left out; none where there
/// are none.
pub fn one_line(text: &str) -> Option<String> {
    let visible = |c: char| if is_visible(c) { c } else { ' ' };
    let words: String = text.chars().map(visible).collect();
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut kept: String = line.chars().take(MAX_WORDS).collect();
    if kept.len() < line.len() {
        kept.push('…');
    }
    Some(kept).filter(|line| !line.is_empty())
}

/// What somebody wrote, so that it can stand in an answer.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
