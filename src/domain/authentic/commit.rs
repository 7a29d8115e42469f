//! A ledger commit as Git stores it: written by hand, read by hand, so that nothing in it goes unlooked at.

use super::super::{
    audit::Flaw,
    ids::{Sha, Timestamp},
};

/// The longest commit object that is read, in bytes.
pub const MAX_COMMIT: usize = 16 * 1024 * 1024;

/// A commit object and the name it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCommit {
    /// Its id.
    pub id: Sha,
    /// The object's content, without Git's own `commit <size>` header.
    pub bytes: Vec<u8>,
}

/// Where a commit stands: what it follows and the files it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The commit.
    pub id: Sha,
    /// Its tree.
    pub tree: Sha,
    /// What it follows.
    pub parents: Vec<Sha>,
}

impl Link {
    /// Reads a commit's first header lines.
    pub fn of(raw: &RawCommit) -> Result<Self, Flaw> {
        let (tree, parents, _) = links(&raw.bytes)?;
        Ok(Self {
            id: raw.id,
            tree,
            parents,
        })
    }

    /// Whether it follows one commit alone and leaves the ledger's files as they are. INVARIANT i28.
    pub fn follows(&self, previous: Sha, tree: Sha) -> Result<(), Flaw> {
        if self.parents != [previous] {
            Err(Flaw::Parent)
        } else if self.tree != tree {
            Err(Flaw::Tree)
        } else {
            Ok(())
        }
    }
}

/// The name and address that commits carry; who signed says the key alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committer {
    name: String,
    email: String,
}

/// A name or address that a commit can't carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can't stand in a commit; leave out `<`, `>`, line ends and control characters")]
pub struct CommitterError(String);

impl Committer {
    /// A name and an address without `<`, `>` and control characters.
    pub fn new(name: &str, email: &str) -> Result<Self, CommitterError> {
        for text in [name, email] {
            let trimmed = text.trim();
            if trimmed.is_empty()
                || trimmed != text
                || text.chars().any(|c| c.is_control() || matches!(c, '<' | '>'))
            {
                return Err(CommitterError(text.escape_debug().to_string()));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            email: email.to_owned(),
        })
    }
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The address.
    pub fn email(&self) -> &str {
        &self.email
    }
}

/// A commit before it is signed: the bytes that the signature covers.
pub fn payload(
    tree: Sha,
    parent: Option<Sha>,
    committer: &Committer,
    at: Timestamp,
    message: &str,
) -> String {
    let parent = parent.map_or_else(String::new, |parent| format!("parent {parent}\n"));
    let who = format!("{} <{}> {} +0000", committer.name, committer.email, at.seconds());
    format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{message}")
}

/// A commit with its signature in front of the message, as `git commit -S` places it.
pub fn signed(payload: &str, armor: &str) -> Option<Vec<u8>> {
    let (head, message) = payload.split_once("\n\n")?;
    let armor = armor.trim_end().replace('\n', "\n ");
    Some(format!("{head}\ngpgsig {armor}\n\n{message}").into_bytes())
}

/// A signed commit, taken apart.
pub(super) struct Parsed<'a> {
    /// Seconds since 1970 of the committer line.
    pub(super) committed_at: i64,
    /// The armored signature.
    pub(super) armor: String,
    /// What the signature covers.
    pub(super) payload: Vec<u8>,
    /// The message.
    pub(super) message: &'a str,
}

/// Takes a commit apart; any header but the six that belong there is refused.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Flaw> {
    if bytes.len() > MAX_COMMIT {
        return Err(unreadable("it is longer than 16 MiB"));
    }
    let (_, _, rest) = links(bytes)?;
    let (author, rest) = line(rest)?;
    let (committer, after_committer) = line(rest)?;
    if !author.starts_with(b"author ") {
        return Err(unreadable("no `author` line where one is due"));
    }
    let committed_at = committer
        .strip_prefix(b"committer ")
        .and_then(seconds)
        .ok_or_else(|| unreadable("no `committer` line with a time in UTC where one is due"))?;
    let head = bytes.len() - after_committer.len();
    let (first, mut rest) = line(after_committer)?;
    if first.is_empty() {
        return Err(Flaw::Unsigned);
    }
    let first = first
        .strip_prefix(b"gpgsig ")
        .ok_or_else(|| unreadable("a header that has no place in a ledger commit"))?;
    let mut armor = first.to_vec();
    while let Some(more) = rest.strip_prefix(b" ") {
        let (text, after) = line(more)?;
        armor.push(b'\n');
        armor.extend_from_slice(text);
        rest = after;
    }
    let message = rest
        .strip_prefix(b"\n")
        .ok_or_else(|| unreadable("a header that has no place in a ledger commit"))?;
    armor.push(b'\n');
    let mut payload = bytes.get(..head).unwrap_or_default().to_vec();
    payload.extend_from_slice(rest);
    Ok(Parsed {
        committed_at,
        armor: String::from_utf8(armor).map_err(|_| Flaw::Signature)?,
        payload,
        message: str::from_utf8(message).map_err(|_| unreadable("its message is not UTF-8"))?,
    })
}

fn links(bytes: &[u8]) -> Result<(Sha, Vec<Sha>, &[u8]), Flaw> {
    let (first, mut rest) = line(bytes)?;
    let tree = sha(first, b"tree ").ok_or_else(|| unreadable("no `tree` line at its beginning"))?;
    let mut parents = Vec::new();
    while rest.starts_with(b"parent ") {
        let (text, after) = line(rest)?;
        parents.push(sha(text, b"parent ").ok_or_else(|| unreadable("a `parent` line without an id"))?);
        rest = after;
    }
    Ok((tree, parents, rest))
}

fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = end
        .and_then(|end| bytes.split_at_checked(end))
        .ok_or_else(|| unreadable("it ends within its header"))?;
    Ok((line, rest.strip_prefix(b"\n").unwrap_or(rest)))
}

fn sha(line: &[u8], name: &[u8]) -> Option<Sha> {
    str::from_utf8(line.strip_prefix(name)?).ok()?.parse().ok()
}

/// The time of `Name <address> 1700000000 +0000`.
fn seconds(who: &[u8]) -> Option<i64> {
    let (_, time) = str::from_utf8(who).ok()?.rsplit_once("> ")?;
    time.strip_suffix(" +0000")?.parse().ok()
}

fn unreadable(why: &str) -> Flaw {
    Flaw::Commit(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i28_a_commit_follows_one_commit_alone_and_keeps_the_files() {
        let [previous, other, tree] = [1, 2, 3].map(|n| Sha::from_bytes([n; 20]));
        let follows = |parents: &[Sha], of: Sha| {
            let link = Link {
                id: Sha::from_bytes([4; 20]),
                tree: of,
                parents: parents.to_vec(),
            };
            link.follows(previous, tree)
        };
        assert_eq!(follows(&[previous], tree), Ok(()));
        for parents in [&[][..], &[other], &[previous, other], &[previous, previous]] {
            assert_eq!(follows(parents, tree), Err(Flaw::Parent));
        }
        assert_eq!(follows(&[previous], other), Err(Flaw::Tree));
    }
}
