//! Reads Rust source as far as paths go: no comments, no literals, no test code.

/// A source file by its path from `src/`, without comments, literals and inline test modules.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    /// The module it makes, as in `domain::policy::tiers`.
    pub(crate) module: Vec<String>,
    /// Lines of the file as it is.
    pub(crate) lines: usize,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    /// `::`
    Path,
    Sign(char),
}

impl Source {
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        Self {
            path: path.into(),
            module: stem.split('/').map(Into::into).collect(),
            lines: text.lines().count(),
            tokens: without_tests(tokens(text)),
        }
    }

    /// Modules that exist for tests only: `#[cfg(test)] mod name;`.
    pub(crate) fn test_modules(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let Some(name) = test_module(&self.tokens, at) else {
                continue;
            };
            if let (Some(Token::Name(name)), Some(Token::Sign(';'))) =
                (self.tokens.get(name), self.tokens.get(name + 1))
            {
                let mut module = self.module.clone();
                module.push(name.clone());
                found.push(module);
            }
        }
        found
    }

    /// Every path that is named, `crate`, `super` and `self` resolved: `["crate", "domain", "ids"]`, `["std", "fs"]`.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let begins = matches!(&self.tokens[at], Token::Name(_))
                && (at == 0 || !matches!(self.tokens[at - 1], Token::Path | Token::Sign('.')))
                && (self.tokens.get(at + 1) == Some(&Token::Path)
                    || at > 0 && self.tokens[at - 1] == Token::Name("use".into()));
            if begins {
                at = self.tree(at, Vec::new(), &mut paths);
            } else {
                at += 1;
            }
        }
        paths.into_iter().map(|path| self.resolve(path)).collect()
    }

    /// Reads `a::b::{c, d::e}` from a name on; returns where it ends.
    fn tree(&self, mut at: usize, mut prefix: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
        loop {
            match self.tokens.get(at) {
                Some(Token::Name(name)) => {
                    prefix.push(name.clone());
                    at += 1;
                }
                Some(Token::Sign('*')) => at += 1,
                Some(Token::Sign('{')) if self.tokens.get(at.wrapping_sub(1)) == Some(&Token::Path) => {
                    at += 1;
                    while at < self.tokens.len() && self.tokens[at] != Token::Sign('}') {
                        if self.tokens[at] == Token::Sign(',') {
                            at += 1;
                        } else {
                            let next = self.tree(at, prefix.clone(), paths);
                            at = next.max(at + 1);
                        }
                    }
                    return at + 1;
                }
                _ => {
                    paths.push(prefix);
                    return at;
                }
            }
            if self.tokens.get(at) == Some(&Token::Path) {
                at += 1;
                continue;
            }
            // `name as other` within a tree.
            if self.tokens.get(at) == Some(&Token::Name("as".into())) {
                at += 2;
            }
            paths.push(prefix);
            return at;
        }
    }

    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let mut from = self.module.clone();
        let mut rest = path.as_slice();
        let relative = matches!(rest.first().map(String::as_str), Some("super" | "self"));
        if !relative {
            return path;
        }
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "super" => {
                    from.pop();
                }
                "self" => {}
                _ => break,
            }
            rest = others;
        }
        let mut whole = vec!["crate".to_owned()];
        whole.extend(from);
        whole.extend(rest.iter().cloned());
        whole
    }
}

/// Where the name of a test module stands, when one is declared here.
fn test_module(tokens: &[Token], at: usize) -> Option<usize> {
    let name = |text: &str| Token::Name(text.into());
    let head = [
        Token::Sign('#'),
        Token::Sign('['),
        name("cfg"),
        Token::Sign('('),
        name("test"),
        Token::Sign(')'),
        Token::Sign(']'),
    ];
    if tokens.get(at..at + head.len())? != head {
        return None;
    }
    let mut at = at + head.len();
    while tokens.get(at) == Some(&Token::Sign('#')) {
        let close = tokens
            .get(at..)?
            .iter()
            .position(|token| *token == Token::Sign(']'))?;
        at += close + 1;
    }
    let rest = tokens.get(at..)?;
    let is_mod = rest.iter().take(8).position(|token| *token == name("mod"))?;
    let mut between = rest.get(..is_mod)?.iter();
    let words = [
        name("pub"),
        name("crate"),
        name("super"),
        Token::Sign('('),
        Token::Sign(')'),
    ];
    between
        .all(|token| words.contains(token))
        .then_some(at + is_mod + 1)
}

fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let body = test_module(&tokens, at).filter(|name| tokens.get(name + 1) == Some(&Token::Sign('{')));
        let Some(name) = body else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let mut depth = 0;
        at = name + 1;
        while at < tokens.len() {
            match tokens[at] {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
    }
    kept
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match c {
            '/' if next == Some('/') => at = until(&chars, at, |c| c == '\n'),
            '/' if next == Some('*') => at = after_block(&chars, at),
            '"' => at = after_text(&chars, at + 1),
            'r' | 'b' | 'c' if raw_hashes(&chars, at).is_some() => {
                let (start, hashes) = raw_hashes(&chars, at).unwrap_or((at, 0));
                at = after_raw(&chars, start, hashes);
            }
            '\'' => at = after_quote(&chars, at),
            ':' if next == Some(':') => {
                tokens.push(Token::Path);
                at += 2;
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = until(&chars, at, |c| !(c.is_alphanumeric() || c == '_'));
                tokens.push(Token::Name(chars[at..end].iter().collect()));
                at = end;
            }
            c if c.is_whitespace() => at += 1,
            c => {
                tokens.push(Token::Sign(c));
                at += 1;
            }
        }
    }
    tokens
}

fn until(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len())
        .find(|i| stop(chars[*i]))
        .unwrap_or(chars.len())
}

fn after_block(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_text(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Where a raw text begins after its quote, and how many `#` close it.
fn raw_hashes(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let before = at.checked_sub(1).and_then(|i| chars.get(i));
    if before.is_some_and(|c| c.is_alphanumeric() || *c == '_') {
        return None;
    }
    let r = if chars[at] == 'r' { at } else { at + 1 };
    if chars.get(r) != Some(&'r') {
        return None;
    }
    let quote = until(chars, r + 1, |c| c != '#');
    (chars.get(quote) == Some(&'"')).then_some((quote + 1, quote - r - 1))
}

fn after_raw(chars: &[char], mut at: usize, hashes: usize) -> usize {
    while at < chars.len() {
        let closes = chars[at] == '"'
            && chars
                .get(at + 1..at + 1 + hashes)
                .is_some_and(|end| end.iter().all(|c| *c == '#'));
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

/// Past a character, or past the quote of a lifetime.
fn after_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => until(chars, at + 3, |c| c == '\'') + 1,
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}
