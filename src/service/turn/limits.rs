//! What the limits count: the ledger, and what ran here and is not recorded yet. INVARIANT i20.
//!
//! Low tier runs before it is recorded. What this process claimed is counted from its outbox; what another process
//! claimed is counted once its group is pushed, so that low-tier actions of several executors can pass a limit by what
//! the others ran within that bound (10 s, INVARIANT i16).

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::Bot;
use crate::{
    domain::{
        assess::Assessment,
        book::Full,
        case::{Case, Life},
        checks::Level,
        ids::Timestamp,
        policy::{LIMITS, Policy},
        proposal::Proposal,
        totals::{Count, SoFar, Totals},
    },
    service::problem::Problem,
    store::{Ended, Row, StoreError},
};

/// Lets one low-tier proposal at a time count its limits and be claimed.
#[derive(Debug, Clone, Default)]
pub(super) struct Counting(Arc<tokio::sync::Mutex<()>>);

impl Counting {
    pub(super) async fn alone(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0).lock_owned().await
    }
}

impl Bot {
    /// What the limits of a proposal's action count now.
    pub(super) fn totals(&self, proposal: &Proposal, policy: &Policy) -> Result<Totals, StoreError> {
        let matter = proposal.matter();
        if Totals::of(&matter, policy).is_empty() {
            return Ok(Totals::default());
        }
        let rows = self.unrecorded()?;
        Ok(self.ledger().read(|book| {
            let rows = rows.iter().filter(|row| !book.knows(row.received().proposal.id));
            let rows: Vec<&Row> = rows.collect();
            book.totals(proposal, policy).counted(|count| SoFar {
                ran: ran(&rows, count, matter.at),
                ..SoFar::default()
            })
        }))
    }

    /// Whether the limits have room for a case that is about to run. Errors: the limit that is full.
    pub(super) fn room(&self, case: &Case) -> Result<Result<(), Full>, StoreError> {
        if case.assessment.totals.is_empty() {
            return Ok(Ok(()));
        }
        let (now, rows) = (self.now(), self.unrecorded()?);
        Ok(self.ledger().read(|book| {
            let rows = rows.iter().filter(|row| !book.knows(row.received().proposal.id));
            let rows: Vec<&Row> = rows.collect();
            book.room(case, now, |count| ran(&rows, count, now))
        }))
    }

    /// The outbox's rows. They are read before the book, so that one that is recorded in between is counted by it.
    fn unrecorded(&self) -> Result<Vec<Row>, StoreError> {
        self.store().outbox().rows()
    }
}

/// What ran, or may have run, within a limit's window.
fn ran(rows: &[&Row], count: &Count, now: Timestamp) -> i64 {
    let within = |row: &&&Row| now.since(row.at()) < count.per().millis();
    let counts = |row: &&&Row| match row.ended() {
        Some(Ended::Finished(finished)) => Life::of(finished.outcome).ran(),
        Some(Ended::Unknown(_)) | None => true,
    };
    let adds = rows.iter().filter(within).filter(counts).map(|row| {
        let totals = &row.received().assessment.totals;
        totals.adds_to(count.counter())
    });
    adds.fold(0, i64::saturating_add)
}

/// What an agent is told when a limit leaves no room: nothing is recorded, and nothing is reserved.
pub(super) fn refusal(assessment: &Assessment) -> Option<Problem> {
    assessment.totals.iter().find(|count| count.refuses())?;
    let checks = assessment.checks.iter();
    let counted = checks.filter(|check| check.check.as_str() == LIMITS);
    let over = counted
        .flat_map(|check| &check.problems)
        .filter(|problem| problem.level > Level::Pass);
    let said = over.map(|problem| format!("{}; {}", problem.found, problem.remedy));
    Some(Problem::over_limit(said.collect::<Vec<_>>().join(". ")))
}
