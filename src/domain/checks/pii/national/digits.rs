//! Check digits of national numbers; each takes letters and digits without separators, in upper case.

/// The digits of a number that has nothing else.
fn digits<const N: usize>(plain: &[u8]) -> Option<[u32; N]> {
    let plain: &[u8; N] = plain.try_into().ok()?;
    plain
        .iter()
        .all(u8::is_ascii_digit)
        .then(|| plain.map(|byte| u32::from(byte - b'0')))
}

fn number(plain: &[u8]) -> Option<u64> {
    std::str::from_utf8(plain)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// Whether a day and a month can be.
fn is_date(day: u64, month: u64) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

pub(super) fn steuer_id(plain: &[u8]) -> bool {
    let Some(digits) = digits::<11>(plain) else {
        return false;
    };
    let mut counts = [0_u32; 10];
    for digit in digits.iter().take(10) {
        if let Some(count) = counts.get_mut(*digit as usize) {
            *count += 1;
        }
    }
    // Of the first ten digits exactly one is there twice or three times.
    let doubled = counts.iter().filter(|count| matches!(count, 2 | 3)).count();
    let most = counts.iter().max().copied().unwrap_or(0);
    let check = digits.iter().take(10).fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        let sum = if sum == 0 { 10 } else { sum };
        sum * 2 % 11
    });
    digits.first() != Some(&0) && doubled == 1 && most <= 3 && digits.last() == Some(&((11 - check) % 10))
}

pub(super) fn bsn(plain: &[u8]) -> bool {
    digits::<9>(plain).is_some_and(|digits| {
        let sum = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2, 10]);
        // A weight of 10 is one of -1 modulo 11.
        sum > 0 && sum.is_multiple_of(11)
    })
}

pub(super) fn dni(plain: &[u8]) -> bool {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((letter, body)) = plain.split_last().filter(|(_, body)| body.len() == 8) else {
        return false;
    };
    let mut body = body.to_vec();
    if let Some(first) = body.first_mut() {
        *first = match *first {
            b'X' => b'0',
            b'Y' => b'1',
            b'Z' => b'2',
            other => other,
        };
    }
    number(&body).is_some_and(|number| LETTERS.get((number % 23) as usize) == Some(letter))
}

pub(super) fn codice_fiscale(plain: &[u8]) -> bool {
    /// Values of characters in odd places, `0` to `9` and `A` to `Z`.
    const ODD: [u32; 36] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12,
        14, 16, 10, 22, 25, 24, 23,
    ];
    let Some((check, body)) = plain.split_last().filter(|(_, body)| body.len() == 15) else {
        return false;
    };
    // A digit may be replaced by a letter where two people would have the same code.
    let shape = body.iter().zip(0..).all(|(byte, at)| match at {
        0..=5 | 8 | 11 => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte),
    });
    let month = body.get(8).is_some_and(|byte| b"ABCDEHLMPRST".contains(byte));
    let sum: u32 = body
        .iter()
        .zip(0..)
        .map(|(byte, at)| {
            let even = match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                _ => u32::from(byte.saturating_sub(b'A')),
            };
            let index = if byte.is_ascii_digit() { even } else { even + 10 };
            if at % 2 == 0 {
                ODD.get(index as usize).copied().unwrap_or(0)
            } else {
                even
            }
        })
        .sum();
    shape && month && u32::from(check.saturating_sub(b'A')) == sum % 26 && check.is_ascii_uppercase()
}

pub(super) fn nir(plain: &[u8]) -> bool {
    let (Some(body), Some(key)) = (plain.get(..13), plain.get(13..).and_then(number)) else {
        return false;
    };
    // Corsica: 2A counts as 19 and 2B as 18.
    let mut body = body.to_vec();
    for (letters, instead) in [(b"2A", b"19"), (b"2B", b"18")] {
        if let Some(department) = body.get_mut(5..7).filter(|department| department == letters) {
            department.copy_from_slice(instead);
        }
    }
    let sex = body
        .first()
        .is_some_and(|byte| matches!(byte, b'1' | b'2' | b'3' | b'4' | b'7' | b'8'));
    let month = body
        .get(3..5)
        .and_then(number)
        .is_some_and(|month| matches!(month, 1..=12 | 20..=42 | 50..=99));
    plain.len() == 15 && sex && month && number(&body).is_some_and(|number| 97 - number % 97 == key)
}

pub(super) fn pesel(plain: &[u8]) -> bool {
    let Some(digits) = digits::<11>(plain) else {
        return false;
    };
    let part = |range: std::ops::Range<usize>| plain.get(range).and_then(number).unwrap_or(0);
    let sum = weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    // The century is added to the month in steps of twenty.
    is_date(part(4..6), part(2..4) % 20) && sum.is_multiple_of(10)
}

pub(super) fn rijksregister(plain: &[u8]) -> bool {
    let (Some(body), Some(key)) = (plain.get(..9).and_then(number), plain.get(9..).and_then(number)) else {
        return false;
    };
    let month = plain.get(2..4).and_then(number).unwrap_or(99);
    let day = plain.get(4..6).and_then(number).unwrap_or(99);
    // From 2000 on a 2 stands in front; foreigners' months are raised by 20 or 40.
    plain.len() == 11
        && day <= 31
        && month % 20 <= 12
        && month < 60
        && (97 - body % 97 == key || 97 - (2_000_000_000 + body) % 97 == key)
}

pub(super) fn nhs(plain: &[u8]) -> bool {
    digits::<10>(plain).is_some_and(|digits| {
        let sum = weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
        sum > 0 && sum.is_multiple_of(11)
    })
}

pub(super) fn nino(plain: &[u8]) -> bool {
    let [a, b, body @ .., suffix] = plain else {
        return false;
    };
    let first = a.is_ascii_uppercase() && !b"DFIQUV".contains(a);
    let second = b.is_ascii_uppercase() && !b"DFIOQUV".contains(b);
    let unused = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[*a, *b]);
    first && second && !unused && body.len() == 6 && number(body).is_some() && (b'A'..=b'D').contains(suffix)
}

pub(super) fn ssn(plain: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| plain.get(range).and_then(number);
    let (Some(area), Some(group), Some(serial)) = (part(0..3), part(3..5), part(5..9)) else {
        return false;
    };
    plain.len() == 9 && !matches!(area, 0 | 666 | 900..) && group > 0 && serial > 0
}

pub(super) fn ahv(plain: &[u8]) -> bool {
    digits::<13>(plain).is_some_and(|digits| {
        plain.starts_with(b"756")
            && weighted(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
    })
}

pub(super) fn svnr(plain: &[u8]) -> bool {
    digits::<10>(plain).is_some_and(|digits| {
        let sum = weighted(&digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
        digits.first() != Some(&0) && digits.get(3) == Some(&(sum % 11))
    })
}

pub(super) fn nif(plain: &[u8]) -> bool {
    digits::<9>(plain).is_some_and(|digits| {
        let rest = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        let check = if rest < 2 { 0 } else { 11 - rest };
        matches!(digits.first(), Some(1..=3)) && digits.last() == Some(&check)
    })
}

pub(super) fn personnummer(plain: &[u8]) -> bool {
    let body = match plain.len() {
        10 => plain,
        12 if plain.starts_with(b"19") || plain.starts_with(b"20") => plain.get(2..).unwrap_or_default(),
        _ => return false,
    };
    let part = |range: std::ops::Range<usize>| body.get(range).and_then(number).unwrap_or(0);
    // Coordination numbers have 60 added to the day.
    let day = part(4..6);
    let day = if day > 60 { day - 60 } else { day };
    digits::<10>(body).is_some()
        && is_date(day, part(2..4))
        && std::str::from_utf8(body).is_ok_and(luhn::valid)
}

pub(super) fn hetu(plain: &[u8]) -> bool {
    const CHECKS: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    // The sign between date and number is a `-`, which is no letter, or a letter for another century.
    let (date, rest) = match plain.len() {
        10 => (plain.get(..6), plain.get(6..)),
        11 if plain.get(6).is_some_and(|sign| b"ABCDEFUVWXY".contains(sign)) => {
            (plain.get(..6), plain.get(7..))
        }
        _ => return false,
    };
    let (Some(date), Some(rest)) = (date, rest) else {
        return false;
    };
    let part = |range: std::ops::Range<usize>| date.get(range).and_then(number).unwrap_or(0);
    let Some((check, serial)) = rest.split_last() else {
        return false;
    };
    let all = number(&[date, serial].concat());
    is_date(part(0..2), part(2..4)) && all.is_some_and(|all| CHECKS.get((all % 31) as usize) == Some(check))
}

pub(super) fn fodselsnummer(plain: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| plain.get(range).and_then(number).unwrap_or(0);
    // D numbers have 40 added to the day, synthetic ones 80 to the month.
    let (day, month) = (part(0..2) % 40, part(2..4) % 80);
    digits::<11>(plain).is_some_and(|digits| {
        is_date(day, month)
            && weighted(&digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
            && weighted(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
    })
}

pub(super) fn cpr(plain: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| plain.get(range).and_then(number).unwrap_or(0);
    digits::<10>(plain).is_some() && is_date(part(0..2), part(2..4))
}

pub(super) fn pps(plain: &[u8]) -> bool {
    const LETTERS: &[u8] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let (Some(body), Some(letter)) = (plain.get(..7).and_then(digits::<7>), plain.get(7)) else {
        return false;
    };
    let second = match plain.get(8) {
        None | Some(b'W') => 0,
        Some(second @ b'A'..=b'I') => u32::from(second - b'A') + 1,
        Some(_) => return false,
    };
    let sum = weighted(&body, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second;
    plain.len() <= 9 && LETTERS.get((sum % 23) as usize) == Some(letter)
}

pub(super) fn cpf(plain: &[u8]) -> bool {
    let check = |sum: u32| if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
    digits::<11>(plain).is_some_and(|digits| {
        let alike = digits.iter().all(|digit| digits.first() == Some(digit));
        let first = check(weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
        let second = check(weighted(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
        !alike && digits.get(9) == Some(&first) && digits.get(10) == Some(&second)
    })
}

pub(super) fn sin(plain: &[u8]) -> bool {
    digits::<9>(plain).is_some()
        && !plain.starts_with(b"8")
        && std::str::from_utf8(plain).is_ok_and(luhn::valid)
}

pub(super) fn aadhaar(plain: &[u8]) -> bool {
    /// Verhoeff's permutation of digits by place.
    const PLACE: [[usize; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    /// The product in the dihedral group of the pentagon.
    const fn times(a: usize, b: usize) -> usize {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b) % 5,
            (false, true) => 5 + (a + 5 - b) % 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    digits::<12>(plain).is_some_and(|digits| {
        let check = digits.iter().rev().zip(0..).fold(0, |check, (digit, place)| {
            let row = PLACE.get(place % 8);
            let digit = row.and_then(|row| row.get(*digit as usize)).copied().unwrap_or(0);
            times(check, digit)
        });
        matches!(digits.first(), Some(2..=9)) && check == 0
    })
}

pub(super) fn resident_id(plain: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8] = b"10X98765432";
    let Some((check, body)) = plain.split_last() else {
        return false;
    };
    let part = |range: std::ops::Range<usize>| body.get(range).and_then(number).unwrap_or(0);
    digits::<17>(body).is_some_and(|digits| {
        is_date(part(12..14), part(10..12))
            && matches!(part(6..10), 1900..=2099)
            && CHECKS.get((weighted(&digits, &WEIGHTS) % 11) as usize) == Some(check)
    })
}
