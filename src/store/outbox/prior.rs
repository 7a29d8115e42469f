//! What is known of agents' keys and nonces, looked up at once for all that wait.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{Epoch, read_epoch};
use crate::store::{
    database::Places,
    writer::{ROWS, Together, Writing},
};

/// An agent's key and nonce.
pub(super) struct Asked {
    /// The name that a claim with the key has; empty without a key.
    pub(super) name: String,
    pub(super) agent: String,
    pub(super) nonce: String,
}

/// What claims are known of them.
pub(super) struct Known {
    pub(super) epoch: Epoch,
    /// The proposal that claimed with the key.
    pub(super) proposal: Option<String>,
    /// Whether one claimed with the nonce.
    pub(super) nonce: bool,
}

impl Together for Asked {
    type Said = Known;

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, Known> {
        Box::pin(async move {
            let epoch = read_epoch(connection, "").await?;
            let (mut proposals, mut nonces) = (BTreeMap::new(), BTreeSet::new());
            for some in all.chunks(ROWS) {
                // Two searches: with `OR`, SQLite looks through all that an agent claimed.
                let sql = format!(
                    "WITH asked (claim_name, asker, shown) AS (VALUES {}) \
                     SELECT name, proposal, agent, nonce FROM asked JOIN outbox ON name = claim_name UNION \
                     SELECT name, proposal, agent, nonce FROM asked JOIN outbox ON agent = asker AND nonce = shown",
                    Places::on(connection).rows(some.len(), 3)
                );
                let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
                for asked in some {
                    query = query.bind(&asked.name).bind(&asked.agent).bind(&asked.nonce);
                }
                for row in query.fetch_all(&mut *connection).await? {
                    let column = |name| row.try_get::<String, _>(name);
                    proposals.insert(column("name")?, column("proposal")?);
                    nonces.insert((column("agent")?, column("nonce")?));
                }
            }
            let known = |asked: &Self| Known {
                epoch,
                proposal: proposals.get(&asked.name).cloned(),
                nonce: nonces.contains(&(asked.agent.clone(), asked.nonce.clone())),
            };
            Ok(all.iter().map(known).collect())
        })
    }
}
