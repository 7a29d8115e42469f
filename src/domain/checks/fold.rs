//! Text as whoever reads and copies it takes it.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

use super::text::{Hazard, hazard};

/// Full-width and other compatible forms as plain ones (NFKC), dashes as `-`, invisible characters left out: what
/// breaks a token for a program does not break it for whoever reads and copies it.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let seen = |c: &char| {
        !matches!(
            hazard(*c),
            Some(Hazard::Invisible | Hazard::Tag | Hazard::Direction)
        )
    };
    let is_dash = |c: char| matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}');
    let dash = |c| if is_dash(c) { '-' } else { c };
    let plain = |c: char| c.is_ascii() || seen(&c) && !is_dash(c);
    if text.chars().all(plain) && is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(seen).nfkc().map(dash).collect())
}

/// A field's name without case and without what joins its words.
pub(super) fn plain_name(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .take(200)
        .collect()
}
