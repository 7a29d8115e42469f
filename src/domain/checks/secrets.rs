//! Tokens, keys and passwords in what an agent sends: refused at the door, so that Git never learns them. INVARIANT i29.
//!
//! One forward scan a text. A token is told by its issuer's prefix, length and alphabet; anything else by its context:
//! a field or a word that says `password`, followed by something that no person would type as prose.

mod shapes;

use serde::Serialize;
use serde_json::Value;

use super::{
    Asked, Findings, Level, Problem,
    fold::{folded, plain_name},
    reach::{Reach, Text},
};
use crate::domain::request::Request;
use shapes::{is_random, is_token_char, known_token};

const REMEDY: &str =
    "send no secrets; name where the secret is kept instead, and replace this one if it was real";

/// Words at the end of a field's name, or in front of `:` and `=`, whose value is a secret. In lower case, without
/// `_`, `-` and `.`.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pwd",
    "secret",
    "secretkey",
    "secretaccesskey",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "token",
    "bearer",
    "authorization",
    "credential",
    "credentials",
    "sharedaccesssignature",
];
/// The longest name that is looked back for, and how much of a value is looked at.
const NAME: usize = 40;
const VALUE: usize = 64;

/// Denies every secret. The result says what kind it is, never a part of it.
pub(super) fn check(asked: &Asked<'_>) -> Vec<Problem> {
    let mut found = Findings::default();
    let mut reach = Reach::new(|text: Text<'_>| look(text, &mut found), hide, asked.sealed);
    reach.written(asked.matter);
    reach.observed(asked.matter);
    found.into_problems()
}

/// Finds the secrets of a request before any of it is recorded; `sealed` are the JSON pointers of the parameters that
/// Git never sees in clear. INVARIANT i29.
pub fn refuse(request: &Request, sealed: &[String]) -> Vec<Problem> {
    // The signature is as random as a secret and is none.
    let request = Request {
        signature: None,
        ..request.clone()
    };
    let Ok(mut value) = serde_json::to_value(&request) else {
        let mut found = Findings::default();
        found.add(
            Level::Errored,
            "",
            "the request can't be searched for secrets",
            "send plain JSON",
        );
        return found.into_problems();
    };
    let mut take_out = |at: String| {
        for pointer in sealed {
            if let Some(place) = value.pointer_mut(&format!("{at}{pointer}")) {
                *place = Value::Null;
            }
        }
    };
    take_out("/parameters".into());
    (0..request.items.len()).for_each(|index| take_out(format!("/items/{index}/parameters")));
    let mut found = Findings::default();
    Reach::new(|text: Text<'_>| look(text, &mut found), hide, &[]).at("", &value);
    found.into_problems()
}

/// Finds the secrets in what a target said of an item, before it is recorded. INVARIANT i29.
pub fn refuse_observed(read: &impl Serialize) -> Vec<Problem> {
    let mut found = Findings::default();
    match serde_json::to_value(read) {
        Ok(value) => Reach::new(|text: Text<'_>| look(text, &mut found), hide, &[]).at("", &value),
        Err(_) => found.add(
            Level::Errored,
            "",
            "what was read can't be searched for secrets",
            "let the connector answer plain JSON",
        ),
    }
    found.into_problems()
}

/// A field's name that is a secret itself is not shown in a pointer either.
fn hide(name: &str) -> Option<String> {
    secret(name, None).map(|_| "•••".into())
}

fn look(text: Text<'_>, found: &mut Findings) {
    if found.has_room(Level::Deny)
        && let Some(what) = secret(text.text, text.field)
    {
        found.add(Level::Deny, text.at, what, REMEDY);
    }
}

/// What secret a text holds, if any; `field` is the name of the field that holds it.
pub(super) fn secret(text: &str, field: Option<&str>) -> Option<&'static str> {
    if text.len() < 8 {
        return None;
    }
    let text = folded(text);
    if field.is_some_and(says_secret) && stands_alone(&text) {
        return Some("a field whose name says that it holds a secret, with one in it");
    }
    let bytes = text.as_bytes();
    let mut no_dot_before = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let found = match byte {
            b':' | b'=' => assigned(bytes, at).or_else(|| in_url(bytes, at)),
            b'e' => jwt(bytes, at, &mut no_dot_before),
            b'-' => private_key(bytes, at),
            _ => None,
        };
        let found = found.or_else(|| known_token(bytes, at));
        if found.is_some() {
            return found;
        }
    }
    None
}

fn says_secret(name: &str) -> bool {
    let plain = plain_name(name);
    NAMES.iter().any(|word| plain.ends_with(word))
}

/// Whether a whole value is a secret rather than a sentence about one.
fn stands_alone(value: &str) -> bool {
    let value = value.trim();
    let value = ["Bearer ", "bearer ", "Basic ", "basic "]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme))
        .unwrap_or(value);
    !value.contains(char::is_whitespace) && is_random(head(value.as_bytes(), VALUE))
}

/// `password = VALUE`, `"api_key": "VALUE"`, `Authorization: Bearer VALUE`.
fn assigned(bytes: &[u8], at: usize) -> Option<&'static str> {
    let before = bytes.get(at.saturating_sub(NAME)..at)?;
    let quoted = |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'`' | b'\t');
    let end = before.iter().rposition(|byte| !quoted(byte))? + 1;
    let word = before.get(..end)?;
    let start = word
        .iter()
        .rposition(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')));
    let name = word.get(start.map_or(0, |start| start + 1)..)?;
    if name.len() < 3 || !says_secret(std::str::from_utf8(name).ok()?) {
        return None;
    }
    let mut rest = bytes.get(at + 1..)?;
    rest = rest.get(rest.iter().take(4).take_while(|byte| quoted(byte)).count()..)?;
    for scheme in [&b"Bearer "[..], b"bearer ", b"Basic ", b"basic "] {
        rest = rest.strip_prefix(scheme).unwrap_or(rest);
    }
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b',' | b';');
    let length = rest.iter().take(VALUE).take_while(|byte| !ends(byte)).count();
    is_random(rest.get(..length)?).then_some("a password, key or token after a word that says so")
}

/// `scheme://user:password@host` (RFC 3986 3.2.1).
fn in_url(bytes: &[u8], at: usize) -> Option<&'static str> {
    let rest = bytes.get(at..)?.strip_prefix(b"://")?;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'@');
    let length = rest.iter().take(256).take_while(|byte| !ends(byte)).count();
    let user = rest.get(..length).filter(|_| rest.get(length) == Some(&b'@'))?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.get(colon + 1..)?;
    let placeholder = password.starts_with(b"$") || password.starts_with(b"<") || password.starts_with(b"*");
    (!password.is_empty() && !placeholder).then_some("a password in a URL")
}

/// A signed JSON Web Token in compact form (RFC 7519 3, RFC 7515 3.1): two JSON objects and a signature.
fn jwt(bytes: &[u8], at: usize, no_dot_before: &mut usize) -> Option<&'static str> {
    // `{"` begins every header and every set of claims; in base64url it is `eyJ`.
    let is_url_safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let rest = bytes.get(at..)?;
    if at < *no_dot_before || !rest.starts_with(b"eyJ") {
        return None;
    }
    let header = rest.iter().take_while(|byte| is_url_safe(byte)).count();
    let Some(claims) = rest.get(header..).and_then(|rest| rest.strip_prefix(b".eyJ")) else {
        // No later start within this run ends any better.
        *no_dot_before = at + header;
        return None;
    };
    let length = claims.iter().take_while(|byte| is_url_safe(byte)).count();
    let signature = claims.get(length..).and_then(|rest| rest.strip_prefix(b"."))?;
    let signed = signature.iter().take_while(|byte| is_url_safe(byte)).count() >= 20;
    (header >= 12 && signed).then_some("a JSON Web Token")
}

/// A private key in textual form (RFC 7468 10 and 11, OpenSSH, RFC 9580 6.2).
fn private_key(bytes: &[u8], at: usize) -> Option<&'static str> {
    let label = bytes.get(at..)?.strip_prefix(b"-----BEGIN ")?;
    let label = head(label, 60);
    let is_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let label = label.get(..label.iter().take_while(|byte| is_label(byte)).count())?;
    let held = b"PRIVATE KEY";
    label
        .windows(held.len())
        .any(|part| part == held)
        .then_some("a private key")
}

fn head(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// How many bytes from a place on belong to a token.
fn run(bytes: &[u8], from: usize, most: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter()
        .take(most)
        .take_while(|byte| is_token_char(**byte))
        .count()
}

#[cfg(test)]
mod tests;
