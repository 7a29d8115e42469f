//! The lock of low tier: a row on the disk before the act, so that whatever happens nothing runs twice. INVARIANT i16.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::disk::{StoreError, damaged, get, names, put_new, remove};
use crate::domain::{
    canonical::{NotCanonical, canonical, digest_of},
    entry::{ClaimedBy, Digests, Draft, Event, Finished, Received, Started, Unknown},
    ids::{Digest, ProposalId, Timestamp},
    warrant::OutboxRow,
};

const ROW: &str = "row";
const ENDED: &str = "ended";

/// Claims of low-tier executions that the ledger may not hold yet.
#[derive(Debug)]
pub struct Outbox {
    directory: PathBuf,
}

/// A claim that was written to disk by this process; it is given once for one agent's idempotency key.
#[derive(Debug)]
pub struct Claim {
    name: Digest,
    row: OutboxRow,
}

impl Claim {
    /// What [`crate::domain::warrant::ExecutionPlan::claim_low`] takes.
    pub const fn row(&self) -> &OutboxRow {
        &self.row
    }
    /// The claim's name in the outbox.
    pub const fn name(&self) -> Digest {
        self.name
    }
}

/// Why there is no claim.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It was claimed before: it ran, runs, or may have run.
    #[error("proposal {0} was claimed before; it never runs twice")]
    Already(ProposalId),
    /// Not what a low-tier execution begins with.
    #[error("only a low-tier `started` entry with its plan can be claimed in the outbox")]
    NotStarted,
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// It can't be written, so it may not run.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a claimed execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Known.
    Finished(Finished),
    /// Nobody can tell.
    Unknown(Unknown),
}

/// A claim as it stands on the disk: everything that the ledger still has to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    name: Digest,
    written: Written,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    at: Timestamp,
    received: Received,
    started: Started,
    digests: Digests,
}

impl Row {
    /// The claim's name in the outbox.
    pub const fn name(&self) -> Digest {
        self.name
    }
    /// When it was claimed.
    pub const fn at(&self) -> Timestamp {
        self.written.at
    }
    /// The body of its `received` entry, with the proposal.
    pub const fn received(&self) -> &Received {
        &self.written.received
    }
    /// The body of its `started` entry.
    pub const fn started(&self) -> &Started {
        &self.written.started
    }
    /// The digests of its `started` entry.
    pub const fn digests(&self) -> &Digests {
        &self.written.digests
    }
    /// How it ended; `None` when the process died before it could tell, so that it is unknown.
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }
}

#[derive(Serialize)]
struct Name<'a> {
    agent: &'a str,
    idempotency_key: &'a str,
}

impl Outbox {
    pub(super) fn open(directory: PathBuf) -> Result<Self, StoreError> {
        // A crash inside `recorded` leaves an end without its row.
        let there = names(&directory)?;
        let rowless = |name: &&String| {
            name.strip_suffix(ENDED)
                .is_some_and(|stem| !there.contains(&format!("{stem}{ROW}")))
        };
        for name in there.iter().filter(rowless) {
            remove(&directory, name)?;
        }
        Ok(Self { directory })
    }

    /// Claims an execution, with all that the ledger will be told of it. On the disk before this returns.
    pub fn claim(&self, received: &Received, started: &Draft) -> Result<Claim, ClaimError> {
        let proposal = &received.proposal;
        let (Event::Started(body), Some(plan)) = (&started.event, started.digests.plan) else {
            return Err(ClaimError::NotStarted);
        };
        if body.claim != ClaimedBy::Outbox || started.proposal != Some(proposal.id) {
            return Err(ClaimError::NotStarted);
        }
        let name = digest_of(&Name {
            agent: proposal.binding.agent.as_str(),
            idempotency_key: proposal.idempotency_key.as_str(),
        })?;
        let written = Written {
            at: started.time,
            received: received.clone(),
            started: body.clone(),
            digests: started.digests.clone(),
        };
        if !put_new(&self.directory, &file(name, ROW), &canonical(&written)?)? {
            return Err(ClaimError::Already(proposal.id));
        }
        let row = OutboxRow {
            proposal: proposal.id,
            plan,
            instance: body.instance.clone(),
        };
        Ok(Claim { name, row })
    }

    /// Writes how a claimed execution ended; the first word stands.
    pub fn finish(&self, name: Digest, ended: &Ended) -> Result<(), ClaimError> {
        put_new(&self.directory, &file(name, ENDED), &canonical(ended)?)?;
        Ok(())
    }

    /// Every claim that the ledger is not known to hold, oldest first.
    pub fn rows(&self) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        for name in names(&self.directory)? {
            let Some(stem) = name.strip_suffix(&format!(".{ROW}")) else {
                continue;
            };
            let path = self.directory.join(&name);
            let name: Digest = format!("sha256:{stem}")
                .parse()
                .map_err(|error| damaged(&path, error))?;
            if let Some(row) = self.row(name)? {
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| (row.at(), row.name));
        Ok(rows)
    }

    fn row(&self, name: Digest) -> Result<Option<Row>, StoreError> {
        let read = |kind| {
            let path = self.directory.join(file(name, kind));
            get(&path).map(|bytes| (path, bytes))
        };
        let (path, Some(bytes)) = read(ROW)? else {
            return Ok(None);
        };
        let written = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
        let (path, bytes) = read(ENDED)?;
        let ended = bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error)));
        Ok(Some(Row {
            name,
            written,
            ended: ended.transpose()?,
        }))
    }

    /// Forgets a claim once the ledger holds its end; from then on the ledger's own record keeps it from running again.
    pub fn recorded(&self, name: Digest) -> Result<(), StoreError> {
        remove(&self.directory, &file(name, ROW))?;
        remove(&self.directory, &file(name, ENDED))?;
        Ok(())
    }
}

fn file(name: Digest, kind: &str) -> String {
    format!("{}.{kind}", hex::encode(name.as_bytes()))
}
