//! One line of plain text for titles, commit messages and summaries, where nothing can be fenced: what GitHub would
//! take for a mention, a reference, a link, an emoji or an order to its runners is broken up where everybody sees it.

use super::visible;

/// The text in one line, harmless wherever GitHub shows plain text. Doing it twice changes nothing more.
pub(super) fn plain(text: &str) -> String {
    let shown = visible::line(text.trim());
    let chars: Vec<char> = shown.chars().collect();
    let mut out = String::with_capacity(shown.len());
    for (at, c) in chars.iter().enumerate() {
        let (before, after) = chars.split_at(at);
        let after = after.get(1..).unwrap_or_default();
        if speaks(*c, before, after) {
            out.extend(c.escape_unicode());
        } else {
            out.push(*c);
        }
    }
    out
}

/// Whether GitHub would do more with a character than show it.
fn speaks(c: char, before: &[char], after: &[char]) -> bool {
    match c {
        '`' => true,
        '@' => {
            let word = before.last().is_some_and(char::is_ascii_alphanumeric);
            let next = after.first().is_some_and(char::is_ascii_alphanumeric);
            next && (!word || hex_run(after) >= 7)
        }
        '#' => after.first().is_some_and(char::is_ascii_digit),
        '-' => ends_with(before, "gh") && after.first().is_some_and(char::is_ascii_digit),
        ':' => starts_with(after, "//") || is_emoji(after),
        '[' => is_order(after),
        _ => false,
    }
}

fn hex_run(chars: &[char]) -> usize {
    chars.iter().take_while(|c| c.is_ascii_hexdigit()).count()
}

fn starts_with(chars: &[char], text: &str) -> bool {
    let mut chars = chars.iter();
    text.chars()
        .all(|c| chars.next().is_some_and(|have| have.eq_ignore_ascii_case(&c)))
}

fn ends_with(chars: &[char], text: &str) -> bool {
    let mut chars = chars.iter().rev();
    text.chars()
        .rev()
        .all(|c| chars.next().is_some_and(|have| have.eq_ignore_ascii_case(&c)))
}

/// `smile:` after its first colon.
fn is_emoji(after: &[char]) -> bool {
    let name = after
        .iter()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-'))
        .count();
    name > 0 && after.get(name) == Some(&':')
}

/// `skip ci]` and its kin after the bracket: a commit message that holds one keeps workflows from running.
fn is_order(after: &[char]) -> bool {
    let inner: String = after.iter().take_while(|c| **c != ']').take(40).collect();
    let inner = inner.to_ascii_lowercase();
    inner.contains("skip") || inner.contains("no ci")
}

/// The same text in at most `max` characters, marked with `…`: shortened at a word, unless that would lose half of it.
pub(super) fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let room: String = text.chars().take(max.saturating_sub(1)).collect();
    let at_word = match room.rsplit_once(' ') {
        Some((words, _)) if words.chars().count() * 2 >= max => words,
        Some(_) | None => &room,
    };
    let kept = at_word.trim_end_matches([',', ';', ':', '-', '(', '"', ' ']);
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i26_plain_text_says_nothing_to_github() {
        for (text, shown) in [
            ("Pay ACME 12,500.00 EUR", "Pay ACME 12,500.00 EUR"),
            ("to @alice", "to \\u{40}alice"),
            ("_@alice_", "_\\u{40}alice_"),
            ("to a@b.example", "to a@b.example"),
            ("o/r@0123456abc", "o/r\\u{40}0123456abc"),
            ("fixes #12", "fixes \\u{23}12"),
            ("closes GH-12", "closes GH\\u{2d}12"),
            ("see https://evil.example/1", "see https\\u{3a}//evil.example/1"),
            ("at 12:30", "at 12:30"),
            ("nice :smile: day", "nice \\u{3a}smile: day"),
            ("`x`", "\\u{60}x\\u{60}"),
            ("x [skip ci]", "x \\u{5b}skip ci]"),
            ("a\nApproved-By: bob", "a\\nApproved-By: bob"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
        ] {
            assert_eq!(plain(text), shown);
            assert_eq!(plain(shown), shown, "twice");
        }
    }

    #[test]
    fn a_line_is_shortened_at_a_word() {
        assert_eq!(shorten("one two three", 13), "one two three");
        assert_eq!(shorten("one two three", 12), "one two…");
        assert_eq!(shorten("one two, three", 12), "one two…");
        assert_eq!(shorten("abcdefghij", 5), "abcd…");
    }
}
