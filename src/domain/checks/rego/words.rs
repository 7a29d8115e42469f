//! A Rego module as names and brackets, without its comments and texts.

/// One part of a module that bounds are kept on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'t> {
    /// A name with its fields, as in `input.items`.
    Name {
        /// As written.
        text: &'t str,
        /// Its first byte.
        at: usize,
        /// Whether `(` follows.
        called: bool,
    },
    /// `[` or `{`, and its byte.
    Open(usize),
    /// `]` or `}`.
    Close,
}

impl<'t> Word<'t> {
    /// A name up to its first field.
    pub(super) fn root(&self) -> Option<&'t str> {
        match self {
            Self::Name { text, .. } => text.split('.').next(),
            Self::Open(_) | Self::Close => None,
        }
    }
}

/// Every word of a module, in order.
pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    let bytes = text.as_bytes();
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match byte {
            b'#' => at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            b'"' => at += quoted(rest),
            b'`' => {
                at += 1 + rest
                    .iter()
                    .skip(1)
                    .position(|byte| *byte == b'`')
                    .map_or(rest.len(), |end| end + 1)
            }
            // A field after a bracket, as in `item["a"].b`, is no name of its own; neither are digits after a dot.
            b'.' => at += rest.iter().take_while(|byte| in_name(byte)).count(),
            byte if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let length = rest.iter().take_while(|byte| in_name(byte)).count();
                let name = text.get(at..at + length).unwrap_or_default();
                found.push(Word::Name {
                    text: name,
                    at,
                    called: rest.get(length) == Some(&b'('),
                });
                at += length;
            }
            b'[' | b'{' => {
                found.push(Word::Open(at));
                at += 1;
            }
            b']' | b'}' => {
                found.push(Word::Close);
                at += 1;
            }
            _ => at += 1,
        }
    }
    found
}

/// How many bytes a text in double quotes takes.
fn quoted(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|byte| {
        let ends = !escaped && matches!(byte, b'"' | b'\n');
        escaped = !escaped && *byte == b'\\';
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}
