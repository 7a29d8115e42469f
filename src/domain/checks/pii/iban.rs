//! International bank account numbers.

use super::{Hit, tail};

/// ISO 13616: the longest, and the shortest in the registry (Norway).
const LONGEST: usize = 34;
const SHORTEST: usize = 15;

/// IBANs in electronic or paper form, in upper or lower case, whose checksum (ISO 7064 MOD 97-10) and country format
/// hold.
pub(super) fn find(text: &str) -> Vec<Hit> {
    let bytes = text.as_bytes();
    let mut hits = Vec::new();
    let mut from = 0;
    while let Some(start) = next_start(bytes, from) {
        match number(text, start) {
            Some((end, found)) => {
                hits.push(Hit {
                    range: start..end,
                    what: "an IBAN",
                    masked: format!("{}** **** **{}", found.get(..2).unwrap_or("**"), tail(&found, 2)),
                });
                from = end;
            }
            None => from = start + 1,
        }
    }
    hits
}

/// Where two letters and two digits begin a word, or follow the word `IBAN` without a space.
fn next_start(bytes: &[u8], from: usize) -> Option<usize> {
    let head = |at: usize| match bytes.get(at..at + 4) {
        Some([a, b, c, d]) => {
            a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit()
        }
        Some(_) | None => false,
    };
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let named = at
            .checked_sub(4)
            .and_then(|word| bytes.get(word..at))
            .is_some_and(|word| word.eq_ignore_ascii_case(b"iban"));
        named || before.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    (from..bytes.len()).find(|at| head(*at) && begins(*at))
}

/// The number that begins at a place, with its end: the longest that holds.
fn number(text: &str, start: usize) -> Option<(usize, String)> {
    let bytes = text.as_bytes();
    let mut plain = String::new();
    let mut best = None;
    let mut at = start;
    // The checksum of what follows the first four characters, carried along.
    let mut rest = 0_u32;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_alphanumeric() {
            if plain.len() == LONGEST {
                break;
            }
            let byte = byte.to_ascii_uppercase();
            if plain.len() >= 4 {
                rest = carried(rest, byte);
            }
            plain.push(char::from(byte));
            at += 1;
            let ends = bytes.get(at).is_none_or(|next| !next.is_ascii_alphanumeric());
            let holds = || plain.bytes().take(4).fold(rest, carried) == 1;
            if ends && plain.len() >= SHORTEST && holds() && plain.parse::<iban::Iban>().is_ok() {
                best = Some((at, plain.clone()));
            }
        } else if matches!(byte, b' ' | b'-' | b'.')
            && bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
        {
            at += 1;
        } else {
            break;
        }
    }
    best
}

fn carried(rest: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    }
}
