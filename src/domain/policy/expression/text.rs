//! An expression's text before and after its parser: what is too much for it, and what it said.

use cel::ParseErrors;

use super::{MAX_NESTED, MAX_SOURCE, MAX_TOKENS};

/// Refuses what would cost the parser too much, by counting alone: text in quotes counts as well.
pub(super) fn bounded(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the expression is empty; write a condition, as in `params.amount.minor >= 1000`".into());
    }
    if text.len() > MAX_SOURCE {
        return Err(format!(
            "the expression has {} bytes; {MAX_SOURCE} is the limit, split it",
            text.len()
        ));
    }
    let (mut deep, mut tokens, mut word) = (0_usize, 0_usize, false);
    for c in text.chars() {
        let in_word = c.is_alphanumeric() || c == '_';
        if !c.is_whitespace() && (!in_word || !word) {
            tokens += 1;
        }
        word = in_word;
        match c {
            '(' | '[' | '{' => deep += 1,
            ')' | ']' | '}' => deep = deep.saturating_sub(1),
            _ => {}
        }
        if deep > MAX_NESTED {
            return Err(format!(
                "brackets nested deeper than {MAX_NESTED} levels; flatten the expression"
            ));
        }
    }
    if tokens > MAX_TOKENS {
        return Err(format!(
            "the expression has {tokens} words and signs; {MAX_TOKENS} is the limit, split it"
        ));
    }
    Ok(())
}

/// The parser's first error: its offset in characters, and what it says.
pub(super) fn first(errors: &ParseErrors, text: &str) -> (usize, String) {
    let Some(error) = errors.errors.first() else {
        return (0, "it does not parse".into());
    };
    let (line, column) = error.pos;
    let before = usize::try_from(line - 1).unwrap_or(0);
    let lines = text.split_inclusive('\n').take(before);
    let before: usize = lines.map(|line| line.chars().count()).sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    let message = if error.msg == "UNKNOWN" {
        "nested too deep; flatten it".into()
    } else {
        // The parser lists every sign that could have stood there; the first part says what did.
        let message = error.msg.split(" expecting ").next().unwrap_or_default();
        let message = message.trim_start_matches("Syntax error: ");
        let message: String = message.chars().take(200).flat_map(char::escape_debug).collect();
        message.replace("\\'", "`").replace('\'', "`")
    };
    (before + column, message)
}
