//! What other rules would make of the recent past.

use super::Bot;
use crate::{
    domain::{facts::facts_of, policy::Policy, replay::replay},
    render,
};

impl Bot {
    /// The proposals of the recent past, judged by both.
    pub(super) fn replayed(&self, old: &Policy, new: &Policy) -> render::Replayed {
        self.ledger().read(|book| {
            let mut replayed = render::Replayed::default();
            let open = book.cases().map(|(_, case)| case);
            for case in open.chain(book.recently_ended()) {
                replayed.judged += 1;
                if let Some(difference) = replay(&facts_of(case, None), old, new) {
                    replayed.differences.push((case.proposal.id, difference));
                }
            }
            replayed
        })
    }
}
