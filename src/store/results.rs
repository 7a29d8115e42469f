//! What targets answered, sealed with each proposal's key, for a while. INVARIANT i29.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row as _};
use zeroize::Zeroizing;

use super::{database::Database, error::StoreError, writer::Writer};
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
        let (id, until, answers) = (proposal.to_string(), until.millis(), Arc::new(answers));
        let key = Zeroizing::new(hex::encode(key.expose()));
        let kept = self.writer.write(move |connection| {
            let (id, key, answers) = (id.clone(), key.clone(), Arc::clone(&answers));
            Box::pin(async move {
                // A key of sealed values has no end, and one that was destroyed is no key.
                let same = sqlx::query(
                    "INSERT INTO data_keys (proposal, data_key, until) VALUES ($1, $2, $3) ON CONFLICT (proposal) \
                     DO UPDATE SET until = CASE WHEN data_keys.until IS NULL THEN NULL ELSE excluded.until END \
                     WHERE data_keys.data_key = excluded.data_key RETURNING proposal",
                );
                let same = same.bind(&id).bind(key.as_str()).bind(until);
                if same.fetch_optional(&mut *connection).await?.is_none() {
                    return Ok(false);
                }
                for answer in answers.iter() {
                    let keep = sqlx::query(
                        "INSERT INTO results (proposal, place, sealed, until) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (proposal, place) DO UPDATE SET sealed = excluded.sealed, until = excluded.until",
                    );
                    let keep = keep.bind(&id).bind(&answer.place).bind(&answer.sealed).bind(until);
                    keep.execute(&mut *connection).await?;
                }
                Ok(true)
            })
        });
        kept.await
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
