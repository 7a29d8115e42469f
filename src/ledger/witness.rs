//! Whether the ledger holds what is known from elsewhere to have been recorded. INVARIANT i18.

use std::{path::Path, sync::PoisonError};

use super::{
    past::back,
    writer::{Ledger, LedgerError},
};
use crate::domain::{
    book::{Book, Place},
    extent::Extent,
    ids::{Digest, Sha},
};

/// Marks that are remembered as confirmed: about as many as there are open pull requests.
const REMEMBERED: usize = 1_024;

impl Ledger {
    /// Whether the ledger holds what an extent names, after fetching what others wrote when it seems too short. What it held
    /// once it holds as long as this process lives: it only goes forward.
    pub async fn holds(&self, extent: &Extent) -> Result<bool, LedgerError> {
        if self.held().contains(extent) {
            return Ok(true);
        }
        if self.read(Book::size) < extent.size() {
            self.refresh().await?;
        }
        let sought = extent.clone();
        let look = move |ledger: &Self| {
            let stands = ledger.read(|book| (book.size(), book.head()));
            holds(ledger.dir(), ledger.head_commit(), stands, &sought)
        };
        let found = self.until_there(look).await?;
        let mut lost = self.missing().lock().unwrap_or_else(PoisonError::into_inner);
        if !found {
            *lost = Some(extent.clone());
        } else if lost.as_ref() == Some(extent) {
            *lost = None;
        }
        drop(lost);
        if found {
            let mut held = self.held();
            if held.len() >= REMEMBERED {
                held.clear();
            }
            held.push(extent.clone());
        }
        Ok(found)
    }

    /// What was shown of the ledger and was not on it when that was looked at last; nothing is recorded meanwhile.
    pub fn lost(&self) -> Option<Extent> {
        let lost = self.missing().lock();
        lost.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<Extent>> {
        self.confirmed().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Extent> for LedgerError {
    fn from(lost: Extent) -> Self {
        Self::Contradicted {
            size: lost.size(),
            head: lost.head(),
        }
    }
}

/// The first of some extents that a ledger which is about to be trusted does not hold.
pub(super) fn first_lost(
    dir: &Path,
    place: Place,
    book: &Book,
    shown: &[Extent],
) -> Result<Option<LedgerError>, git2::Error> {
    let stands = (book.size(), book.head());
    for extent in shown {
        if holds(dir, place.commit, stands, extent)? != Some(true) {
            return Ok(Some(extent.clone().into()));
        }
    }
    Ok(None)
}

/// Whether the record up to a commit, so long and with this newest entry, holds what an extent names; none when the newest
/// entry is not at the commit.
fn holds(
    dir: &Path,
    tip: Sha,
    (size, head): (u64, Digest),
    extent: &Extent,
) -> Result<Option<bool>, git2::Error> {
    let mut back_to = (size, Some(head));
    if size > extent.size() {
        let there = back(dir, tip, head, |_, front| {
            back_to = (back_to.0.saturating_sub(1), front.previous);
            back_to.0 > extent.size()
        })?;
        if !there {
            return Ok(None);
        }
    }
    Ok(Some(back_to == (extent.size(), Some(extent.head()))))
}
