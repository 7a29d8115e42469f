//! What targets answered, sealed with each proposal's key, for a while. INVARIANT i29.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use zeroize::Zeroizing;

use super::{
    changes::{Bound, changed},
    database::{Database, Places},
    error::StoreError,
    writer::{ROWS, Together, Writer, Writing},
};
use crate::domain::{
    ids::{ProposalId, Timestamp},
    sealed::DataKey,
};

/// The most rows that one call lets go of.
const MOST_ROWS: i64 = 10_000;

/// Keeps answers until their time is over or they are erased.
#[derive(Debug)]
pub struct Results {
    database: Arc<Database>,
    writer: Writer,
}

/// The answer to one step, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The step among its proposal's.
    pub place: String,
    /// What only the proposal's key opens.
    pub sealed: String,
}

impl Results {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// Keeps answers that were sealed with a proposal's key, in the place of older ones. A proposal that has no key yet gets
    /// this one, for as long as its answers are kept; `false` when it has another one, or was erased: then nothing is kept.
    pub async fn keep(
        &self,
        proposal: ProposalId,
        key: &DataKey,
        answers: Vec<Kept>,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let keeping = Keeping {
            id: proposal.to_string(),
            key: Zeroizing::new(hex::encode(key.expose())),
            answers,
            until: until.millis(),
        };
        self.writer.share(keeping).await
    }

    /// The answers to a proposal that are kept, by place.
    pub async fn of(&self, proposal: ProposalId) -> Result<Vec<Kept>, StoreError> {
        let mut connection = self.database.read().await?;
        let query = sqlx::query(
            "SELECT place, sealed FROM results WHERE proposal = $1 \
             ORDER BY LENGTH(place), place",
        );
        let rows = query.bind(proposal.to_string()).fetch_all(&mut *connection).await;
        let kept = self.database.said(rows)?.into_iter().map(|row| {
            Ok(Kept {
                place: row.try_get("place")?,
                sealed: row.try_get("sealed")?,
            })
        });
        self.database.said(kept.collect())
    }

    /// Lets go of answers whose time is over, and of keys that were kept for them alone; 10,000 of each at most.
    pub async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let now = now.millis();
        let pruned = self.writer.write(move |connection| {
            Box::pin(async move {
                for (table, own) in [("results", "proposal, place"), ("data_keys", "proposal")] {
                    let sql = AssertSqlSafe(format!(
                        "DELETE FROM {table} WHERE ({own}) IN \
                         (SELECT {own} FROM {table} WHERE until IS NOT NULL AND until <= $1 LIMIT {MOST_ROWS})"
                    ));
                    sqlx::query(sql).bind(now).execute(&mut *connection).await?;
                }
                Ok(())
            })
        });
        pruned.await
    }
}

/// Answers to be kept, and the key that opens them.
struct Keeping {
    id: String,
    key: Zeroizing<String>,
    answers: Vec<Kept>,
    until: i64,
}

impl Together for Keeping {
    type Said = bool;

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, bool> {
        Box::pin(async move {
            let (mut said, mut rest) = (Vec::with_capacity(all.len()), all);
            // One statement changes a row once: what is kept twice for one proposal is so one after the other.
            while !rest.is_empty() {
                let mut ids = BTreeSet::new();
                let others = rest
                    .iter()
                    .map(|one| one.id.as_str())
                    .take(ROWS)
                    .take_while(|id| ids.insert(*id));
                let some = others.count();
                let (some, later) = rest.split_at_checked(some).unwrap_or((rest, &[]));
                let same = same_key(some, connection).await?;
                let kept = some.iter().zip(&same).filter(|(_, same)| **same);
                keep(kept.map(|(one, _)| one), connection).await?;
                said.extend(same);
                rest = later;
            }
            Ok(said)
        })
    }
}

/// Whose key is the one given: those that had none have it now.
async fn same_key(some: &[Keeping], connection: &mut AnyConnection) -> sqlx::Result<Vec<bool>> {
    // A key of sealed values has no end, and one that was destroyed is no key.
    let sql = format!(
        "INSERT INTO data_keys (proposal, data_key, until) VALUES {} ON CONFLICT (proposal) \
         DO UPDATE SET until = CASE WHEN data_keys.until IS NULL THEN NULL ELSE excluded.until END \
         WHERE data_keys.data_key = excluded.data_key",
        Places::on(connection).rows(some.len(), 3)
    );
    let bind = |same: Bound| {
        let one = |same: Bound, one: &Keeping| same.bind(&one.id).bind(one.key.as_str()).bind(one.until);
        some.iter().fold(same, one)
    };
    let key = |one: &Keeping| vec![one.id.clone()];
    changed(connection, (sql, "proposal"), bind, (some, key)).await
}

/// Writes answers, in the place of older ones.
async fn keep(keeping: impl Iterator<Item = &Keeping>, connection: &mut AnyConnection) -> sqlx::Result<()> {
    let mut rows: BTreeMap<(&str, &str), (&str, i64)> = BTreeMap::new();
    for one in keeping {
        for answer in &one.answers {
            rows.insert((&one.id, &answer.place), (&answer.sealed, one.until));
        }
    }
    let rows: Vec<_> = rows.into_iter().collect();
    for some in rows.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO results (proposal, place, sealed, until) VALUES {} \
             ON CONFLICT (proposal, place) DO UPDATE SET sealed = excluded.sealed, until = excluded.until",
            Places::on(connection).rows(some.len(), 4)
        );
        let mut keep = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for ((id, place), (sealed, until)) in some {
            keep = keep.bind(*id).bind(*place).bind(*sealed).bind(*until);
        }
        keep.execute(&mut *connection).await?;
    }
    Ok(())
}
