//! How far whoever listens was told. What they are told of stands in the ledger, so that nothing else has to be kept.
//! INVARIANT i14, i31.

use std::sync::Arc;

use sqlx::Row as _;

use super::{database::Database, error::StoreError, writer::Writer};
use crate::domain::ids::Seq;

/// The first entry, for each channel, that may still have to be told of.
#[derive(Debug)]
pub struct Channels {
    database: Arc<Database>,
    writer: Writer,
}

impl Channels {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// The first entry that a channel was not told of; none when nothing is known of that channel.
    pub async fn next(&self, channel: &str) -> Result<Option<Seq>, StoreError> {
        let mut connection = self.database.read().await?;
        let next = sqlx::query("SELECT next FROM channels WHERE channel = $1").bind(channel);
        let row = self.database.said(next.fetch_optional(&mut *connection).await)?;
        let next: Option<i64> = self
            .database
            .said(row.map(|row| row.try_get("next")).transpose())?;
        Ok(next.map(|next| Seq(next.unsigned_abs())))
    }

    /// A channel was told of everything before an entry. It never goes back: whoever lost a lease is late.
    pub async fn told(&self, channel: &str, next: Seq) -> Result<(), StoreError> {
        let (channel, next) = (channel.to_owned(), i64::try_from(next.0).unwrap_or(i64::MAX));
        let told = self.writer.write(move |connection| {
            let channel = channel.clone();
            Box::pin(async move {
                let told = sqlx::query(
                    "INSERT INTO channels (channel, next) VALUES ($1, $2) ON CONFLICT (channel) \
                     DO UPDATE SET next = excluded.next WHERE channels.next < excluded.next",
                );
                told.bind(channel).bind(next).execute(connection).await.map(drop)
            })
        });
        told.await
    }
}
