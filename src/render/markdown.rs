//! Markdown that the program wrote, with everything else quoted. INVARIANT i26.
//!
//! A [`Markdown`] is made of the program's own words, which are `&'static str`, and of text that went through one of
//! three ways of quoting: [`Markdown::prose`], [`Markdown::code`] and [`Markdown::fenced`]. There is no way to put
//! other text into it, and the template engine quotes every value that is not one.

use minijinja::Value;
use serde::{Serialize, Serializer};

use super::visible;
use crate::domain::ids::{Login, PullNumber, Span, TeamName, Timestamp};

/// Runs of backticks longer than this are shown as escapes inside a code span.
const BACKTICKS: usize = 3;

/// A piece of Markdown that is safe to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markdown(String);

impl Markdown {
    /// The program's own words.
    pub(super) fn ours(text: &'static str) -> Self {
        Self(text.to_owned())
    }
    /// A line of anybody's text: plain words as they are, every other word as code.
    pub(super) fn prose(text: &str) -> Self {
        Self(prose(text))
    }
    /// Anybody's text, exactly, in one line.
    pub(super) fn code(text: &str) -> Self {
        Self(code(text))
    }
    /// Anybody's text, exactly, line by line.
    pub(super) fn fenced(text: &str) -> Self {
        Self(fenced(text))
    }
    /// A number with its thousands apart.
    pub(super) fn count(number: u64) -> Self {
        Self(crate::domain::money::grouped(number))
    }
    /// A moment, to the minute.
    pub(super) fn time(at: Timestamp) -> Self {
        Self(at.for_people())
    }
    /// A length of time: `24 hours`, `30 days`.
    pub(super) fn span(span: Span) -> Self {
        const UNITS: [(i64, &str); 3] = [(3_600, "hour"), (60, "minute"), (1, "second")];
        let seconds = span.millis() / 1_000;
        let (count, unit) = if seconds > 2 * 86_400 && seconds % 86_400 == 0 {
            (seconds / 86_400, "day")
        } else {
            UNITS
                .into_iter()
                .find(|(unit, _)| seconds % unit == 0 && seconds >= *unit)
                .map_or((seconds, "second"), |(unit, name)| (seconds / unit, name))
        };
        Self(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
    }
    /// A person, whom GitHub tells of it. Only for people of the policy.
    pub(super) fn mention(login: &Login) -> Self {
        Self(format!("@{login}"))
    }
    /// A team, whose members GitHub tells of it. Only for teams of the policy.
    pub(super) fn mention_team(organization: &Login, team: &TeamName) -> Self {
        Self(format!("@{organization}/{team}"))
    }
    /// A pull request of this repository, as GitHub links it.
    pub(super) fn pull(number: PullNumber) -> Self {
        Self(format!("#{number}"))
    }
    /// Followed by the program's own words.
    #[must_use]
    pub(super) fn and(mut self, text: &'static str) -> Self {
        self.0.push_str(text);
        self
    }
    /// Followed by another piece.
    #[must_use]
    pub(super) fn then(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }
    /// Pieces with the program's own words between them.
    pub(super) fn joined(pieces: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            if !all.0.is_empty() {
                all.0.push_str(between);
            }
            all.0.push_str(&piece.0);
        }
        all
    }
    /// The first pieces, and how many more there are.
    pub(super) fn some_of(
        pieces: impl ExactSizeIterator<Item = Self>,
        most: usize,
        between: &'static str,
    ) -> Self {
        let more = pieces.len().saturating_sub(most);
        let shown = Self::joined(pieces.take(most), between);
        if more == 0 {
            return shown;
        }
        let more = Self::count(u64::try_from(more).unwrap_or(u64::MAX));
        shown.and(" and ").then(&more).and(" more")
    }
    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Only inside the template engine does it stay marked as safe; anywhere else it is text like any other.
impl Serialize for Markdown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Value::from_safe_string(self.0.clone()).serialize(to)
    }
}

/// Words that can mean nothing but themselves stay; all others become code, where GitHub does nothing with them. A
/// pair of backticks around words is kept as the code it was meant to be.
fn prose(text: &str) -> String {
    let text = visible::line(text.trim());
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(' ') {
            out.push(' ');
            rest = after;
            continue;
        }
        if let Some((quoted, after)) = quoted(rest) {
            out.push_str(&code(quoted));
            let tail = after.find(' ').unwrap_or(after.len());
            let (tail, after) = after.split_at(tail);
            out.push_str(tail);
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        if harmless(word, out.is_empty()) {
            out.push_str(word);
        } else {
            out.push_str(&code(word));
        }
        rest = after;
    }
    out
}

/// `` `some words` `` at the start, followed by nothing but the end of a word.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (inner, after) = text.strip_prefix('`')?.split_once('`')?;
    let end = after.split(' ').next().unwrap_or_default();
    let closes = end.chars().all(|c| matches!(c, '.' | ',' | ';' | ':' | ')'));
    (closes && !inner.trim().is_empty()).then_some((inner, after))
}

/// Whether neither Markdown nor GitHub would do anything with a word but show it.
fn harmless(word: &str, first: bool) -> bool {
    if matches!(word, "-" | "+" | "/") {
        return !first;
    }
    if first && is_list_marker(word) {
        return false;
    }
    let mut chars = word.chars();
    let opens = |c: char| c.is_alphanumeric() || "(\"'‘“€£¥…•·–—×".contains(c);
    let inside = |c: char| c.is_alphanumeric() || ".,;!?'\"()%/+-–—’‘“”€£¥…•·×".contains(c);
    let body = word.strip_suffix(':').unwrap_or(word);
    chars.next().is_some_and(opens)
        && body.chars().all(|c| inside(c) || c == '_')
        && !has_loose_underscore(body)
        && !word.to_ascii_lowercase().contains("www.")
        && !has_reference(word)
}

/// An underscore that does not stand between letters or digits, where alone it can't emphasise.
fn has_loose_underscore(word: &str) -> bool {
    let mut parts = word.split('_').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if !first && !edge(part.chars().next()) || !last && !edge(part.chars().next_back()) {
            return true;
        }
        first = false;
    }
    false
}

fn is_list_marker(word: &str) -> bool {
    word.strip_suffix(['.', ')'])
        .is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

/// A commit's id, or a prefix and a number that the repository may link.
fn has_reference(word: &str) -> bool {
    let commit = word
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|run| (7..=64).contains(&run.len()) && run.bytes().all(|b| b.is_ascii_hexdigit()));
    let numbered = word.split_once('-').is_some_and(|(before, after)| {
        before.ends_with(|c: char| c.is_ascii_alphabetic()) && after.starts_with(|c: char| c.is_ascii_digit())
    });
    commit || numbered
}

/// A code span that no backtick inside can close and no table cell can split.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let mut inner = String::with_capacity(text.len());
    let longest = longest_run(text, '`');
    for c in visible::line(text).chars() {
        match c {
            '|' => inner.extend(c.escape_unicode()),
            '`' if longest > BACKTICKS => inner.extend(c.escape_unicode()),
            other => inner.push(other),
        }
    }
    let ticks = "`".repeat(longest_run(&inner, '`') + 1);
    let edge = |c: char| matches!(c, '`' | ' ' | '$');
    let pad = if inner.starts_with(edge) || inner.ends_with(edge) {
        " "
    } else {
        ""
    };
    if inner.chars().all(|c| c == ' ') {
        return format!("({} spaces)", inner.len());
    }
    format!("{ticks}{pad}{inner}{pad}{ticks}")
}

/// A block that no line inside can close.
fn fenced(text: &str) -> String {
    let text = visible::lines(text);
    let fence = "`".repeat(longest_run(&text, '`').max(longest_run(&text, '~')).max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}text\n{text}{end}{fence}")
}

fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i26_plain_words_stay_and_others_become_code() {
        for (text, shown) in [
            ("Pay ACME Ltd 12,500.00 EUR", "Pay ACME Ltd 12,500.00 EUR"),
            ("Pay @alice now", "Pay `@alice` now"),
            ("fixes #1", "fixes `#1`"),
            ("INV-2041 and 0123456789", "`INV-2041` and `0123456789`"),
            ("no action `x.y`; did you", "no action `x.y`; did you"),
            ("a `b` c`d", "a `b` ``c`d``"),
            ("supplier_id a__b _c_ d_", "supplier_id `a__b` `_c_` `d_`"),
            ("1. first", "`1.` first"),
            ("- first - second", "`-` first - second"),
            ("<b>x</b> **y**", "`<b>x</b>` `**y**`"),
            ("see www.evil.example", "see `www.evil.example`"),
            (":smile: at 12: x", "`:smile:` at 12: x"),
            ("a|b", "`a\\u{7c}b`"),
            ("`", "`` ` ``"),
            ("``x``y", "``` ``x``y ```"),
            ("two\nlines", "`two\\nlines`"),
        ] {
            assert_eq!(prose(text), shown);
        }
    }

    #[test]
    fn i26_a_fence_is_longer_than_any_inside() {
        assert_eq!(fenced("a"), "```text\na\n```");
        assert_eq!(fenced("```\n# x\n~~~~\n"), "`````text\n```\n# x\n~~~~\n`````");
    }

    #[test]
    fn i26_code_is_never_closed_from_inside() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("````"), "`\\u{60}\\u{60}\\u{60}\\u{60}`");
        assert_eq!(code("  "), "(2 spaces)");
        assert_eq!(code("$x$"), "` $x$ `");
        assert_eq!(code(""), "(empty)");
    }
}
