//! Text that does not show what it says: direction overrides, invisible and tag characters, look-alike words.

use serde_json::Value;
use unicode_security::MixedScript as _;

use super::{Level, Problem};
use crate::domain::{canonical::escape_pointer, proposal::Proposal};

/// The most findings reported for one proposal.
const MOST: usize = 20;

/// A character that changes what people see without being seen. INVARIANT i26.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hazard {
    /// Changes the direction of the text around it.
    Direction,
    /// Has no visible form.
    Invisible,
    /// A tag character or variation selector: an invisible alphabet of its own.
    Tag,
    /// A control character other than line feed and tab.
    Control,
    /// Unassigned, private, or not a character.
    NoCharacter,
}

impl Hazard {
    /// The hazard's name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direction => "a text-direction control",
            Self::Invisible => "an invisible character",
            Self::Tag => "a tag character or variation selector",
            Self::Control => "a control character",
            Self::NoCharacter => "a private or unassigned code point",
        }
    }
}

/// Whether a character may deceive whoever reads it.
pub const fn hazard(c: char) -> Option<Hazard> {
    match c {
        '\n' | '\t' => None,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(Hazard::Direction)
        }
        '\u{00ad}'
        | '\u{034f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' => Some(Hazard::Invisible),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => Some(Hazard::Tag),
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some(Hazard::Control),
        '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{f0000}'.. => Some(Hazard::NoCharacter),
        _ => None,
    }
}

/// Finds deceiving characters (deny) and words of mixed scripts (warn) in everything the agent wrote.
pub fn check(proposal: &Proposal) -> Vec<Problem> {
    let mut problems = Vec::new();
    for item in &proposal.binding.items {
        walk(
            &item.parameters,
            &mut format!("/items/{}/parameters", item.id),
            &mut problems,
        );
    }
    look(&proposal.justification, "/justification", &mut problems);
    if let Some(plan) = &proposal.rollback_plan {
        look(plan, "/rollback_plan", &mut problems);
    }
    for (name, value) in &proposal.claimed {
        walk(
            value,
            &mut format!("/claimed/{}", escape_pointer(name)),
            &mut problems,
        );
    }
    problems
}

fn walk(value: &Value, at: &mut String, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) => look(text, at, problems),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let length = at.len();
                at.push_str(&format!("/{i}"));
                walk(item, at, problems);
                at.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let length = at.len();
                at.push('/');
                at.push_str(&escape_pointer(key));
                look(key, at, problems);
                walk(item, at, problems);
                at.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn look(text: &str, at: &str, problems: &mut Vec<Problem>) {
    if problems.len() >= MOST || text.is_ascii() && text.bytes().all(|b| b >= 0x20 && b != 0x7f) {
        return;
    }
    let at: String = at.chars().flat_map(safe).collect();
    if let Some((c, hazard)) = text.chars().find_map(|c| hazard(c).map(|hazard| (c, hazard))) {
        problems.push(Problem {
            level: Level::Deny,
            at: at.clone(),
            found: format!("{} (U+{:04X})", hazard.name(), u32::from(c)),
            remedy: "send the text without it".into(),
        });
    }
    let mixed = text
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_ascii() && !word.is_single_script());
    if let Some(word) = mixed {
        let shown: String = word.chars().take(40).flat_map(safe).collect();
        problems.push(Problem {
            level: Level::Warn,
            at,
            found: format!("`{shown}` mixes scripts; one of its letters may pose as another"),
            remedy: "compare it with the name you know, or send it in one script".into(),
        });
    }
}

fn safe(c: char) -> Box<dyn Iterator<Item = char>> {
    if hazard(c).is_some() {
        Box::new(c.escape_unicode())
    } else {
        Box::new(std::iter::once(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        look(text, "/x", &mut found);
        found
    }

    #[test]
    fn i26_characters_that_deceive_are_denied() {
        for text in [
            "pay \u{202e}EMCA",
            "a\u{200b}b",
            "a\u{e0041}",
            "a\u{fe0f}",
            "a\u{7}b",
            "a\u{f8ff}",
            "a\r",
        ] {
            assert_eq!(
                problems(text).first().map(|p| p.level),
                Some(Level::Deny),
                "{text:?}"
            );
        }
        for text in [
            "plain",
            "Müller & Söhne\n\tzwei",
            "支払い",
            "Привет",
            "naïve — “quoted”",
            "€ 12",
        ] {
            assert_eq!(problems(text), [], "{text:?}");
        }
    }

    #[test]
    fn i26_words_of_mixed_scripts_are_flagged() {
        let found = problems("Pay Аcme today");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Warn);
    }
}
