//! What a Rego module may not hold, found before anything reads it as Rego: the parser tries nested brackets twice a
//! level, and what is nowhere is undefined.

use super::words::Word;

/// The deepest `[` and `{` in one another.
const MAX_BRACKETS: usize = 8;

/// A module that is not bounded: where, how long the place is, and why.
type Unbounded = (usize, usize, String);

/// Whether a module is bounded.
pub(super) fn bounded(words: &[Word<'_>]) -> Result<(), Unbounded> {
    brackets(words)?;
    reach(words, package(words))
}

fn brackets(words: &[Word<'_>]) -> Result<(), Unbounded> {
    let mut deep = 0_usize;
    for word in words {
        match word {
            Word::Open(at) => {
                deep += 1;
                if deep > MAX_BRACKETS {
                    let message = format!("brackets nested deeper than {MAX_BRACKETS}; give a part a name");
                    return Err((*at, 1, message));
                }
            }
            Word::Close => deep = deep.saturating_sub(1),
            Word::Name { .. } => {}
        }
    }
    Ok(())
}

/// The name after `package`.
fn package<'t>(words: &[Word<'t>]) -> &'t str {
    let mut names = names(words);
    match (names.next(), names.next()) {
        (Some(("package", ..)), Some((package, ..))) => package,
        _ => "",
    }
}

fn names<'w, 't>(words: &'w [Word<'t>]) -> impl Iterator<Item = (&'t str, usize, Word<'t>)> + 'w {
    words.iter().filter_map(|word| match word {
        Word::Name { text, at, .. } => Some((*text, *at, *word)),
        Word::Open(_) | Word::Close => None,
    })
}

/// Whether a name is that of a rule of the module's own package, from `data` on.
fn is_own(name: &str, package: &str) -> bool {
    let rest = name
        .strip_prefix("data.")
        .and_then(|rest| rest.strip_prefix(package));
    rest.is_some_and(|rest| rest.starts_with('.'))
}

/// A module reads `input` and its own rules. Anything else that `data` names is nowhere: what is nowhere is undefined,
/// and a rule that asks it would never find anything. INVARIANT i10.
fn reach(words: &[Word<'_>], package: &str) -> Result<(), Unbounded> {
    let mut replaces = false;
    for (name, at, word) in names(words) {
        let root = word.root().unwrap_or_default();
        if root == "data" && !is_own(name, package) {
            let message =
                format!("`{name}` is nowhere: a check reads `input` and the rules of its own package");
            return Err((at, name.len(), message));
        }
        if replaces && root != "input" {
            let message = format!("`with` can't replace `{name}` in a check; only `input`");
            return Err((at, name.len(), message));
        }
        replaces = name == "with";
    }
    Ok(())
}
