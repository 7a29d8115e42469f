//! Whether JSON stands in canonical form (RFC 8785) as it was written: what most values do whose fields are declared in order.

use memchr::memchr2;

/// The most digits of a number that surely is not beyond 2^53 - 1.
const SURE_DIGITS: usize = 15;

/// What a value stands in.
enum Within<'a> {
    Array,
    /// With the key before this place.
    Object(Option<&'a [u8]>),
}

/// Whether these bytes, which are JSON, surely are in canonical form without floats. It is cautious: `false` says nothing.
pub(super) fn is_canonical(json: &[u8]) -> bool {
    let mut within: Vec<Within<'_>> = Vec::new();
    let mut key_due = false;
    let mut rest = json;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'{' => {
                within.push(Within::Object(None));
                key_due = true;
            }
            b'[' => within.push(Within::Array),
            b'}' | b']' => {
                within.pop();
                key_due = false;
            }
            b',' => key_due = matches!(within.last(), Some(Within::Object(_))),
            b':' => {}
            b'"' => {
                let Some((text, behind)) = string(rest) else {
                    return false;
                };
                rest = behind;
                if key_due {
                    key_due = false;
                    let Some(Within::Object(before)) = within.last_mut() else {
                        return false;
                    };
                    if !sorts_plainly(text) || before.is_some_and(|before| before >= text) {
                        return false;
                    }
                    *before = Some(text);
                }
            }
            b'-' | b'0'..=b'9' => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (more, behind) = rest.split_at(digits);
                rest = behind;
                let (leading, count) = match first {
                    b'-' => (more.first(), digits),
                    digit => (Some(digit), digits.saturating_add(1)),
                };
                let zero = leading == Some(&b'0') && (*first == b'-' || count > 1);
                if zero
                    || count == 0
                    || count > SURE_DIGITS
                    || matches!(rest.first(), Some(b'.' | b'e' | b'E'))
                {
                    return false;
                }
            }
            letter if letter.is_ascii_lowercase() => {}
            _ => return false,
        }
    }
    true
}

/// What stands in a string before its end, and what comes behind it; none where something is escaped that may be written
/// in another way.
fn string(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = 0_usize;
    loop {
        let found = memchr2(b'"', b'\\', json.get(end..)?)?;
        end = end.checked_add(found)?;
        match json.get(end)? {
            b'"' => return Some((json.get(..end)?, json.get(end.checked_add(1)?..)?)),
            _ => match json.get(end.checked_add(1)?)? {
                b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => end = end.checked_add(2)?,
                _ => return None,
            },
        }
    }
}

/// Whether a key sorts by its bytes as RFC 8785 wants it, by UTF-16: from U+E000 on it may sort otherwise, and what is
/// escaped sorts as what it stands for.
fn sorts_plainly(key: &[u8]) -> bool {
    key.iter().all(|byte| *byte < 0xEE && *byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_written_otherwise_is_not_said_to_stand() {
        for json in [
            r#"{"a":1,"b":[true,null,-7,0,"\"\\\n"],"c":{}}"#,
            r#"{"a":{"z":1},"b":{"a":1}}"#,
            r#"[{"b":1},{"a":1}]"#,
            "999999999999999",
            "-1",
            r#""é""#,
            "{\"\":1,\"\u{d7ff}\":2}",
        ] {
            assert!(is_canonical(json.as_bytes()), "{json}");
        }
        for json in [
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"a":1}}"#,
            r#"[1,{"b":[],"a":1}]"#,
            r#"{"a":{},"b":1,"aa":1}"#,
            r#"{"a": 1}"#,
            "[1 ]",
            "1.5",
            "1e3",
            "1E3",
            "-0",
            "-0.0",
            "01",
            "-01",
            "9007199254740992",
            r#""\u0041""#,
            r#""\/""#,
            r#"{"\n":1,"a":1}"#,
            "{\"\u{e000}\":1}",
            "{\"\u{10000}\":1}",
        ] {
            assert!(!is_canonical(json.as_bytes()), "{json}");
        }
    }
}
