//! The newest entries of the record, read backwards: each names the one before it by its digest, so that what is no part
//! of the record is passed over without checking any signature again. INVARIANT i28.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    thread,
    time::Duration,
};

use git2::Oid;
use serde::Deserialize;

use super::{
    fold::{Reader, oid, parents},
    remote::said,
    writer::{Ledger, LedgerError},
};
use crate::domain::{
    entry::{Entry, Event, Kind},
    ids::{Digest, ProposalId, Sha},
    observation::Observation,
};

/// Commits that may stand in front of the newest entry of the record: findings, or what was folded meanwhile.
const AHEAD: usize = 256;
/// How often the newest commit is asked for when it is behind the book, which is folded first.
pub(super) const ATTEMPTS: u32 = 20;

/// The last observation of each of some proposals.
#[derive(Debug, Default)]
pub struct Past {
    /// What was observed; nothing for those that were never observed, or not within what was read.
    pub observed: BTreeMap<ProposalId, Observation>,
    /// How many reviews were recorded since.
    pub reviews: BTreeMap<ProposalId, usize>,
    /// Those that were not read to their beginning.
    pub unread: BTreeSet<ProposalId>,
}

/// What every entry says in front of its body.
#[derive(Deserialize)]
pub(super) struct Front {
    pub(super) previous: Option<Digest>,
    kind: Kind,
    #[serde(default)]
    proposal: Option<ProposalId>,
}

impl Ledger {
    /// The last observation recorded of each of some proposals, as of the entry with the digest `from`; reads that many
    /// entries back at most.
    pub async fn past(
        &self,
        from: Digest,
        of: BTreeSet<ProposalId>,
        most: usize,
    ) -> Result<Past, LedgerError> {
        let ledger = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let local = |error| LedgerError::Local {
                dir: ledger.dir().to_owned(),
                why: said(error),
            };
            for _ in 0..ATTEMPTS {
                let (mut past, mut read) = (Past::unread(&of), 0);
                let found = back(ledger.dir(), ledger.head_commit(), from, |line, front| {
                    read += 1;
                    past.take(line, front);
                    read < most && !past.unread.is_empty()
                });
                if found.map_err(local)? {
                    return Ok(past);
                }
                thread::sleep(Duration::from_millis(5));
            }
            Err(LedgerError::Behind)
        });
        task.await.map_err(|_| LedgerError::Closed)?
    }
}

/// Reads entries back, from the newest of the record at a commit, for as long as `each` wants more; false when the newest
/// is not there.
pub(super) fn back(
    dir: &Path,
    tip: Sha,
    newest: Digest,
    mut each: impl FnMut(&str, &Front) -> bool,
) -> Result<bool, git2::Error> {
    let mut reader = Reader::open(dir)?;
    let mut expected = Some(newest);
    let (mut ahead, mut found) = (0, false);
    let mut next: Option<Oid> = Some(oid(tip)?);
    while let Some(id) = next {
        let commit = reader.raw(id)?;
        let text = String::from_utf8_lossy(&commit.bytes);
        for line in text.lines().rev().filter(|line| line.starts_with('{')) {
            if expected != Some(Digest::of(line.as_bytes())) {
                continue;
            }
            found = true;
            let Ok(front) = serde_json::from_str::<Front>(line) else {
                return Ok(true);
            };
            expected = front.previous;
            if !each(line, &front) || expected.is_none() {
                return Ok(true);
            }
        }
        ahead += 1;
        if !found && ahead >= AHEAD {
            return Ok(false);
        }
        next = parents(&commit).first().map(|parent| oid(*parent)).transpose()?;
    }
    Ok(found)
}

impl Past {
    fn unread(of: &BTreeSet<ProposalId>) -> Self {
        Self {
            unread: of.clone(),
            ..Self::default()
        }
    }

    fn take(&mut self, line: &str, front: &Front) {
        let Some(id) = front.proposal.filter(|id| self.unread.contains(id)) else {
            return;
        };
        match front.kind {
            // Nothing was seen before it.
            Kind::Received => {
                self.unread.remove(&id);
            }
            Kind::Observed => {
                if let Ok(Entry {
                    event: Event::Observed(observed),
                    ..
                }) = Entry::read(line)
                {
                    self.observed.insert(id, *observed.observation);
                }
                self.unread.remove(&id);
            }
            Kind::Reviewed => *self.reviews.entry(id).or_default() += 1,
            _ => {}
        }
    }
}
