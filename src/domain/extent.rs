//! How far the ledger was when something was shown: whoever sees it later knows that this much was recorded.

use std::{fmt, str::FromStr};

use super::{book::Book, ids::Digest};

/// The ledger's length at some moment, and the digest of its newest entry then. It goes out with what only the bot's app
/// can write, so that a ledger which lacks it was rolled back or rewritten, even when nobody kept its head. INVARIANT i18.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    ledger: String,
    size: u64,
    head: Digest,
}

/// Not a extent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say how far the ledger was")]
pub struct NoExtent(String);

impl Extent {
    /// How far the ledger is now.
    pub fn of(book: &Book) -> Self {
        Self {
            ledger: book.genesis_digest().short(),
            size: book.size(),
            head: book.head(),
        }
    }
    /// Entries that were recorded.
    pub const fn size(&self) -> u64 {
        self.size
    }
    /// The digest of the newest of them.
    pub const fn head(&self) -> Digest {
        self.head
    }
    /// Whether it is about the ledger that begins with this entry; an operator may have begun another one since.
    pub fn is_of(&self, genesis: Digest) -> bool {
        self.ledger == genesis.short()
    }
}

/// `<first 12 digits of the genesis digest>:<entries>:<digest of the newest>`.
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.ledger, self.size, self.head)
    }
}

impl FromStr for Extent {
    type Err = NoExtent;
    fn from_str(text: &str) -> Result<Self, NoExtent> {
        let no = || NoExtent(text.chars().take(160).collect());
        let (ledger, rest) = text.split_once(':').ok_or_else(no)?;
        let (size, head) = rest.split_once(':').ok_or_else(no)?;
        let hex = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
        if ledger.len() != 12 || !ledger.chars().all(hex) {
            return Err(no());
        }
        Ok(Self {
            ledger: ledger.to_owned(),
            size: size.parse().map_err(|_| no())?,
            head: head.parse().map_err(|_| no())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let text = format!("0123456789ab:77:{}", Digest::of(b"head"));
        let extent: Extent = text.parse().unwrap();
        assert_eq!(extent.to_string(), text);
        assert_eq!((extent.size(), extent.head()), (77, Digest::of(b"head")));
        assert!(!extent.is_of(Digest::of(b"another")));
        let newest = Digest::of(b"head");
        for bad in [
            String::new(),
            "0123456789ab:77".to_owned(),
            format!("0123456789a:77:{newest}"),
            format!("0123456789aB:77:{newest}"),
            format!("0123456789ab:-7:{newest}"),
            "0123456789ab:77:sha256:00".to_owned(),
        ] {
            assert!(bad.parse::<Extent>().is_err(), "{bad}");
        }
    }
}
