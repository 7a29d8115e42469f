//! What a pull request shows, made comparable: digests of titles and bodies, and the mark under the outcome comment.

use crate::domain::{
    extent::{Extent, NoExtent},
    ids::Digest,
};

/// What the outcome comment's last line begins with.
const MARK: &str = "countersign outcome ";

/// The digest of a title or a body: SHA-256 of its UTF-8 bytes with `\r\n` as `\n`; GitHub's pages send the former.
pub fn shown_digest(text: &str) -> Digest {
    Digest::of(unix(text).as_bytes())
}

/// A text with `\n` line ends.
pub(super) fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The visible fingerprint of an outcome: over what it says and the words it says it in, so that a foreign edit shows.
fn fingerprint(says: Digest, words: &str) -> String {
    let mut bytes = says.as_bytes().to_vec();
    bytes.extend(unix(words).trim_end().as_bytes());
    Digest::of(&bytes).short()
}

/// The outcome comment: the words, and a line that tells which outcome it is.
pub(super) fn outcome(says: Digest, words: &str) -> String {
    let words = unix(words);
    let words = words.trim_end();
    format!("{words}\n\n{MARK}`{}`", fingerprint(says, words))
}

/// Whether a comment carries the mark.
pub(super) fn is_outcome(comment: &str) -> bool {
    parts(comment).is_some()
}

/// Whether a comment is this outcome, word for word as it was written.
pub(super) fn tells(comment: &str, says: Digest) -> bool {
    parts(comment).is_some_and(|(words, mark)| mark == fingerprint(says, &words))
}

fn parts(comment: &str) -> Option<(String, String)> {
    let comment = unix(comment);
    let (words, last) = comment.trim_end().rsplit_once('\n')?;
    let mark = last.strip_prefix(MARK)?.strip_prefix('`')?.strip_suffix('`')?;
    Some((words.trim_end().to_owned(), mark.to_owned()))
}

/// What a check run's external id says: the digest of its text and, where it is a proposal's, how far the ledger was.
pub(super) fn id_of_check(says: Digest, extent: Option<&Extent>) -> String {
    match extent {
        Some(extent) => format!("{says} {extent}"),
        None => says.to_string(),
    }
}

/// The digest of a check run's text, as its external id says.
pub(super) fn said_by_check(id: &str) -> Option<Digest> {
    id.split(' ').next()?.parse().ok()
}

/// How far the ledger was when a check run was written; none on those that never told.
pub(super) fn extent_of_check(id: &str) -> Result<Option<Extent>, NoExtent> {
    id.split_once(' ').map(|(_, extent)| extent.parse()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_do_not_matter() {
        assert_eq!(shown_digest("a\r\nb"), shown_digest("a\nb"));
        assert_ne!(shown_digest("a b"), shown_digest("a\nb"));
    }

    #[test]
    fn an_id_of_a_check_tells_what_it_says_and_how_far_the_ledger_was() {
        let says = Digest::of(b"executed");
        let extent: Extent = format!("0123456789ab:77:{says}").parse().unwrap();
        let id = id_of_check(says, Some(&extent));
        assert!(id.len() <= 255, "{id}");
        assert_eq!(said_by_check(&id), Some(says));
        assert_eq!(extent_of_check(&id), Ok(Some(extent)));
        let bare = id_of_check(says, None);
        assert_eq!(
            (said_by_check(&bare), extent_of_check(&bare)),
            (Some(says), Ok(None))
        );
        assert!(extent_of_check(&format!("{says} nonsense")).is_err());
    }

    #[test]
    fn an_outcome_is_known_by_its_mark_and_an_edit_shows() {
        let says = Digest::of(b"executed");
        let comment = outcome(says, "Paid ACME Ltd.\r\n");
        assert!(is_outcome(&comment));
        assert!(tells(&comment, says));
        assert!(tells(&comment.replace('\n', "\r\n"), says));
        assert!(!tells(&comment, Digest::of(b"refused")));
        assert!(!tells(&comment.replace("Paid", "Did not pay"), says));
        assert!(!is_outcome("Paid ACME Ltd."));
    }
}
