//! What a text looks like: the skeleton of UTS 39, by which look-alikes are equal.

use unicode_security::skeleton as uts39;

use super::fold::folded;

/// The text as it looks, in the case it is written in.
pub(super) fn skeleton(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        let (plain, other) = rest.split_at(end);
        for c in plain.chars() {
            ascii(c, &mut seen);
        }
        // What normalises or reorders never reaches across a character of ASCII.
        let end = other.find(|c: char| c.is_ascii()).unwrap_or(other.len());
        let (run, after) = other.split_at(end);
        seen.extend(uts39(run));
        rest = after;
    }
    seen
}

fn ascii(c: char, seen: &mut String) {
    match other_ascii(c) {
        Some(other) => seen.push_str(other),
        None => seen.push(c),
    }
}

/// What the table of confusables says of ASCII: these look like others of it.
const fn other_ascii(c: char) -> Option<&'static str> {
    match c {
        'm' => Some("rn"),
        '1' | 'I' | '|' => Some("l"),
        '0' => Some("O"),
        '"' => Some("''"),
        '`' => Some("'"),
        '%' => Some("°/₀"),
        _ => None,
    }
}

/// What the first character of a text looks like, as it is written and without case; none where it is not of ASCII.
pub(super) fn first_looks(text: &str) -> Option<[char; 2]> {
    let first = text.chars().next().filter(char::is_ascii)?;
    let look = |c| other_ascii(c).and_then(|other| other.chars().next()).unwrap_or(c);
    Some([look(first), look(first.to_ascii_lowercase())])
}

/// The ways in which a text may be taken for another: as it is written, without case, and with case taken off what it
/// looks like.
pub(super) fn looks(text: &str) -> [String; 3] {
    let text = folded(text);
    let as_written = skeleton(&text);
    let without_case = skeleton(&text.to_lowercase());
    let of_look = if text.is_ascii() {
        without_case.clone()
    } else {
        skeleton(&as_written.to_lowercase())
    };
    [as_written, without_case, of_look]
}

/// A text as it is compared by people who type: without case, compatible forms and double spaces.
pub(super) fn typed(text: &str) -> String {
    let text = folded(text).to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// A wording as it is looked for: what it looks like, without case and double spaces.
pub(super) fn wording(text: &str) -> String {
    skeleton(&typed(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_short_way_for_ascii_is_the_table_s() {
        for c in (0..128_u8).map(char::from) {
            let text = c.to_string();
            assert_eq!(skeleton(&text), uts39(&text).collect::<String>(), "{c:?}");
            let first: BTreeSet<char> = looks(&text)
                .iter()
                .filter_map(|look| look.chars().next())
                .collect();
            assert_eq!(first_looks(&text).map(BTreeSet::from), Some(first), "{c:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_is_the_long_one(text in "([a-z1I0|]|\\PC|[\u{300}-\u{330}]){0,40}") {
            proptest::prop_assert_eq!(skeleton(&text), uts39(&text).collect::<String>());
        }
    }
}
