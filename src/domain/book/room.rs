//! Whether limits have room for what is about to run, and when they have it again. INVARIANT i20.

use serde::Serialize;

use super::{
    super::{
        case::Case,
        entry::{ClaimedBy, Started},
        ids::{Span, Timestamp},
        illegal::Illegal,
        policy::Tier,
        totals::Count,
    },
    Book,
};

/// A limit without room for a case to run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Full {
    /// The limit's name.
    pub limit: String,
    /// The most in one window.
    pub max: i64,
    /// The window.
    pub per: Span,
    /// What ran, or may have run, within it.
    pub ran: i64,
    /// What the case would add.
    pub adds: i64,
    /// When enough of what ran has left the window; none when it does not by itself.
    pub frees_at: Option<Timestamp>,
}

impl Book {
    /// Whether the limits still have room for a proposal that is about to run. What an outbox claimed is recorded after the
    /// act: its limits were counted at its claim.
    pub(super) fn startable(&self, case: &Case, started: &Started, time: Timestamp) -> Result<(), Illegal> {
        if started.claim == ClaimedBy::Outbox {
            return Ok(());
        }
        let room = self.room(case, time, |_| 0);
        room.map_err(|full| Illegal::Limit(full.limit))
    }

    /// Whether the limits of a case have room for it to run now; `also` is what ran and is not recorded yet. Errors: the
    /// limit that has room last.
    pub fn room(&self, case: &Case, now: Timestamp, also: impl Fn(&Count) -> i64) -> Result<(), Full> {
        let (matter, id) = (case.proposal.matter(), Some(case.proposal.id));
        let low = case.tier() == Tier::Low;
        let full = case.assessment.totals.iter().filter_map(|count| {
            let also = also(count);
            let ran = self.holds(count, &matter, id, now).ran.saturating_add(also);
            count.over_by_running(ran, low).then(|| Full {
                limit: count.limit().to_owned(),
                max: count.max(),
                per: count.per(),
                ran,
                adds: count.adds(),
                frees_at: self.running.frees_at(count, id, now, also, low),
            })
        });
        let last = full.max_by_key(|full| (full.frees_at.is_none(), full.frees_at));
        last.map_or(Ok(()), Err)
    }
}
