//! Names of a module that lead nowhere. A check reads `input` and the rules of its own package; anything else that `data`
//! names is undefined, and a rule that asks for it would never find anything. INVARIANT i10.

use super::passed_over;
use crate::domain::source::nearest;

/// What `input` has, as [`super::input`] writes it.
pub(super) const FIELDS: [&str; 12] = [
    "operation",
    "agent",
    "sponsor",
    "target",
    "items",
    "observed",
    "claimed",
    "justification",
    "rollback_plan",
    "exceptions",
    "provenance",
    "at",
];

/// The first name that leads nowhere: itself, its place in bytes, and why.
pub(super) fn first(text: &str) -> Option<(&str, usize, String)> {
    let names = names(text);
    let package = match names.as_slice() {
        [("package", _), (package, _), ..] => *package,
        _ => "",
    };
    let mut replaces = false;
    names.into_iter().find_map(|(name, at)| {
        let mut parts = name.split('.');
        let root = parts.next().unwrap_or_default();
        let field = parts
            .next()
            .filter(|field| root == "input" && !FIELDS.contains(field));
        let replaced = std::mem::replace(&mut replaces, name == "with");
        if root == "data" && !is_own(name, package) {
            let why = "is nowhere: a check reads `input` and the rules of its own package";
            return Some((name, at, why.to_owned()));
        }
        if let Some(field) = field {
            let near = match nearest(field, FIELDS) {
                _ if matches!(field, "parameters" | "params") => {
                    "write `some item in input.items`, then `item.parameters`".into()
                }
                _ if field == "action" => "did you mean `input.operation`?".into(),
                Some(near) => format!("did you mean `input.{near}`?"),
                None => format!("`input` has `{}`", FIELDS.join("`, `")),
            };
            return Some((name, at, format!("is nowhere: {near}")));
        }
        let why = "can't be replaced by `with` in a check; only `input`";
        (replaced && root != "input").then(|| (name, at, why.to_owned()))
    })
}

/// Whether a name is that of the module's own package or of a rule in it, from `data` on.
fn is_own(name: &str, package: &str) -> bool {
    let rest = name
        .strip_prefix("data.")
        .and_then(|rest| rest.strip_prefix(package));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every name with its fields, as in `input.items`, outside of comments and texts, and its place in bytes.
fn names(text: &str) -> Vec<(&str, usize)> {
    let bytes = text.as_bytes();
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| in_name(byte)).count();
        // A field after a bracket, as in `item["a"].b`, is no name of its own, and neither is a number.
        if byte.is_ascii_alphabetic() || *byte == b'_' {
            found.extend(text.get(at..at + length).map(|name| (name, at)));
        }
        at += length.max(passed_over(rest));
    }
    found
}
