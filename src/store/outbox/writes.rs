//! What is written of claims, in a few statements for all that wait.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, AssertSqlSafe};

use super::{Epoch, read_epoch};
use crate::store::{
    changes::{Bound, changed},
    database::Places,
    writer::{ROWS, Together, Writing},
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

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, Claimed> {
        Box::pin(async move {
            let Some(first) = all.first() else {
                return Ok(Vec::new());
            };
            let epoch = read_epoch(connection, first.shared).await?;
            let ours = all.iter().filter(|claim| claim.epoch == epoch);
            let firsts = Firsts::of(ours, Self::name);
            let mut taken = BTreeSet::new();
            for some in firsts.all().chunks(ROWS) {
                let written = insert(some, connection).await?;
                let others = some.iter().zip(written).filter(|(_, written)| !written);
                taken.extend(others.map(|(claim, _)| claim.name()));
            }
            let said = |claim: &Self| {
                if claim.epoch != epoch {
                    Claimed::OtherRules
                } else if firsts.has(claim.name(), claim) && !taken.contains(claim.name()) {
                    Claimed::Now
                } else {
                    Claimed::Already
                }
            };
            Ok(all.iter().map(said).collect())
        })
    }
}

/// The first of each name, by name, so that two replicas lock in the same order.
struct Firsts<'a, T>(BTreeMap<&'a str, &'a T>);

impl<'a, T> Firsts<'a, T> {
    fn of(all: impl Iterator<Item = &'a T>, name: impl Fn(&'a T) -> &'a str) -> Self {
        let mut firsts = BTreeMap::new();
        for one in all {
            firsts.entry(name(one)).or_insert(one);
        }
        Self(firsts)
    }
    fn all(&self) -> Vec<&'a T> {
        self.0.values().copied().collect()
    }
    fn has(&self, name: &str, one: &T) -> bool {
        self.0.get(name).is_some_and(|first| std::ptr::eq(*first, one))
    }
}

/// Writes claims; whether each name was free.
async fn insert(some: &[&NewRow], connection: &mut AnyConnection) -> sqlx::Result<Vec<bool>> {
    let sql = format!(
        "INSERT INTO outbox (claimed_at, name, proposal, agent, idempotency_key, nonce, instance, claim) \
         VALUES {} ON CONFLICT (name) DO NOTHING",
        Places::on(connection).rows(some.len(), 8)
    );
    let bind = |mut insert: Bound| {
        for claim in some {
            insert = insert.bind(claim.at);
            for text in &claim.texts {
                insert = insert.bind(text);
            }
        }
        insert
    };
    let key = |claim: &&NewRow| vec![claim.name().to_owned()];
    changed(connection, (sql, "name"), bind, (some, key)).await
}

/// How a claim ended; it is told whether that is the first word.
pub(super) struct End {
    pub(super) name: String,
    pub(super) ended: String,
}

impl Together for End {
    type Said = bool;

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, bool> {
        Box::pin(async move {
            let firsts = Firsts::of(all.iter(), |end| &end.name);
            let mut late = BTreeSet::new();
            for some in firsts.all().chunks(ROWS) {
                let sql = format!(
                    "WITH said (claim_name, said) AS (VALUES {}) UPDATE outbox SET ended = said.said FROM said \
                     WHERE outbox.name = said.claim_name AND outbox.ended IS NULL",
                    Places::on(connection).rows(some.len(), 2)
                );
                let bind = |update: Bound| {
                    let one = |update: Bound, end: &&Self| update.bind(&end.name).bind(&end.ended);
                    some.iter().fold(update, one)
                };
                let key = |end: &&Self| vec![end.name.clone()];
                let written = changed(connection, (sql, "name"), bind, (some, key)).await?;
                let others = some.iter().zip(written).filter(|(_, written)| !written);
                late.extend(others.map(|(end, _)| end.name.as_str()));
            }
            let said = |end: &Self| firsts.has(&end.name, end) && !late.contains(end.name.as_str());
            Ok(all.iter().map(said).collect())
        })
    }
}

/// The name of a claim whose end the ledger holds.
pub(super) struct Recorded(pub(super) String);

impl Together for Recorded {
    type Said = ();

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, ()> {
        Box::pin(async move {
            for some in all.chunks(ROWS) {
                let sql = format!(
                    "DELETE FROM outbox WHERE name IN {}",
                    Places::on(connection).rows(1, some.len())
                );
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
