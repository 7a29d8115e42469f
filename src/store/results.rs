//! What targets answered, and the salts of the commitments that the ledger holds. Erasable, as the ledger is not.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::{
    database::Database,
    error::{StoreError, damaged},
    writer::Writer,
};
use crate::domain::{
    canonical::Salt,
    ids::{ItemId, ProposalId},
};

/// Keeps answers until they are erased.
#[derive(Debug)]
pub struct Results {
    database: Arc<Database>,
    writer: Writer,
}

/// An answer and the salt of its commitment, which is `sha256(salt || body)`.
pub struct Kept {
    salt: Salt,
    body: Zeroizing<Vec<u8>>,
}

impl Kept {
    /// The salt.
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }
    /// The answer's bytes as they came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(..)")
    }
}

impl Results {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// Keeps an item's answer, in the place of an older one.
    pub async fn keep(
        &self,
        proposal: ProposalId,
        item: &ItemId,
        salt: &Salt,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let names = (proposal.to_string(), item.as_str().to_owned());
        let salt = Zeroizing::new(hex::encode(salt.expose()));
        let body = Zeroizing::new(BASE64.encode(body));
        let kept = self.writer.write(move |connection| {
            let ((proposal, item), salt, body) = (names.clone(), salt.clone(), body.clone());
            Box::pin(async move {
                let keep = sqlx::query(
                    "INSERT INTO results (proposal, item, salt, body) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (proposal, item) DO UPDATE SET salt = excluded.salt, body = excluded.body",
                );
                let keep = keep
                    .bind(proposal)
                    .bind(item)
                    .bind(salt.as_str())
                    .bind(body.as_str());
                keep.execute(connection).await.map(drop)
            })
        });
        kept.await
    }

    /// An item's answer; `None` when there is none or it was erased.
    pub async fn get(&self, proposal: ProposalId, item: &ItemId) -> Result<Option<Kept>, StoreError> {
        let mut connection = self.database.read().await?;
        let query = sqlx::query("SELECT salt, body FROM results WHERE proposal = $1 AND item = $2");
        let query = query.bind(proposal.to_string()).bind(item.as_str());
        let Some(row) = self.database.said(query.fetch_optional(&mut *connection).await)? else {
            return Ok(None);
        };
        let column = |name| {
            self.database
                .said(row.try_get::<String, _>(name))
                .map(Zeroizing::new)
        };
        let wrong = |error: &dyn std::fmt::Display| damaged(format!("results, {proposal}"), error);
        let mut salt = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&*column("salt")?, &mut *salt).map_err(|error| wrong(&error))?;
        let body = BASE64.decode(&*column("body")?).map_err(|error| wrong(&error))?;
        Ok(Some(Kept {
            salt: Salt::new(*salt),
            body: Zeroizing::new(body),
        }))
    }

    /// Destroys every answer to a proposal; `false` when there is none.
    pub async fn erase(&self, proposal: ProposalId) -> Result<bool, StoreError> {
        let proposal = proposal.to_string();
        let erased = self.writer.write(move |connection| {
            let proposal = proposal.clone();
            Box::pin(async move {
                let erase = sqlx::query("DELETE FROM results WHERE proposal = $1").bind(proposal);
                Ok(erase.execute(connection).await?.rows_affected() > 0)
            })
        });
        let erased = erased.await?;
        self.database.forget("results").await?;
        Ok(erased)
    }
}
