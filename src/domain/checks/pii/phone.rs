//! Telephone numbers.

use super::{Hit, tail};

/// ITU-T E.164 6.1: the most digits of an international number; shorter ones are no subscriber's.
const LONGEST: usize = 15;
const SHORTEST: usize = 8;
/// The fewest digits where a word says that it is a telephone number.
const NAMED: usize = 6;

/// Words of field names and in front of numbers that say so.
const WORDS: &[&str] = &[
    "phone",
    "telefon",
    "telephone",
    "téléphone",
    "teléfono",
    "mobile",
    "mobil",
    "handy",
    "cell",
    "fax",
    "tel",
    "whatsapp",
];

/// Numbers with their country's code (`+49 30 ...`, `0049 30 ...`), and national ones where a word says that they are.
///
/// A number is told by its shape alone: one with a slip of the pen is as personal as the right one.
pub(super) fn find(text: &str, field: Option<&str>) -> Vec<Hit> {
    let bytes = text.as_bytes();
    let named = field.is_some_and(|name| WORDS.iter().any(|word| name.contains(word)));
    let mut hits = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let begins = matches!(byte, b'+' | b'(' | b'0'..=b'9')
            && before.is_none_or(|byte| {
                !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'.' | b'_' | b'-')
            });
        if !begins {
            at += 1;
            continue;
        }
        let (end, digits) = number(bytes, at);
        if is_phone(*byte, &digits, || named || says_phone(text, at)) {
            hits.push(Hit {
                range: at..end,
                what: "a telephone number",
                masked: masked(*byte, &digits),
            });
        }
        at = end.max(at + 1);
    }
    hits
}

/// The digits from a place on, and where they end; brackets and single separators between them are left out.
fn number(bytes: &[u8], start: usize) -> (usize, String) {
    let mut digits = String::new();
    let (mut at, mut end) = (start, start);
    let mut joined = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                if digits.len() <= LONGEST + 2 {
                    digits.push(char::from(*byte));
                }
                joined = 0;
                end = at + 1;
            }
            b'+' if at == start => {}
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' if joined < 3 => joined += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'@' if joined == 0 => return (at, String::new()),
            _ => break,
        }
        at += 1;
    }
    (end, digits)
}

fn is_phone(first: u8, digits: &str, named: impl Fn() -> bool) -> bool {
    let international = match first {
        b'+' => Some(digits),
        _ => digits.strip_prefix("00"),
    };
    match international {
        Some(number) if (SHORTEST..=LONGEST).contains(&number.len()) && has_country(number) => true,
        _ => (NAMED..=LONGEST).contains(&digits.len()) && named(),
    }
}

/// Whether a word right before says that a telephone number follows.
fn says_phone(text: &str, at: usize) -> bool {
    let from = (at.saturating_sub(24)..=at)
        .find(|from| text.is_char_boundary(*from))
        .unwrap_or(at);
    let before = text.get(from..at).unwrap_or_default().to_lowercase();
    before
        .split(|c: char| !c.is_alphabetic())
        .any(|word| WORDS.contains(&word))
}

/// The country codes that are assigned (ITU-T E.164, list of assigned country codes).
fn has_country(number: &str) -> bool {
    let code = |most: usize| {
        number
            .get(..most)
            .and_then(|text| text.parse::<u16>().ok())
            .unwrap_or(0)
    };
    matches!(code(1), 1 | 7)
        || matches!(
            code(2),
            20 | 27 | 30..=34 | 36 | 39 | 40 | 41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98
        )
        || matches!(
            code(3),
            211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299 | 350..=359 | 370..=383
                | 385..=387 | 389 | 420 | 421 | 423 | 500..=509 | 590..=599 | 670 | 672..=679 | 680..=683
                | 685..=692 | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888
                | 960..=968 | 970..=977 | 979 | 992..=996 | 998
        )
}

/// Two digits in front of an international number, and the last two.
fn masked(first: u8, digits: &str) -> String {
    let front = match first {
        b'+' => digits.get(..2).map(|code| format!("+{code} ")),
        _ => None,
    };
    format!("{}*** **{}", front.unwrap_or_default(), tail(digits, 2))
}
