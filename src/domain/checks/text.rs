//! Text that does not show what it says: direction overrides, invisible and tag characters, look-alike words.

use serde_json::Value;
use unicode_security::MixedScript as _;

use super::{Level, Problem};
use crate::domain::{canonical::escape_pointer, matter::Matter, proposal::Body};

/// The most findings of one level reported for one proposal.
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
pub fn check(matter: &Matter<'_>) -> Vec<Problem> {
    let mut found = Found::default();
    for item in matter.items {
        let at = format!("/items/{}/parameters", item.id);
        walk(&item.parameters, &mut at.clone(), &mut found);
    }
    look(matter.justification, "/justification", &mut found);
    if let Some(plan) = matter.rollback_plan {
        look(plan, "/rollback_plan", &mut found);
    }
    for (index, exception) in matter.exceptions.iter().enumerate() {
        look(
            &exception.reason,
            &format!("/exceptions/{index}/reason"),
            &mut found,
        );
    }
    for (name, value) in matter.claimed {
        let mut at = format!("/claimed/{}", escape_pointer(name));
        look(name, &at, &mut found);
        walk(value, &mut at, &mut found);
    }
    let told = matter.provenance;
    let reference = |body: &Option<Body>| body.as_ref().and_then(|body| body.reference.clone());
    let (prompt, output) = (reference(&told.prompt), reference(&told.output));
    for (name, text) in [
        ("traceparent", &told.traceparent),
        ("gen_ai.agent.id", &told.agent_id),
        ("gen_ai.request.model", &told.request_model),
        ("gen_ai.conversation.id", &told.conversation_id),
        ("gen_ai.tool.call.id", &told.tool_call_id),
        ("prompt/ref", &prompt),
        ("output/ref", &output),
    ] {
        if let Some(text) = text {
            look(text, &format!("/provenance/{name}"), &mut found);
        }
    }
    found.denied.extend(found.warned);
    found.denied
}

/// What was found so far; each level has room of its own, so that many warnings can't crowd out what denies.
#[derive(Debug, Default)]
struct Found {
    denied: Vec<Problem>,
    warned: Vec<Problem>,
}

fn walk(value: &Value, at: &mut String, found: &mut Found) {
    match value {
        Value::String(text) => look(text, at, found),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let length = at.len();
                at.push_str(&format!("/{i}"));
                walk(item, at, found);
                at.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let length = at.len();
                at.push('/');
                at.push_str(&escape_pointer(key));
                look(key, at, found);
                walk(item, at, found);
                at.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn look(text: &str, at: &str, found: &mut Found) {
    if text.is_ascii() && text.bytes().all(|b| b >= 0x20 && b != 0x7f) {
        return;
    }
    let at: String = at.chars().flat_map(safe).collect();
    if found.denied.len() < MOST
        && let Some((c, hazard)) = text.chars().find_map(|c| hazard(c).map(|hazard| (c, hazard)))
    {
        found.denied.push(Problem {
            level: Level::Deny,
            at: at.clone(),
            found: format!("{} (U+{:04X})", hazard.name(), u32::from(c)),
            remedy: "send the text without it".into(),
        });
    }
    if found.warned.len() >= MOST {
        return;
    }
    let mixed = text
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_ascii() && !word.is_single_script());
    if let Some(word) = mixed {
        let shown: String = word.chars().take(40).flat_map(safe).collect();
        found.warned.push(Problem {
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
        let mut found = Found::default();
        look(text, "/x", &mut found);
        found.denied.extend(found.warned);
        found.denied
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
