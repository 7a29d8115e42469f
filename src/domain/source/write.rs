//! The one YAML writer: readable, and read back as what was written.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{SourceFile, read_value};

/// Why a value can't be written as YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not writable as YAML: {0}")]
pub struct WriteError(String);

/// Writes a value as YAML that [`read_value`] reads back equal, with everything invisible escaped. Errors: what the
/// reader would refuse, such as deep nesting or a key of more than 1,000 characters.
pub fn write_yaml<T: Serialize>(value: &T) -> Result<String, WriteError> {
    let value = serde_json::to_value(value).map_err(|error| WriteError(error.to_string()))?;
    let mut quoted = Quoted {
        prefix: unused_word(&value),
        texts: Vec::new(),
    };
    let plain = quoted.replace(&value);
    let text = serde_yaml::to_string(&plain).map_err(|error| WriteError(error.to_string()))?;
    let text = quoted.restore(&text);
    match read_value(&SourceFile::new("written.yaml", &*text)) {
        Ok(read) if read == value => Ok(text),
        Ok(_) => Err(WriteError("it would be read as another value".into())),
        Err(error) => Err(WriteError(error.to_string())),
    }
}

/// Texts that the serializer does not write so that they read back; they go in as words and come out quoted.
struct Quoted {
    prefix: String,
    texts: Vec<String>,
}

impl Quoted {
    fn replace(&mut self, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
            Value::String(text) => Value::String(self.word(text)),
            Value::Array(items) => items.iter().map(|item| self.replace(item)).collect(),
            Value::Object(fields) => {
                let mut map = Map::new();
                for (key, field) in fields {
                    map.insert(self.word(key), self.replace(field));
                }
                Value::Object(map)
            }
        }
    }

    fn word(&mut self, text: &str) -> String {
        if is_plain(text) {
            return text.into();
        }
        self.texts.push(text.into());
        format!("{}{}z", self.prefix, self.texts.len() - 1)
    }

    fn restore(&self, text: &str) -> String {
        let mut parts = text.split(&self.prefix);
        let mut out = String::from(parts.next().unwrap_or_default());
        for part in parts {
            let (number, rest) = part.split_once('z').unwrap_or(("", part));
            let hidden = number.parse().ok().and_then(|at: usize| self.texts.get(at));
            out.push_str(&quote(hidden.map_or("", String::as_str)));
            out.push_str(rest);
        }
        out
    }
}

/// A word that occurs nowhere in a value.
fn unused_word(value: &Value) -> String {
    let text = value.to_string();
    let mut word = String::from("quoted");
    while text.contains(&word) {
        word.push('q');
    }
    word
}

/// Whether the serializer's own style reads back: visible characters, and spaces and line ends only inside.
fn is_plain(text: &str) -> bool {
    let edge = |c: char| c == ' ' || c == '\n';
    let inside = text.chars().all(|c| c == '\n' || is_visible(c));
    inside
        && text != "<<"
        && text != "="
        && !text.starts_with(edge)
        && !text.trim_end_matches('\n').ends_with(edge)
        && !text.contains("\n ")
}

fn is_visible(c: char) -> bool {
    let code = u32::from(c);
    let blank = c.is_control() || (c.is_whitespace() && c != ' ');
    let hidden = matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{10ffff}'
    );
    !blank && !hidden && code & 0xfffe != 0xfffe
}

/// A double-quoted scalar (YAML 1.2, 5.7) on one line.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_visible(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let escape = if code > 0xffff {
                    write!(out, "\\U{code:08x}")
                } else {
                    write!(out, "\\u{code:04x}")
                };
                escape.unwrap_or_default();
            }
        }
    }
    out.push('"');
    out
}
