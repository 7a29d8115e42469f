//! Text that does not show what it says: direction overrides, invisible and tag characters, look-alike words.

mod look_alike;

use std::borrow::Cow;

use unicode_security::MixedScript as _;

use super::{
    Asked, Findings, Level, Problem,
    reach::{Reach, Text},
};
use crate::domain::matter::Matter;
pub use look_alike::Known;

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
pub fn deceiving(matter: &Matter<'_>) -> Vec<Problem> {
    let mut found = Findings::default();
    let visit = |text: Text<'_>| look(text.text, text.at, &mut found);
    Reach::new(visit, |_| None, &[]).written(matter);
    found.into_problems()
}

/// How the check is set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Names and domains that others may pose as.
    pub known: Known,
}

/// Finds what deceives, and look-alikes of what is known (deny).
pub(super) fn check(asked: &Asked<'_>) -> Vec<Problem> {
    let known = &asked.settings.text.known;
    let observed = look_alike::observed(asked.matter);
    let mut found = Findings::default();
    let visit = |text: Text<'_>| {
        look(text.text, text.at, &mut found);
        look_alike::look(text, known, &observed, &mut found);
    };
    Reach::new(visit, |_| None, asked.sealed).written(asked.matter);
    found.into_problems()
}

fn look(text: &str, at: &str, found: &mut Findings) {
    if is_plain(text) {
        return;
    }
    if found.has_room(Level::Deny)
        && let Some((c, hazard)) = text.chars().find_map(|c| hazard(c).map(|hazard| (c, hazard)))
    {
        let what = format!("{} (U+{:04X})", hazard.name(), u32::from(c));
        found.add(Level::Deny, at, what, "send the text without it");
    }
    if !found.has_room(Level::Warn) {
        return;
    }
    let mixed = text
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_ascii() && !word.is_single_script());
    if let Some(word) = mixed {
        let shown: String = word.chars().take(40).flat_map(safe).collect();
        found.add(
            Level::Warn,
            at,
            format!("`{shown}` mixes scripts; one of its letters may pose as another"),
            "compare it with the name you know, or send it in one script",
        );
    }
}

/// Whether all of it is printable ASCII.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// A text with what may deceive written as its code points.
pub(super) fn show(text: &str) -> Cow<'_, str> {
    if !is_plain(text) && text.chars().any(|c| hazard(c).is_some()) {
        Cow::Owned(text.chars().flat_map(safe).collect())
    } else {
        Cow::Borrowed(text)
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
        let mut found = Findings::default();
        look(text, "/x", &mut found);
        found.into_problems()
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
