//! Destroying what is kept of a proposal: its key, so that sealed values can never be read again, from Git or anywhere,
//! and the answers to it. INVARIANT i29.
//!
//! The row of the key stays, and holds nothing: whoever comes late with an answer finds that there is no key to keep it
//! with. Copies that a file system, a log archive or a backup keeps are the operator's to destroy.

use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};

use super::{database::Database, error::StoreError, writer::Writer};
use crate::domain::{entry::Destroyed, ids::ProposalId};

/// Destroys keys and answers.
#[derive(Debug)]
pub struct Erasures {
    database: Arc<Database>,
    writer: Writer,
}

impl Erasures {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// What is kept of a proposal.
    pub async fn holds(&self, proposal: ProposalId) -> Result<Destroyed, StoreError> {
        let mut connection = self.database.read().await?;
        self.database
            .said(holds(&mut connection, &proposal.to_string()).await)
    }

    /// Destroys what is kept of a proposal, in the files too, and keeps nothing of it from here on. Doing it twice changes
    /// nothing more.
    pub async fn erase(&self, proposal: ProposalId) -> Result<Destroyed, StoreError> {
        let proposal = proposal.to_string();
        let erased = self.writer.write(move |connection| {
            let proposal = proposal.clone();
            Box::pin(async move {
                let held = holds(&mut *connection, &proposal).await?;
                let destroy = sqlx::query(
                    "INSERT INTO data_keys (proposal, data_key) VALUES ($1, '') ON CONFLICT (proposal) \
                     DO UPDATE SET data_key = '', until = NULL",
                );
                destroy.bind(&proposal).execute(&mut *connection).await?;
                let answers = sqlx::query("DELETE FROM results WHERE proposal = $1").bind(&proposal);
                answers.execute(&mut *connection).await?;
                Ok(held)
            })
        });
        let held = erased.await?;
        for table in ["data_keys", "results"] {
            self.database.forget(table).await?;
        }
        Ok(held)
    }
}

async fn holds(connection: &mut AnyConnection, proposal: &str) -> sqlx::Result<Destroyed> {
    let query = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM data_keys WHERE proposal = $1 AND data_key <> '') AS keys, \
         (SELECT COUNT(*) FROM results WHERE proposal = $1) AS answers",
    );
    let row = query.bind(proposal).fetch_one(connection).await?;
    let (keys, answers): (i64, i64) = (row.try_get("keys")?, row.try_get("answers")?);
    Ok(Destroyed {
        key: keys > 0,
        answers: u32::try_from(answers).unwrap_or(u32::MAX),
    })
}
