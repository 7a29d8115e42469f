//! What the organisation may say to the outside: wording, links, the way to unsubscribe, and the sender.
//!
//! Wording is compared by what it looks like (UTS 39), without case and double spaces, so that a look-alike letter
//! neither hides a forbidden wording nor stands in for a required one.

mod link;

use serde_json::Value;

use super::{
    Asked, Findings, Level, Problem,
    reach::{Origin, Reach, Text, is_within},
    skeleton::wording,
};
use crate::domain::proposal::Item;

/// How the check is set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// JSON pointers (RFC 6901) of the parameters that are looked at, with everything in them; all when empty.
    pub texts: Vec<String>,
    /// What must not be said.
    pub forbidden: Vec<Forbidden>,
    /// What must be said in every item.
    pub required: Vec<String>,
    /// The domains that links may lead to, with everything below them; links are not looked at without.
    pub links: Option<Vec<String>>,
    /// How people get out.
    pub unsubscribe: Option<Unsubscribe>,
    /// Who may be named as the sender.
    pub senders: Option<Senders>,
    /// The level of every finding but those that are a trick, which are denied.
    pub warn: bool,
}

/// A wording that must not be used.
#[derive(Debug, Clone)]
pub struct Forbidden {
    /// The words.
    words: String,
    /// The words as they look.
    look: String,
    /// What to say instead.
    instead: Option<String>,
}

impl Forbidden {
    /// A wording and what to say instead.
    pub fn new(words: String, instead: Option<String>) -> Self {
        Self {
            look: wording(&words),
            words,
            instead,
        }
    }
}

/// The line by which people get out.
#[derive(Debug, Clone)]
pub struct Unsubscribe {
    /// The parameter that must hold it.
    pub param: String,
    /// Wordings of which one must be there.
    pub words: Vec<String>,
}

/// The senders.
#[derive(Debug, Clone)]
pub struct Senders {
    /// The parameters that name one.
    pub params: Vec<String>,
    /// Those that may be named, as they are written.
    pub allow: Vec<String>,
}

/// Finds what the organisation does not say.
pub(super) fn check(asked: &Asked<'_>) -> Vec<Problem> {
    let Some(settings) = &asked.settings.brand else {
        return super::not_set("brand");
    };
    let level = if settings.warn { Level::Warn } else { Level::Deny };
    let mut found = Findings::default();
    for item in asked.matter.items {
        let mut missing: Vec<(&String, String)> = settings
            .required
            .iter()
            .map(|words| (words, wording(words)))
            .collect();
        let root = format!("/items/{}/parameters", item.id);
        let visit = |text: Text<'_>| {
            let Origin::Parameter(at) = text.origin else {
                return;
            };
            let wanted = settings.texts.is_empty() || settings.texts.iter().any(|param| is_within(at, param));
            // The name of a field is not sent.
            if !wanted || text.field.is_none() {
                return;
            }
            let said = wording(text.text);
            missing.retain(|(_, look)| !has_words(&said, look));
            for forbidden in &settings.forbidden {
                if has_words(&said, &forbidden.look) {
                    let remedy = forbidden.instead.as_ref().map_or_else(
                        || "leave it out".to_owned(),
                        |instead| format!("say `{instead}` instead"),
                    );
                    found.add(
                        level,
                        text.at,
                        format!("the wording `{}`", forbidden.words),
                        remedy,
                    );
                }
            }
            if let Some(allowed) = &settings.links {
                link::look(text.text, text.at, allowed, level, &mut found);
            }
        };
        Reach::new(visit, |_| None, asked.sealed).parameters(item);
        for (words, _) in missing {
            let message = format!("the wording `{words}` is missing");
            found.add(level, &root, message, "add it to the text");
        }
        if let Some(unsubscribe) = &settings.unsubscribe {
            out(item, unsubscribe, level, &mut found);
        }
        if let Some(senders) = &settings.senders {
            sender(item, senders, level, &mut found);
        }
    }
    found.into_problems()
}

fn out(item: &Item, unsubscribe: &Unsubscribe, level: Level, found: &mut Findings) {
    let text = item
        .parameters
        .pointer(&unsubscribe.param)
        .and_then(Value::as_str);
    let said = wording(text.unwrap_or_default());
    if !unsubscribe
        .words
        .iter()
        .any(|words| has_words(&said, &wording(words)))
    {
        let words = unsubscribe.words.join("`, `");
        found.add(
            level,
            &format!("/items/{}/parameters{}", item.id, unsubscribe.param),
            "no line says how to unsubscribe",
            format!("add one that says `{words}`"),
        );
    }
}

fn sender(item: &Item, senders: &Senders, level: Level, found: &mut Findings) {
    for param in &senders.params {
        let named = item.parameters.pointer(param).and_then(Value::as_str);
        // As it is written: a sender that only looks right is the one to keep out.
        if !named.is_some_and(|named| senders.allow.iter().any(|allowed| allowed == named)) {
            found.add(
                level,
                &format!("/items/{}/parameters{param}", item.id),
                if named.is_some() {
                    "a sender that is not allowed"
                } else {
                    "no sender is named"
                },
                format!("send it as `{}`", senders.allow.join("` or `")),
            );
        }
    }
}

/// Whether words stand in a text, not as a part of longer ones.
fn has_words(text: &str, words: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (first, last) = (words.chars().next(), words.chars().next_back());
    !words.is_empty()
        && text.match_indices(words).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at + words.len()..).and_then(|text| text.chars().next());
            !(joins(first) && joins(before) || joins(last) && joins(after))
        })
}

#[cfg(test)]
mod tests;
