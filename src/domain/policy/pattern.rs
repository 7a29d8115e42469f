//! One path pattern of CODEOWNERS.

/// A pattern as GitHub reads it: `*` and `?` stay within a segment, `**` crosses segments, a leading `/` or a `/` in
/// the middle roots it, a trailing `/` means everything below, and a name also means everything below it. A last
/// segment that is only `*` is one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Whether what lies below a match matches too.
    below: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**` before the end: none or more segments.
    Any,
    /// `**` at the end: one or more segments.
    Rest,
    Name(Vec<Token>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
}

impl Pattern {
    /// Reads a pattern; the error says what GitHub does not support in it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with('!') {
            return Err("`!` is not supported; list what is owned instead");
        }
        if text.starts_with("\\#") {
            return Err(
                "a pattern can't begin with `#`, escaped or not; rename the file or match it with `?`",
            );
        }
        if text.contains(['[', ']']) {
            return Err("character ranges `[ ]` are not supported; write one line for each");
        }
        if text.contains("***") {
            return Err("`***` is not a pattern; write `**` or `*`");
        }
        if text.contains("//") || text == "/" {
            return Err("an empty path segment matches nothing; write one `/`");
        }
        let mut parts: Vec<&str> = text.split('/').collect();
        let rooted = text.starts_with('/');
        if rooted {
            parts.remove(0);
        }
        let directory = parts.last().is_some_and(|part| part.is_empty());
        if directory {
            parts.pop();
        }
        let mut segments = Vec::new();
        if !rooted && parts.len() == 1 && parts != ["**"] {
            segments.push(Segment::Any);
        }
        let count = parts.len();
        for (part, number) in parts.iter().zip(1..) {
            segments.push(match *part {
                "**" if number == count && !directory => Segment::Rest,
                "**" => Segment::Any,
                "." | ".." => return Err("`.` and `..` match nothing; write the path from the root"),
                name => Segment::Name(tokens(name)?),
            });
        }
        let below = !directory && parts.last().is_some_and(|last| !matches!(*last, "*" | "**"));
        if directory {
            segments.push(Segment::Rest);
        }
        Ok(Self { segments, below })
    }

    /// Whether a path, split at `/`, matches. Takes at most pattern x path steps.
    pub(super) fn matches(&self, path: &[&str]) -> bool {
        let mut open = vec![false; path.len() + 1];
        if let Some(first) = open.first_mut() {
            *first = true;
        }
        for segment in &self.segments {
            open = step(segment, &open, path);
        }
        if self.below {
            open.contains(&true)
        } else {
            open.last().copied().unwrap_or(false)
        }
    }
}

/// Which prefixes of the path are matched once a segment is taken, from those matched before it.
fn step(segment: &Segment, open: &[bool], path: &[&str]) -> Vec<bool> {
    let mut next = vec![false; open.len()];
    let mut reached = false;
    for (at, (slot, before)) in next.iter_mut().zip(open).enumerate() {
        let taken = at.checked_sub(1).and_then(|i| path.get(i));
        let shorter = at
            .checked_sub(1)
            .and_then(|i| open.get(i))
            .copied()
            .unwrap_or(false);
        *slot = match segment {
            Segment::Any => {
                reached |= *before;
                reached
            }
            Segment::Rest => {
                let rest = reached;
                reached |= *before;
                rest
            }
            Segment::Name(tokens) => shorter && taken.is_some_and(|name| fits(tokens, name)),
        };
    }
    next
}

fn tokens(name: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '\\' => match chars.next() {
                Some(' ') => Token::Char(' '),
                _ => return Err("`\\` may only stand before a space"),
            },
            '*' => Token::Many,
            '?' => Token::One,
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// Whether a name fits; goes back to the last `*` only, so at most tokens x characters steps.
fn fits(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(from) {
        match tokens.get(at) {
            Some(Token::Many) => {
                star = Some((at, from));
                at += 1;
                continue;
            }
            Some(Token::One) => {
                at += 1;
                from += 1;
                continue;
            }
            Some(Token::Char(wanted)) if wanted == c => {
                at += 1;
                from += 1;
                continue;
            }
            Some(Token::Char(_)) | None => {}
        }
        match star {
            Some((token, taken)) => {
                star = Some((token, taken + 1));
                at = token + 1;
                from = taken + 1;
            }
            None => return false,
        }
    }
    tokens.iter().skip(at).all(|token| *token == Token::Many)
}
