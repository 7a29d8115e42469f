//! What is written of claims, in a few statements for all that wait.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::Epoch;
use crate::store::{
    database::places,
    writer::{ROWS, Together},
};

/// A claim to be written.
pub(super) struct NewRow {
    pub(super) epoch: Epoch,
    pub(super) at: i64,
    /// Name, proposal, agent, its key and its nonce, instance, and the claim itself.
    pub(super) texts: [String; 7],
    /// How the rules' row is read so that nobody changes it meanwhile.
    pub(super) shared: &'static str,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claimed {
    Now,
    Already,
    OtherRules,
}

impl NewRow {
    fn name(&self) -> &str {
        let [name, ..] = &self.texts;
        name
    }
}

impl Together for NewRow {
    type Said = Claimed;

    fn write<'a>(
        all: &'a [Self],
        connection: &'a mut AnyConnection,
    ) -> BoxFuture<'a, sqlx::Result<Vec<Claimed>>> {
        Box::pin(async move {
            let Some(first) = all.first() else {
                return Ok(Vec::new());
            };
            let now = format!("SELECT epoch FROM rules{}", first.shared);
            let row = sqlx::query(AssertSqlSafe(now))
                .fetch_one(&mut *connection)
                .await?;
            let epoch = Epoch(row.try_get("epoch")?);
            // By name, so that two replicas lock in the same order; of one name the first has it.
            let mut firsts: BTreeMap<&str, usize> = BTreeMap::new();
            for (at, claim) in all.iter().enumerate().filter(|(_, claim)| claim.epoch == epoch) {
                firsts.entry(claim.name()).or_insert(at);
            }
            let claims: Vec<&Self> = firsts.values().filter_map(|at| all.get(*at)).collect();
            let mut written = BTreeSet::new();
            for some in claims.chunks(ROWS) {
                written.extend(insert(some, connection).await?);
            }
            let said = |(at, claim): (usize, &Self)| {
                if claim.epoch != epoch {
                    Claimed::OtherRules
                } else if firsts.get(claim.name()) == Some(&at) && written.contains(claim.name()) {
                    Claimed::Now
                } else {
                    Claimed::Already
                }
            };
            Ok(all.iter().enumerate().map(said).collect())
        })
    }
}

/// Writes claims; the names that were not there.
async fn insert(some: &[&NewRow], connection: &mut AnyConnection) -> sqlx::Result<Vec<String>> {
    let sql = format!(
        "INSERT INTO outbox (claimed_at, name, proposal, agent, idempotency_key, nonce, instance, claim) \
         VALUES {} ON CONFLICT (name) DO NOTHING RETURNING name",
        places(some.len(), 8)
    );
    let mut insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for claim in some {
        insert = insert.bind(claim.at);
        for text in &claim.texts {
            insert = insert.bind(text);
        }
    }
    let rows = insert.fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

/// How a claim ended; it is told whether that is the first word.
pub(super) struct End {
    pub(super) name: String,
    pub(super) ended: String,
}

impl Together for End {
    type Said = bool;

    fn write<'a>(
        all: &'a [Self],
        connection: &'a mut AnyConnection,
    ) -> BoxFuture<'a, sqlx::Result<Vec<bool>>> {
        Box::pin(async move {
            let mut firsts: BTreeMap<&str, usize> = BTreeMap::new();
            for (at, end) in all.iter().enumerate() {
                firsts.entry(&end.name).or_insert(at);
            }
            let ends: Vec<&Self> = firsts.values().filter_map(|at| all.get(*at)).collect();
            let mut written: BTreeSet<String> = BTreeSet::new();
            for some in ends.chunks(ROWS) {
                let sql = format!(
                    "WITH said (claim_name, said) AS (VALUES {}) UPDATE outbox SET ended = said.said FROM said \
                     WHERE outbox.name = said.claim_name AND outbox.ended IS NULL RETURNING name",
                    places(some.len(), 2)
                );
                let mut update = sqlx::query(AssertSqlSafe(sql)).persistent(false);
                for end in some {
                    update = update.bind(&end.name).bind(&end.ended);
                }
                for row in update.fetch_all(&mut *connection).await? {
                    written.insert(row.try_get("name")?);
                }
            }
            let said = |(at, end): (usize, &Self)| {
                firsts.get(end.name.as_str()) == Some(&at) && written.contains(&end.name)
            };
            Ok(all.iter().enumerate().map(said).collect())
        })
    }
}

/// The name of a claim whose end the ledger holds.
pub(super) struct Recorded(pub(super) String);

impl Together for Recorded {
    type Said = ();

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<Vec<()>>> {
        Box::pin(async move {
            for some in all.chunks(ROWS) {
                let sql = format!("DELETE FROM outbox WHERE name IN {}", places(1, some.len()));
                let mut delete = sqlx::query(AssertSqlSafe(sql)).persistent(false);
                for Self(name) in some {
                    delete = delete.bind(name);
                }
                delete.execute(&mut *connection).await?;
            }
            Ok(vec![(); all.len()])
        })
    }
}
