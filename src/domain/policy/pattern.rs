//! One path pattern of CODEOWNERS.

mod glob;

pub(super) use glob::{Glob, Token};

/// The longest pattern that is read, in bytes; Git itself takes no longer path.
const MAX_BYTES: usize = 4096;

/// A pattern as GitHub reads it: `*` and `?` stay within a segment, `**` crosses segments, a leading `/` or a `/` in
/// the middle roots it, a trailing `/` means everything below, and a name also means everything below it. A last
/// segment that is only `*` is one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    end: End,
}

/// What a pattern asks of one or more segments of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `**`: none or more segments; never two in a row.
    Any,
    /// This very segment.
    Literal(String),
    /// A segment of this form.
    Glob(Glob),
}

/// What may follow once all segments are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing.
    Here,
    /// Nothing, or everything below.
    Tree,
    /// Everything below, and at least one segment.
    Below,
}

impl Pattern {
    /// Reads a pattern; the error says what GitHub does not support in it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_BYTES {
            return Err("a pattern has at most 4096 bytes; match a folder above");
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
        let unrooted = !rooted && parts.len() == 1;
        let end = match parts.last() {
            _ if directory => End::Below,
            Some(&"**") => End::Below,
            Some(&"*") => End::Here,
            Some(_) | None => End::Tree,
        };
        if end == End::Below && !directory {
            parts.pop();
        }
        let mut segments = Vec::new();
        if unrooted && !parts.is_empty() {
            segments.push(Segment::Any);
        }
        let count = parts.len();
        for (part, number) in parts.iter().zip(1..) {
            match *part {
                "." | ".." => return Err("`.` and `..` match nothing; write the path from the root"),
                "**" => {
                    if segments.last() != Some(&Segment::Any) {
                        segments.push(Segment::Any);
                    }
                    // `**/` is any folder, and a folder has a name.
                    if directory && number == count {
                        segments.push(Segment::Glob(Glob::any()));
                    }
                }
                name => segments.push(segment(name)?),
            }
        }
        Ok(Self { segments, end })
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
        match self.end {
            End::Here => open.last().copied().unwrap_or(false),
            End::Tree => open.contains(&true),
            End::Below => open.iter().take(path.len()).any(|open| *open),
        }
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
    pub(super) fn end(&self) -> End {
        self.end
    }
}

/// Which prefixes of the path are matched once a segment is taken, from those matched before it.
fn step(segment: &Segment, open: &[bool], path: &[&str]) -> Vec<bool> {
    let mut next = vec![false; open.len()];
    if *segment == Segment::Any {
        let mut reached = false;
        for (slot, before) in next.iter_mut().zip(open) {
            reached |= *before;
            *slot = reached;
        }
        return next;
    }
    for ((slot, before), name) in next.iter_mut().skip(1).zip(open).zip(path) {
        *slot = *before
            && match segment {
                Segment::Any => false,
                Segment::Literal(text) => text == name,
                Segment::Glob(glob) => glob.fits(name),
            };
    }
    next
}

fn segment(name: &str) -> Result<Segment, &'static str> {
    let mut tokens = Vec::new();
    let mut text = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        let token = match c {
            '\\' if chars.next() == Some(' ') => {
                text.push(' ');
                continue;
            }
            '\\' => return Err("`\\` may only stand before a space"),
            '*' => Token::Many,
            '?' => Token::One,
            c => {
                text.push(c);
                continue;
            }
        };
        if !text.is_empty() {
            tokens.push(Token::Text(std::mem::take(&mut text)));
        }
        tokens.push(token);
    }
    if tokens.is_empty() {
        return Ok(Segment::Literal(text));
    }
    if !text.is_empty() {
        tokens.push(Token::Text(text));
    }
    Ok(Segment::Glob(Glob::of(tokens)))
}
