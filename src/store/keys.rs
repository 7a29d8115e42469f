//! The keys of sealed values: a row a proposal, so that one can be destroyed without the others. INVARIANT i29.

use std::sync::Arc;

use sqlx::Row as _;
use zeroize::Zeroizing;

use super::{
    database::Database,
    error::{StoreError, damaged},
    writer::Writer,
};
use crate::domain::{ids::ProposalId, sealed::DataKey};

/// Keeps data keys until they are erased; see [`super::Erasures`].
#[derive(Debug)]
pub struct Keys {
    database: Arc<Database>,
    writer: Writer,
}

impl Keys {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// Keeps a proposal's key; `false` when it has one already, which stays.
    pub async fn keep(&self, id: ProposalId, key: &DataKey) -> Result<bool, StoreError> {
        let (id, key) = (id.to_string(), Zeroizing::new(hex::encode(key.expose())));
        let kept = self.writer.at_the_door(move |connection| {
            let (id, key) = (id.clone(), key.clone());
            Box::pin(async move {
                let keep = sqlx::query(
                    "INSERT INTO data_keys (proposal, data_key) VALUES ($1, $2) \
                     ON CONFLICT (proposal) DO NOTHING RETURNING proposal",
                );
                let kept = keep
                    .bind(id)
                    .bind(key.as_str())
                    .fetch_optional(connection)
                    .await?;
                Ok(kept.is_some())
            })
        });
        kept.await
    }

    /// A proposal's key; `None` when there was none or it was erased.
    pub async fn get(&self, id: ProposalId) -> Result<Option<DataKey>, StoreError> {
        let mut connection = self.database.read().await?;
        let query = sqlx::query("SELECT data_key FROM data_keys WHERE proposal = $1").bind(id.to_string());
        let Some(row) = self.database.said(query.fetch_optional(&mut *connection).await)? else {
            return Ok(None);
        };
        let digits: Zeroizing<String> = Zeroizing::new(self.database.said(row.try_get("data_key"))?);
        // One that was destroyed leaves its row.
        if digits.is_empty() {
            return Ok(None);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&*digits, &mut *bytes)
            .map_err(|_| damaged(format!("data_keys, {id}"), "a data key has 32 bytes"))?;
        Ok(Some(DataKey::new(*bytes)))
    }
}
