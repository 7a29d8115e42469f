//! Payment card numbers.

use super::{Hit, tail};

/// ISO/IEC 7812-1: the lengths in use.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// Card numbers of the known networks whose Luhn digit (ISO/IEC 7812-1 annex B) holds: digits in one piece, or in
/// groups of three to six, as cards show them.
pub(super) fn find(text: &str) -> Vec<Hit> {
    let bytes = text.as_bytes();
    let groups = groups(bytes);
    let mut hits = Vec::new();
    let mut next = 0;
    while let Some((start, _)) = groups.get(next) {
        match longest(bytes, groups.get(next..).unwrap_or_default()) {
            Some((count, end, digits)) => {
                hits.push(Hit {
                    range: *start..end,
                    what: "a payment card number",
                    masked: format!("**** {}", tail(&digits, 4)),
                });
                next += count;
            }
            None => next += 1,
        }
    }
    hits
}

/// Every run of digits that no letter touches.
fn groups(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let word = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let digits = rest.iter().take(word).all(u8::is_ascii_digit);
        if word > 0 && digits {
            groups.push((at, at + word));
        }
        at += word.max(1);
    }
    groups
}

/// The longest card number that begins with the first group: how many groups, where it ends, and its digits.
fn longest(bytes: &[u8], groups: &[(usize, usize)]) -> Option<(usize, usize, String)> {
    let mut digits = String::new();
    let mut best = None;
    let mut last = None;
    for ((start, end), count) in groups.iter().zip(1..=6) {
        let length = end - start;
        if let Some(last) = last {
            let between = bytes.get(last..*start);
            let joined = matches!(between, Some([b' ' | b'-' | b'.' | b'_']));
            if !joined || !(3..=6).contains(&length) || digits.len() < 4 {
                break;
            }
        }
        if digits.len() + length > LONGEST {
            break;
        }
        digits.extend(bytes.get(*start..*end)?.iter().map(|byte| char::from(*byte)));
        last = Some(*end);
        if digits.len() >= SHORTEST && is_issued(&digits) && luhn::valid(&digits) {
            best = Some((count, *end, digits.clone()));
        }
    }
    best
}

/// Whether a network issues numbers that begin so, of this length (ISO/IEC 7812-2; the networks' published ranges).
fn is_issued(digits: &str) -> bool {
    let prefix = |most: usize| {
        digits
            .get(..most)
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
    };
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    match digits.len() {
        // Visa.
        13 | 16 | 19 if digits.starts_with('4') => true,
        // American Express.
        15 => matches!(two, 34 | 37),
        // Diners Club.
        14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39),
        // Mastercard.
        16 if matches!(two, 51..=55) || matches!(four, 2221..=2720) => true,
        // Discover, JCB, UnionPay, Maestro.
        16..=19 => {
            matches!(three, 644..=649)
                || matches!(two, 50 | 56..=58 | 62 | 63 | 65 | 67)
                || matches!(four, 6011 | 3528..=3589)
                || matches!(six, 622_126..=622_925)
        }
        _ => false,
    }
}
