//! The one YAML writer: readable, and read back as what was written.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Key, Kind, Node, SourceFile, read_tree, read_value, serialise};

/// Why a value can't be written as YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not writable as YAML: {0}")]
pub struct WriteError(String);

/// Writes a value as YAML that [`read_value`] reads back equal, with everything invisible escaped. Errors: what the
/// reader would refuse, such as deep nesting or a key of more than 1,000 characters.
///
/// `order`: how the fields at a place (dotted; a list's items have the place of the list) follow each other; others keep
/// the order of their type behind those.
pub fn write_yaml<T: Serialize>(value: &T, order: &[(&str, &[&str])]) -> Result<String, WriteError> {
    let json = serde_json::to_string(value).map_err(|error| WriteError(error.to_string()))?;
    // Through text, so that fields keep the order of their type.
    let node =
        read_tree(&SourceFile::new("value.json", &*json)).map_err(|error| WriteError(error.to_string()))?;
    let mut quoted = Quoted {
        prefix: unused_word(&json),
        texts: Vec::new(),
    };
    let plain = quoted.replace(&ordered(&node, "", order));
    let text = serialise(&plain).map_err(WriteError)?;
    let text = quoted.restore(&text);
    match read_value(&SourceFile::new("written.yaml", &*text)) {
        Ok(read) if read == node.to_value() => Ok(text),
        Ok(_) => Err(WriteError("it would be read as another value".into())),
        Err(error) => Err(WriteError(error.to_string())),
    }
}

fn ordered(node: &Node, at: &str, order: &[(&str, &[&str])]) -> Node {
    let kind = match node.kind() {
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => node.kind().clone(),
        Kind::List(items) => Kind::List(items.iter().map(|item| ordered(item, at, order)).collect()),
        Kind::Map(entries) => {
            let first = order.iter().find(|(place, _)| *place == at);
            let first = first.map_or(&[][..], |(_, names)| names);
            let place = |key: &Key| first.iter().position(|name| *name == key.text());
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| place(key).unwrap_or(first.len()));
            let inner = |key: &Key| match at {
                "" => key.text().to_owned(),
                _ => format!("{at}.{}", key.text()),
            };
            let one = |(key, node): &(Key, Node)| (key.clone(), ordered(node, &inner(key), order));
            Kind::Map(entries.into_iter().map(one).collect())
        }
    };
    Node::new(None, kind)
}

/// Texts that the serializer does not write so that they read back; they go in as words and come out quoted.
struct Quoted {
    prefix: String,
    texts: Vec<String>,
}

impl Quoted {
    fn replace(&mut self, node: &Node) -> Node {
        let kind = match node.kind() {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => node.kind().clone(),
            Kind::Text(text) => Kind::Text(self.word(text)),
            Kind::List(items) => Kind::List(items.iter().map(|item| self.replace(item)).collect()),
            Kind::Map(entries) => Kind::Map(
                entries
                    .iter()
                    .map(|(key, node)| (Key::new(None, self.word(key.text())), self.replace(node)))
                    .collect(),
            ),
        };
        Node::new(None, kind)
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

/// A word that occurs nowhere in a text.
fn unused_word(text: &str) -> String {
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

/// Whether a character shows itself: not a control, not a blank other than a space, not invisible, bidirectional,
/// private or unassignable.
pub fn is_visible(c: char) -> bool {
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
