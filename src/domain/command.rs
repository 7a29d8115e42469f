//! What people write below a proposal's pull request for the bot to do: one registry, one file a command.
//!
//! Only a comment's first line is a command, and only as it was made.

use super::{
    case::Case,
    delegation,
    entry::Delegated,
    exception::{self, Departure},
    exclusion::{self, Exclusion},
    ids::{AccountId, DeliveryId, Timestamp},
    policy::{Person, Policy},
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
    /// The account.
    pub account: AccountId,
    /// `X-GitHub-Delivery`.
    pub delivery: &'a DeliveryId,
    /// When it is heard.
    pub at: Timestamp,
}

/// What a comment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// `/delegate`
    Delegate(Delegated),
    /// `/exception`
    Except(Departure),
    /// `/exclude`
    Exclude(Exclusion),
}

/// What a comment on a case's pull request asks for; nothing when it asks for none. Errors: why it can't be recorded,
/// and what to write instead. Whether its author may is not looked at here.
pub fn asked(comment: Comment<'_>, case: &Case, policy: &Policy) -> Option<Result<Wish, String>> {
    let line = comment.text.trim_start().lines().next()?;
    let mut words = line.split_whitespace();
    match words.next()? {
        delegation::COMMAND => Some(delegation::asked(words, comment, policy).map(Wish::Delegate)),
        exception::COMMAND => Some(exception::asked(words, case).map(Wish::Except)),
        exclusion::COMMAND => Some(exclusion::asked(words, case).map(Wish::Exclude)),
        _ => None,
    }
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

/// What somebody wrote, so that it can stand in an answer.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
