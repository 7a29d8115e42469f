//! The rules of a module by their heads: which give findings, and which nothing reads.

use std::collections::BTreeSet;

use super::passed_over;
use crate::domain::source::nearest;

/// The names of rules that give findings, alone or before `_` and a suffix.
const GIVES: [&str; 3] = ["deny", "violation", "warn"];
/// Words after which an expression goes on, on the next line too.
const GOES_ON: [&str; 10] = [
    "if", "in", "not", "some", "every", "contains", "as", "with", "import", "package",
];

/// A name where a rule's head may begin, indented or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head<'t> {
    pub(super) name: &'t str,
    /// In bytes.
    pub(super) at: usize,
}

/// Where rules' heads may begin, each name once, in the order of the module, and every name that something reads.
#[derive(Debug, Default)]
pub(super) struct Heads<'t> {
    pub(super) heads: Vec<Head<'t>>,
    read: BTreeSet<&'t str>,
}

impl<'t> Heads<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut all = Self::default();
        let (mut at, mut depth) = (0, 0_usize);
        // What a line begins after: whether an expression goes on, and whether this one has begun.
        let (mut goes_on, mut begun) = (false, false);
        while let Some(byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = match byte {
                byte if byte.is_ascii_alphabetic() || *byte == b'_' => {
                    let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'.');
                    let length = rest.iter().take_while(in_name).count();
                    let name = text.get(at..at + length).unwrap_or_default();
                    all.name(name, at, depth == 0 && !begun && !goes_on);
                    // After `default` stands the head.
                    begun = name != "default";
                    goes_on = GOES_ON.contains(&name);
                    length
                }
                b'\n' => {
                    begun = false;
                    1
                }
                b' ' | b'\t' | b'\r' => 1,
                b'#' => passed_over(rest),
                byte => {
                    match byte {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    begun = true;
                    goes_on = !matches!(byte, b')' | b']' | b'}' | b'"' | b'`' | b'0'..=b'9');
                    passed_over(rest)
                }
            };
            at += length.max(1);
        }
        all
    }

    fn name(&mut self, name: &'t str, at: usize, is_head: bool) {
        let mut parts = name.split('.');
        let root = parts.next().unwrap_or_default();
        if !is_head {
            self.read.insert(root);
            if root == "data" {
                self.read.extend(parts);
            }
        } else if !matches!(root, "package" | "import" | "default" | "else")
            && !self.heads.iter().any(|head| head.name == root)
        {
            self.heads.push(Head { name: root, at });
        }
    }

    pub(super) fn is_read(&self, name: &str) -> bool {
        self.read.contains(name)
    }
}

/// Whether a rule of this name gives findings.
pub(super) fn gives(name: &str) -> bool {
    GIVES.iter().any(|word| {
        name.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

/// The name that its author most likely meant.
pub(super) fn meant(name: &str) -> Option<String> {
    let (word, suffix) = name.split_at(name.find('_').unwrap_or(name.len()));
    let near = nearest(word, GIVES)?;
    Some(format!("{near}{suffix}"))
}
