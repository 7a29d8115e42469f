//! The newest entries of the record, read backwards: each names the one before it by its digest, so that what is no part
//! of the record is passed over without checking any signature again. INVARIANT i28.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
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
    ids::{Digest, ProposalId, Seq, Sha, Timestamp},
    observation::Observation,
    proposal::Proposal,
};

/// Commits that may stand in front of the newest entry of the record: findings, or what was folded meanwhile.
const AHEAD: usize = 256;
/// How often the newest commit is asked for when it is behind the book, which is folded first.
const ATTEMPTS: u32 = 20;

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
    seq: Seq,
    pub(super) previous: Option<Digest>,
    kind: Kind,
    time: Timestamp,
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
        self.back(from, move || {
            let past = Past {
                unread: of.clone(),
                ..Past::default()
            };
            let mut read = 0;
            let each = move |past: &mut Past, line: &str, front: &Front| {
                read += 1;
                past.take(line, front);
                read < most && !past.unread.is_empty()
            };
            (past, each)
        })
        .await
    }

    /// The entries of some kinds, oldest first, with their digests: from the entry with the digest `from` back to the
    /// first of which `goes_on` no longer holds.
    pub async fn newest(
        &self,
        from: Digest,
        kinds: &'static [Kind],
        goes_on: impl Fn(Seq, Timestamp) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<(Digest, Entry)>, LedgerError> {
        let goes_on = Arc::new(goes_on);
        let mut found = self
            .back(from, move || {
                let goes_on = Arc::clone(&goes_on);
                let each = move |found: &mut Vec<(Digest, Entry)>, line: &str, front: &Front| {
                    let inside = goes_on(front.seq, front.time);
                    if inside && kinds.contains(&front.kind) {
                        let entry = Entry::read(line).ok();
                        found.extend(entry.map(|entry| (Digest::of(line.as_bytes()), entry)));
                    }
                    inside
                };
                (Vec::new(), each)
            })
            .await?;
        found.reverse();
        Ok(found)
    }

    /// A proposal as it was received, as of the entry with the digest `from`; reads no further back than it was made.
    pub async fn received(&self, from: Digest, id: ProposalId) -> Result<Option<Proposal>, LedgerError> {
        let made = id.timestamp();
        self.back(from, move || {
            let each = move |found: &mut Option<Proposal>, line: &str, front: &Front| {
                if front.kind == Kind::Received
                    && front.proposal == Some(id)
                    && let Ok(Entry {
                        event: Event::Received(received),
                        ..
                    }) = Entry::read(line)
                {
                    *found = Some(Arc::unwrap_or_clone(received.proposal));
                }
                found.is_none() && front.time >= made
            };
            (None, each)
        })
        .await
    }

    /// Reads the record backwards into what `begin` makes, as long as its second part wants more.
    async fn back<T, E>(
        &self,
        from: Digest,
        begin: impl Fn() -> (T, E) + Send + 'static,
    ) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        E: FnMut(&mut T, &str, &Front) -> bool,
    {
        self.until_there(move |ledger| {
            let (mut into, mut each) = begin();
            let take = |line: &str, front: &Front| each(&mut into, line, front);
            let there = back(ledger.dir(), ledger.head_commit(), from, take)?;
            Ok(there.then_some(into))
        })
        .await
    }

    /// What `look` reads of the commits; it looks again in a moment while they are behind the book and it gives nothing.
    pub(super) async fn until_there<T: Send + 'static>(
        &self,
        look: impl Fn(&Self) -> Result<Option<T>, git2::Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ledger = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            for _ in 0..ATTEMPTS {
                let read = look(&ledger).map_err(|error| LedgerError::Local {
                    dir: ledger.dir().to_owned(),
                    why: said(error),
                })?;
                if let Some(read) = read {
                    return Ok(read);
                }
                thread::sleep(Duration::from_millis(5));
            }
            Err(LedgerError::Behind)
        });
        task.await.map_err(|_| LedgerError::Closed)?
    }
}

/// Gives entries to `take`, newest first, until it wants no more; `false` when the newest is not there.
pub(super) fn back(
    dir: &Path,
    tip: Sha,
    from: Digest,
    mut take: impl FnMut(&str, &Front) -> bool,
) -> Result<bool, git2::Error> {
    let mut reader = Reader::open(dir)?;
    let mut expected = Some(from);
    let mut ahead = 0;
    let mut found = false;
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
            if !take(line, &front) || expected.is_none() {
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
