//! The processes that share a database, and which of them are surely gone.

use std::sync::Arc;

use sqlx::Row as _;

use super::{database::Database, error::StoreError, writer::Writer};
use crate::domain::ids::{InstanceId, Timestamp};

/// Whoever was not heard of for this long is gone, in milliseconds.
const GONE: i64 = 120_000;

/// Processes and when each was last heard of.
#[derive(Debug)]
pub struct Instances {
    database: Arc<Database>,
    writer: Writer,
}

impl Instances {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// This process is there. Once it is written, the database takes what is written.
    pub async fn beat(&self, me: &InstanceId, now: Timestamp) -> Result<(), StoreError> {
        let (me, now) = (me.to_string(), now.millis());
        let beaten = self.writer.write(move |connection| {
            let me = me.clone();
            Box::pin(async move {
                let beat = sqlx::query(
                    "INSERT INTO instances (instance, seen) VALUES ($1, $2) \
                     ON CONFLICT (instance) DO UPDATE SET seen = excluded.seen",
                );
                beat.bind(me).bind(now).execute(&mut *connection).await?;
                let forget = sqlx::query("DELETE FROM instances WHERE seen < $1").bind(now - 10 * GONE);
                forget.execute(connection).await.map(drop)
            })
        });
        beaten.await
    }

    /// This process ends: nothing that it began goes on.
    pub async fn end(&self, me: &InstanceId) -> Result<(), StoreError> {
        let me = me.to_string();
        let ended = self.writer.write(move |connection| {
            let me = me.clone();
            Box::pin(async move {
                let end = sqlx::query("DELETE FROM instances WHERE instance = $1").bind(me);
                end.execute(connection).await.map(drop)
            })
        });
        ended.await
    }

    /// Whether another process is surely gone: not heard of for two minutes, or a later process of its machine is here.
    pub async fn is_gone(
        &self,
        other: &InstanceId,
        machine: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if other
            .as_str()
            .split_once('.')
            .is_some_and(|(theirs, _)| theirs == machine)
        {
            return Ok(true);
        }
        let mut connection = self.database.read().await?;
        let seen = sqlx::query("SELECT seen FROM instances WHERE instance = $1").bind(other.as_str());
        let row = self.database.said(seen.fetch_optional(&mut *connection).await)?;
        let seen: Option<i64> = self
            .database
            .said(row.map(|row| row.try_get("seen")).transpose())?;
        Ok(seen.is_none_or(|seen| seen < now.millis() - GONE))
    }
}
