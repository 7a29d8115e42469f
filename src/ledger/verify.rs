//! Proving a ledger from a clone, the genesis digest, and nothing else. INVARIANT i28.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    walk::{Step, WalkError, walk},
};
use crate::domain::{
    audit::{Finding, Flaw},
    book::Book,
    entry::Kind,
    ids::{BranchName, Digest, Seq, Sha, Timestamp},
};

/// Findings that a report holds; the rest is counted.
const MAX_FINDINGS: usize = 1_000;

/// Why a ledger can't be proved or disproved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It can't be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The checkpoint given is not one of this ledger.
    #[error("the checkpoint can't be used: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// What reading a whole ledger found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The digest everything hangs on.
    pub genesis: Digest,
    /// Commits on the branch.
    pub commits: u64,
    /// The newest of them.
    pub tip: Sha,
    /// Entries that are part of the record.
    pub entries: u64,
    /// SHA-256 of the newest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Digest>,
    /// When the first was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// When the newest was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// How many of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// The size of the checkpoint that the ledger was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// What is not part of the record, the first thousand.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

impl Report {
    /// Whether nothing was found.
    pub const fn sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }
}

/// Reads a whole ledger and says what is recorded and what is not; `progress` is told how many commits are done, of
/// how many.
pub fn verify(
    dir: &Path,
    branch: &BranchName,
    genesis: Digest,
    checkpoint: Option<&SignedCheckpoint>,
    progress: impl FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    let mut report = Report {
        genesis,
        commits: 0,
        tip: Sha::from_bytes([0; 20]),
        entries: 0,
        head: None,
        first: None,
        last: None,
        kinds: BTreeMap::new(),
        checkpoint: checkpoint.map(SignedCheckpoint::size),
        findings: Vec::new(),
        more_findings: 0,
    };
    let noted = checkpoint.and_then(|checkpoint| checkpoint.size().checked_sub(1));
    let mut held = None;
    let each = |_: Option<&Book>, step: Step<'_>| match step {
        Step::Recorded(recorded) => {
            let entry = recorded.entry();
            *report.kinds.entry(entry.kind()).or_default() += 1;
            report.entries += 1;
            report.head = Some(recorded.digest());
            report.first = report.first.or(Some(entry.time));
            report.last = Some(entry.time);
            if noted == Some(entry.seq.0) {
                held = Some(recorded.digest());
            }
        }
        Step::Found(finding) => report.found(finding),
    };
    let walked = walk(dir, branch, Some(genesis), each, progress)?;
    report.commits = walked.commits;
    report.tip = walked.tip;
    if let (Some(checkpoint), Some(book)) = (checkpoint, &walked.book) {
        checkpoint.verify(book.keys(), book.genesis())?;
        if held != Some(checkpoint.digest()) {
            report.found(Finding {
                commit: None,
                seq: noted.map(Seq),
                flaw: Flaw::Checkpoint {
                    size: checkpoint.size(),
                },
            });
        }
    }
    Ok(report)
}
