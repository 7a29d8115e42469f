//! What other rules would make of the recent past, with what was observed then.

use std::{collections::BTreeSet, sync::Arc};

use super::{Bot, NotNow};
use crate::{
    domain::{
        case::Case,
        facts::{Facts, facts_since},
        ids::ProposalId,
        policy::Policy,
        replay::replay,
    },
    render,
};

/// The newest proposals that are judged by both.
const NEWEST: usize = 200;
/// So far back the ledger is read for what was observed of them.
const ENTRIES: usize = 20_000;

impl Bot {
    /// The newest proposals, judged by both.
    pub(super) async fn replayed(
        &self,
        old: &Arc<Policy>,
        new: &Arc<Policy>,
    ) -> Result<render::Replayed, NotNow> {
        let (head, cases) = self.ledger().read(|book| {
            let open = book.cases().map(|(_, case)| case);
            let mut cases: Vec<&Case> = open.chain(book.recently_ended()).collect();
            // Their ids tell when they were made.
            cases.sort_by_key(|case| std::cmp::Reverse(case.proposal.id));
            let newest = cases.into_iter().take(NEWEST).cloned();
            (book.head(), newest.collect::<Vec<Case>>())
        });
        let ids: BTreeSet<ProposalId> = cases.iter().map(|case| case.proposal.id).collect();
        let mut past = self.ledger().past(head, ids, ENTRIES).await?;
        let (old, new) = (Arc::clone(old), Arc::clone(new));
        let judged = tokio::task::spawn_blocking(move || {
            let mut replayed = render::Replayed::default();
            for case in &cases {
                let id = case.proposal.id;
                if past.unread.contains(&id) {
                    replayed.unread += 1;
                    continue;
                }
                let since = past.reviews.get(&id).copied().unwrap_or_default();
                let facts: Facts = facts_since(case, past.observed.remove(&id), since);
                replayed.judged += 1;
                if old.same_rules(&new, facts.operation().as_str()) {
                    continue;
                }
                if let Some(difference) = replay(&facts, &old, &new) {
                    replayed.differences.push((id, difference));
                }
            }
            replayed
        });
        judged.await.map_err(NotNow::internal)
    }
}
