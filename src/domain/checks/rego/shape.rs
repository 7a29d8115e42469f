//! What the parser of Rego can't read in time or without running over its stack, found before it reads anything.

use super::passed_over;

/// The most that brackets may cost, each two to the power of its depth: the parser tries what stands in one twice.
const MAX_NESTING: u32 = 1 << 16;
/// The most operators, fields and places in one expression, with what stands in its brackets: each is a step deeper for
/// whoever reads its tree.
const MAX_CHAIN: u32 = 256;
/// The most expressions in one body, and of values in one list.
const MAX_PARTS: u32 = 1_000;

/// What stands between two brackets.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    chain: u32,
    /// The longest chain so far.
    longest: u32,
    parts: u32,
}

impl Level {
    fn step(&mut self, steps: u32) {
        self.chain = self.chain.saturating_add(steps);
        self.longest = self.longest.max(self.chain);
    }
}

/// The first place that is too deep or too long, and what to do about it.
pub(super) fn refused(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut levels = vec![Level::default()];
    let (mut at, mut cost, mut before) = (0, 0_u32, b'\n');
    // What follows a run of space and comments, looked up once for all its lines.
    let mut after = (0, b'\n');
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let depth = u32::try_from(levels.len()).unwrap_or(u32::MAX);
        let level = levels.last_mut()?;
        let length = match byte {
            b'[' | b'{' | b'(' => {
                cost = cost.saturating_add(1_u32.checked_shl(depth - 1).unwrap_or(u32::MAX));
                level.step(1);
                levels.push(Level::default());
                1
            }
            b']' | b'}' | b')' => {
                // A bracket too many is the parser's to name.
                if levels.len() > 1 {
                    let inside = levels.pop().unwrap_or_default().longest;
                    levels.last_mut()?.step(inside);
                }
                1
            }
            b',' | b';' => {
                level.chain = 0;
                level.parts += 1;
                1
            }
            b'\n' => {
                if at >= after.0 {
                    after = next(bytes, at);
                }
                if before != b'\n' && !continues(before) && !continues(after.1) {
                    level.chain = 0;
                    // On the outside stand rules, each a body of its own.
                    level.parts += u32::from(depth > 1);
                    before = b'\n';
                }
                1
            }
            byte if is_operator(*byte) => {
                level.step(1);
                1
            }
            byte if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let word = rest.iter().take_while(|byte| is_word(**byte)).count();
                // `in` is an operator in letters; so is `else`, which hangs one body on another.
                level.step(u32::from(matches!(rest.get(..word), Some(b"in" | b"else"))));
                word
            }
            _ => passed_over(rest),
        };
        if cost > MAX_NESTING {
            return Some((
                at,
                "brackets nested too deep, or too many of them deep; flatten the module",
            ));
        }
        let level = levels.last().copied().unwrap_or_default();
        if level.chain > MAX_CHAIN {
            return Some((at, "an expression of more than 256 steps; split it"));
        }
        if level.parts > MAX_PARTS {
            return Some((
                at,
                "more than 1000 expressions or values in one bracket; split them",
            ));
        }
        if !byte.is_ascii_whitespace() && *byte != b'#' {
            let last = at + length.saturating_sub(1);
            before = bytes.get(last).copied().unwrap_or(*byte);
        }
        at += length;
    }
    None
}

/// The next byte that is neither space nor comment, and its place.
fn next(bytes: &[u8], mut at: usize) -> (usize, u8) {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += match rest.first() {
            Some(b'#') => passed_over(rest),
            Some(byte) if byte.is_ascii_whitespace() => 1,
            Some(byte) => return (at, *byte),
            None => return (at, b'\n'),
        };
    }
}

/// Whether an expression goes on before or after a byte, whatever lines say.
fn continues(byte: u8) -> bool {
    is_operator(byte) || matches!(byte, b'[' | b'(')
}

const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'<' | b'>' | b'=' | b'!' | b':' | b'.'
    )
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
