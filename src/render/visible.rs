//! Text in which every character can be seen: what hides, turns or piles up is shown as `\u{202e}`. INVARIANT i26.

use unicode_normalization::char::is_combining_mark;

use crate::domain::checks::text::hazard;

/// More marks than this on one letter are shown as escapes; no script in use needs more.
const MARKS: usize = 3;

/// One line: line ends and tabs are shown as `\n` and `\t`.
pub(super) fn line(text: &str) -> String {
    show(text, |c, out| match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        other => out.push(other),
    })
}

/// Several lines, kept as they are.
pub(super) fn lines(text: &str) -> String {
    show(text, |c, out| out.push(c))
}

fn show(text: &str, plain: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if hazard(c).is_some() || marks > MARKS {
            out.extend(c.escape_unicode());
        } else {
            plain(c, &mut out);
        }
    }
    out
}
