//! What webhooks told of, stored before anybody is answered, and worked on by one worker a subject. INVARIANT i24.
//!
//! A subject is what is looked at, such as one pull request. Its events are joined and handed out in order. Whoever works on
//! it holds a lease for a minute, with a fence that rises each time: who comes back too late holds an old one.

use std::sync::Arc;

use serde::Serialize;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};
use tokio::sync::Notify;

use super::{
    database::Database,
    error::StoreError,
    writer::{Arrival, Event, Writer},
};
use crate::domain::ids::{DeliveryId, InstanceId, Timestamp};

/// How long a worker is believed to be alive that has not been heard of, in milliseconds.
const LEASE: i64 = 60_000;
/// The most events that are handed out together.
const MOST_EVENTS: i64 = 1_000;
/// An event is parked once it was tried this often ...
const TRIES: i64 = 8;
/// ... and for this long, in milliseconds: a GitHub that is away for half an hour is nobody's fault.
const PATIENCE: i64 = 3_600_000;
/// The first wait after a failure, in milliseconds; each further one is three times as long, up to `LONGEST_WAIT`.
const FIRST_WAIT: i64 = 100;
/// Ten minutes.
const LONGEST_WAIT: i64 = 600_000;
/// How long a delivery that is done is remembered, in milliseconds: GitHub delivers again for up to three days.
const REMEMBERED: i64 = 8 * 24 * 3_600_000;
/// The most that one call prunes or lists.
const MOST_ROWS: i64 = 10_000;
/// The longest error that is kept, in characters.
const MOST_ERROR: usize = 1_000;

/// Events that wait, and subjects that are due.
#[derive(Debug, Clone)]
pub struct Inbox {
    database: Arc<Database>,
    writer: Writer,
}

/// A right to work on a subject until somebody else has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    subject: String,
    fence: i64,
}

impl Lease {
    /// What is worked on.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// A subject that was handed out, with everything that was heard of it, in order.
#[derive(Debug)]
pub struct Work {
    /// The right to work on it.
    pub lease: Lease,
    /// What was heard, as it was stored.
    pub hints: Vec<String>,
}

/// What became of an event that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// `X-GitHub-Delivery`.
    pub delivery: String,
    /// What it is about.
    pub subject: String,
    /// Whether it was given up, until somebody asks for it again.
    pub parked: bool,
    /// When it was heard.
    pub heard_at: Timestamp,
    /// How often it was tried.
    pub tries: i64,
    /// What went wrong the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Inbox {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// Takes an event in; `false` when its delivery is known. It is on the disk before this returns.
    pub async fn hear(
        &self,
        subject: &str,
        delivery: &DeliveryId,
        hint: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let event = Event {
            delivery: delivery.as_str().to_owned(),
            hint,
        };
        let arrival = Arrival {
            subject: subject.to_owned(),
            at: at.millis(),
            event: Some(event),
        };
        self.writer.hear(arrival).await
    }

    /// Has subjects looked at again, without an event.
    pub async fn look_again(
        &self,
        subjects: impl IntoIterator<Item = String>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let arrival = |subject| Arrival {
            subject,
            at: at.millis(),
            event: None,
        };
        self.writer
            .arrive(subjects.into_iter().map(arrival).collect())
            .await
    }

    /// Rings when this process made something due; what others make due is found by asking.
    pub fn bell(&self) -> &Notify {
        self.writer.bell()
    }

    /// Hands out the subject that is due longest and that nobody works on.
    pub async fn take(&self, owner: &InstanceId, now: Timestamp) -> Result<Option<Work>, StoreError> {
        let (owner, now) = (owner.to_string(), now.millis());
        let skip_locked = self.database.dialect().skip_locked();
        let taken = self
            .writer
            .write(move |connection| Box::pin(take(connection, owner.clone(), now, skip_locked)));
        taken.await
    }

    /// Keeps a lease for another minute; `false` when somebody else has the subject: then nothing may be published.
    pub async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<bool, StoreError> {
        let (lease, until) = (lease.clone(), now.millis() + LEASE);
        let renewed = self.writer.write(move |connection| {
            let lease = lease.clone();
            Box::pin(async move {
                let renew = sqlx::query(
                    "UPDATE subjects SET due = $1 WHERE subject = $2 AND fence = $3 AND owner IS NOT NULL \
                     RETURNING subject",
                );
                let renew = renew.bind(until).bind(lease.subject).bind(lease.fence);
                Ok(renew.fetch_optional(connection).await?.is_some())
            })
        });
        renewed.await
    }

    /// The events are worked on; what came meanwhile makes the subject due again. `false` when the lease was lost.
    pub async fn done(&self, lease: &Lease, now: Timestamp) -> Result<bool, StoreError> {
        let (lease, now) = (lease.clone(), now.millis());
        let done = self
            .writer
            .write(move |connection| Box::pin(done(connection, lease.clone(), now)));
        self.ring(done.await)
    }

    /// The work failed: it is tried again later and later, and in the end its events are parked. `false` when the lease
    /// was lost.
    pub async fn failed(&self, lease: &Lease, error: &str, now: Timestamp) -> Result<bool, StoreError> {
        // PostgreSQL takes no NUL.
        let error: String = error.chars().filter(|c| *c != '\0').take(MOST_ERROR).collect();
        let (lease, now) = (lease.clone(), now.millis());
        let failed = self
            .writer
            .write(move |connection| Box::pin(failed(connection, lease.clone(), error.clone(), now)));
        self.ring(failed.await)
    }

    /// Lets go of a subject that nothing was done about.
    pub async fn let_go(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        let (lease, now) = (lease.clone(), now.millis());
        let released = self.writer.write(move |connection| {
            let lease = lease.clone();
            Box::pin(async move {
                let release = sqlx::query(
                    "UPDATE subjects SET owner = NULL, again = NULL, due = $1 WHERE subject = $2 AND fence = $3",
                );
                let release = release.bind(now).bind(lease.subject).bind(lease.fence);
                release.execute(connection).await.map(drop)
            })
        });
        self.ring(released.await)
    }

    /// Lets go of everything that the processes of a machine held which ran before this one.
    pub async fn inherit(&self, heir: &InstanceId, machine: &str, now: Timestamp) -> Result<(), StoreError> {
        let (heir, begins, now) = (heir.to_string(), format!("{machine}.%"), now.millis());
        let inherited = self.writer.write(move |connection| {
            let (heir, begins) = (heir.clone(), begins.clone());
            Box::pin(async move {
                let inherit = sqlx::query(
                    "UPDATE subjects SET owner = NULL, again = NULL, due = $1 WHERE owner <> $2 AND owner LIKE $3",
                );
                let inherit = inherit.bind(now).bind(heir).bind(begins);
                inherit.execute(connection).await.map(drop)
            })
        });
        self.ring(inherited.await)
    }

    /// Lets go of everything that a process holds.
    pub async fn leave(&self, owner: &InstanceId, now: Timestamp) -> Result<(), StoreError> {
        let (owner, now) = (owner.to_string(), now.millis());
        let left = self.writer.write(move |connection| {
            let owner = owner.clone();
            Box::pin(async move {
                let leave =
                    sqlx::query("UPDATE subjects SET owner = NULL, again = NULL, due = $1 WHERE owner = $2");
                leave.bind(now).bind(owner).execute(connection).await.map(drop)
            })
        });
        self.ring(left.await)
    }

    /// Subjects that are due or worked on.
    pub async fn depth(&self) -> Result<u64, StoreError> {
        self.count("SELECT COUNT(*) FROM subjects WHERE due IS NOT NULL", None)
            .await
    }

    /// Subjects that are worked on, or due by this time.
    pub async fn busy(&self, by: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM subjects WHERE due <= $1 OR owner IS NOT NULL";
        self.count(sql, Some(by.millis())).await
    }

    async fn count(&self, sql: &'static str, by: Option<i64>) -> Result<u64, StoreError> {
        let mut connection = self.database.read().await?;
        let query = match by {
            Some(by) => sqlx::query(sql).bind(by),
            None => sqlx::query(sql),
        };
        let row = query.fetch_one(&mut *connection).await;
        let count: i64 = self.database.said(row.and_then(|row| row.try_get(0)))?;
        Ok(count.unsigned_abs())
    }

    /// Whether no webhook was ever heard of, as far back as those that are done are remembered: the database is new.
    pub async fn is_new(&self) -> Result<bool, StoreError> {
        let heard = self.count(
            "SELECT COUNT(*) FROM (SELECT 1 FROM inbox LIMIT 1) AS heard",
            None,
        );
        Ok(heard.await? == 0)
    }

    /// Events that are not done, oldest first; 10,000 at most.
    pub async fn undone(&self) -> Result<Vec<Undone>, StoreError> {
        let mut connection = self.database.read().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT delivery, subject, state, heard_at, tries, error FROM inbox WHERE state <> 'done' \
             ORDER BY seq LIMIT {MOST_ROWS}"
        ));
        let rows = self
            .database
            .said(sqlx::query(sql).fetch_all(&mut *connection).await)?;
        self.database.said(rows.iter().map(undone).collect())
    }

    /// Has parked events tried again: one, or all. Gives how many.
    pub async fn retry(&self, delivery: Option<&DeliveryId>, now: Timestamp) -> Result<u64, StoreError> {
        let delivery = delivery.map(|delivery| delivery.as_str().to_owned());
        let unparked = self.writer.write(move |connection| {
            let delivery = delivery.clone();
            Box::pin(async move {
                let unpark = match delivery {
                    Some(delivery) => sqlx::query(
                        "UPDATE inbox SET state = 'waiting', tries = 0 WHERE state = 'parked' AND delivery = $1 \
                         RETURNING subject",
                    )
                    .bind(delivery),
                    None => sqlx::query(
                        "UPDATE inbox SET state = 'waiting', tries = 0 WHERE state = 'parked' RETURNING subject",
                    ),
                };
                let rows = unpark.fetch_all(connection).await?;
                rows.iter().map(|row| row.try_get("subject")).collect()
            })
        });
        let subjects: Vec<String> = unparked.await?;
        let count = subjects.len() as u64;
        self.look_again(subjects, now).await?;
        Ok(count)
    }

    /// Forgets deliveries that were done eight days ago; 10,000 at most.
    pub async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.millis() - REMEMBERED;
        let pruned = self.writer.write(move |connection| {
            Box::pin(async move {
                let sql = AssertSqlSafe(format!(
                    "DELETE FROM inbox WHERE seq IN \
                     (SELECT seq FROM inbox WHERE state = 'done' AND done_at < $1 LIMIT {MOST_ROWS})"
                ));
                sqlx::query(sql).bind(before).execute(connection).await.map(drop)
            })
        });
        pruned.await
    }

    /// Whoever waits for something to be due looks again.
    fn ring<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.writer.bell().notify_waiters();
        self.writer.bell().notify_one();
        result
    }
}

async fn take(
    connection: &mut AnyConnection,
    owner: String,
    now: i64,
    skip_locked: &str,
) -> sqlx::Result<Option<Work>> {
    let sql = format!(
        "UPDATE subjects SET owner = $1, fence = fence + 1, due = $2, again = NULL WHERE subject = \
         (SELECT subject FROM subjects WHERE due <= $3 ORDER BY due LIMIT 1{skip_locked}) RETURNING subject, fence"
    );
    let claim = sqlx::query(AssertSqlSafe(sql))
        .bind(owner)
        .bind(now + LEASE)
        .bind(now);
    let Some(row) = claim.fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let lease = Lease {
        subject: row.try_get("subject")?,
        fence: row.try_get("fence")?,
    };
    // Whoever tried it last may have died of it.
    park(&mut *connection, &lease.subject, now).await?;
    let sql = format!(
        "UPDATE inbox SET tries = tries + 1, taken = $1 WHERE seq IN (SELECT seq FROM inbox \
         WHERE subject = $2 AND state = 'waiting' ORDER BY seq LIMIT {MOST_EVENTS}) RETURNING seq, hint"
    );
    let events = sqlx::query(AssertSqlSafe(sql))
        .bind(lease.fence)
        .bind(&lease.subject);
    let mut hints = Vec::new();
    for row in events.fetch_all(&mut *connection).await? {
        hints.push((row.try_get::<i64, _>("seq")?, row.try_get::<String, _>("hint")?));
    }
    hints.sort_unstable_by_key(|(seq, _)| *seq);
    let hints = hints.into_iter().map(|(_, hint)| hint).collect();
    Ok(Some(Work { lease, hints }))
}

async fn park(connection: &mut AnyConnection, subject: &str, now: i64) -> sqlx::Result<()> {
    let park = sqlx::query(
        "UPDATE inbox SET state = 'parked', error = COALESCE(error, 'the process that worked on it died') \
         WHERE subject = $1 AND state = 'waiting' AND tries >= $2 AND heard_at <= $3",
    );
    let parked = park
        .bind(subject)
        .bind(TRIES)
        .bind(now - PATIENCE)
        .execute(connection)
        .await?;
    if parked.rows_affected() > 0 {
        metrics::counter!("countersign_webhooks_parked_total").increment(parked.rows_affected());
        tracing::error!(
            subject,
            events = parked.rows_affected(),
            "given up; see `countersign inbox list`"
        );
    }
    Ok(())
}

async fn done(connection: &mut AnyConnection, lease: Lease, now: i64) -> sqlx::Result<bool> {
    let free = sqlx::query(
        "UPDATE subjects SET owner = NULL, tries = 0 WHERE subject = $1 AND fence = $2 AND owner IS NOT NULL \
         RETURNING subject",
    );
    let freed = free
        .bind(&lease.subject)
        .bind(lease.fence)
        .fetch_optional(&mut *connection)
        .await?;
    if freed.is_none() {
        return Ok(false);
    }
    // Only what was handed out: an event of an earlier number may have been committed later.
    let ended = sqlx::query(
        "UPDATE inbox SET state = 'done', hint = '', error = NULL, done_at = $1 \
         WHERE subject = $2 AND state = 'waiting' AND taken = $3",
    );
    ended
        .bind(now)
        .bind(&lease.subject)
        .bind(lease.fence)
        .execute(&mut *connection)
        .await?;
    let rest = sqlx::query(
        "UPDATE subjects SET again = NULL, due = CASE WHEN again IS NOT NULL THEN again WHEN EXISTS \
         (SELECT 1 FROM inbox WHERE inbox.subject = subjects.subject AND state = 'waiting') THEN $1 ELSE NULL END \
         WHERE subject = $2",
    );
    rest.bind(now)
        .bind(&lease.subject)
        .execute(&mut *connection)
        .await?;
    Ok(true)
}

async fn failed(connection: &mut AnyConnection, lease: Lease, error: String, now: i64) -> sqlx::Result<bool> {
    let free = sqlx::query(
        "UPDATE subjects SET owner = NULL, again = NULL, tries = tries + 1 \
         WHERE subject = $1 AND fence = $2 AND owner IS NOT NULL RETURNING tries",
    );
    let freed = free
        .bind(&lease.subject)
        .bind(lease.fence)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = freed else { return Ok(false) };
    let tries: i64 = row.try_get("tries")?;
    let why =
        sqlx::query("UPDATE inbox SET error = $1 WHERE subject = $2 AND state = 'waiting' AND taken = $3");
    why.bind(error)
        .bind(&lease.subject)
        .bind(lease.fence)
        .execute(&mut *connection)
        .await?;
    park(&mut *connection, &lease.subject, now).await?;
    // Without an event, the sweep makes it due again.
    let later = sqlx::query(
        "UPDATE subjects SET due = CASE WHEN $1 < $2 OR EXISTS (SELECT 1 FROM inbox \
         WHERE inbox.subject = subjects.subject AND state = 'waiting') THEN $3 ELSE NULL END WHERE subject = $4",
    );
    let later = later
        .bind(tries)
        .bind(TRIES)
        .bind(now + wait(tries))
        .bind(&lease.subject);
    later.execute(&mut *connection).await?;
    Ok(true)
}

/// How long a failure is left alone, after so many in a row.
fn wait(tries: i64) -> i64 {
    let growth = u32::try_from(tries - 1).ok().and_then(|n| 3_i64.checked_pow(n));
    growth
        .and_then(|growth| FIRST_WAIT.checked_mul(growth))
        .unwrap_or(LONGEST_WAIT)
        .min(LONGEST_WAIT)
}

fn undone(row: &AnyRow) -> sqlx::Result<Undone> {
    let state: String = row.try_get("state")?;
    Ok(Undone {
        delivery: row.try_get("delivery")?,
        subject: row.try_get("subject")?,
        parked: state == "parked",
        heard_at: Timestamp::from_millis(row.try_get("heard_at")?),
        tries: row.try_get("tries")?,
        error: row.try_get("error")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_minutes() {
        let waits: Vec<i64> = (1..=10).map(wait).collect();
        assert_eq!(
            waits,
            [
                100, 300, 900, 2_700, 8_100, 24_300, 72_900, 218_700, 600_000, 600_000
            ]
        );
        assert_eq!(wait(i64::MAX), LONGEST_WAIT);
    }
}
