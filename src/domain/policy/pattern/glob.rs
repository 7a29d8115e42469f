//! A segment of a pattern with `*` or `?` in it.

/// Part of a segment's form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::policy) enum Token {
    /// These characters.
    Text(String),
    /// `?`: one character.
    One,
    /// `*`: none or more characters.
    Many,
}

/// The form of one segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::policy) struct Glob(Vec<Token>);

impl Glob {
    pub(super) fn of(mut tokens: Vec<Token>) -> Self {
        // Within a segment `**` says no more than `*`.
        tokens.dedup_by(|a, b| *a == Token::Many && *b == Token::Many);
        Self(tokens)
    }
    /// `*`.
    pub(super) fn any() -> Self {
        Self(vec![Token::Many])
    }
    /// What every fitting name begins with; empty when that is open.
    pub(in crate::domain::policy) fn start(&self) -> &str {
        text(self.0.first())
    }
    /// What every fitting name ends with; empty when that is open.
    pub(in crate::domain::policy) fn end(&self) -> &str {
        text(self.0.last())
    }

    /// A name that fits, with this in place of every `*` and `?`.
    pub(in crate::domain::policy) fn example(&self, open: &str) -> String {
        let part = |token: &Token| match token {
            Token::Text(text) => text.clone(),
            Token::One => open.chars().take(1).collect(),
            Token::Many => open.to_owned(),
        };
        self.0.iter().map(part).collect()
    }

    /// Whether a name fits; goes back to the last `*` only, so at most tokens x characters steps.
    pub(in crate::domain::policy) fn fits(&self, name: &str) -> bool {
        let tokens = self.0.as_slice();
        let (mut at, mut rest) = (0, name);
        let mut star: Option<(usize, &str)> = None;
        loop {
            let left = match tokens.get(at) {
                Some(Token::Many) => {
                    if at + 1 == tokens.len() {
                        return true;
                    }
                    star = Some((at + 1, rest));
                    Some(rest)
                }
                Some(Token::Text(text)) => rest.strip_prefix(text.as_str()),
                Some(Token::One) => after_one(rest),
                None if rest.is_empty() => return true,
                None => None,
            };
            if let Some(left) = left {
                at += 1;
                rest = left;
                continue;
            }
            // The last `*` takes one character more.
            match star.and_then(|(token, from)| Some((token, after_one(from)?))) {
                Some((token, left)) => {
                    star = Some((token, left));
                    at = token;
                    rest = left;
                }
                None => return false,
            }
        }
    }
}

fn text(token: Option<&Token>) -> &str {
    match token {
        Some(Token::Text(text)) => text,
        Some(Token::One | Token::Many) | None => "",
    }
}

fn after_one(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}
