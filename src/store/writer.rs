//! One task that writes: everything that waits is committed together, and everybody is answered once it is on the disk.

mod arrivals;
mod batch;

use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::{Any, AnyConnection, pool::PoolConnection};
use tokio::sync::{Notify, mpsc, oneshot};

pub(super) use arrivals::{Arrival, Event};
pub(super) use batch::{Together, Writing};

use super::{
    database::Database,
    error::{self, StoreError},
};
use arrivals::Arrivals;
use batch::{Batch, Joins, Shared, Write};

/// The most that waits to be written; who comes then is sent away. A webhook's hint is a few hundred bytes.
const MOST_WAITING: usize = 4_096;
/// The most that is committed together.
const MOST_TOGETHER: usize = 512;
/// Rows of one statement.
pub(super) const ROWS: usize = 128;

/// Hands what is to be written to the task that writes. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    bell: Arc<Notify>,
}

enum Job {
    Write(Box<dyn Joins>),
    Stop(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the task that writes.
    pub(super) fn start(database: Arc<Database>) -> Self {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        let bell = Arc::new(Notify::new());
        tokio::spawn(work(database, waiting, Arc::clone(&bell)));
        Self { jobs, bell }
    }

    /// Rings when something became due.
    pub(super) fn bell(&self) -> &Arc<Notify> {
        &self.bell
    }

    /// Takes an event in, unless more waits than is written. Answers whether it is new, once that is on the disk.
    pub(super) async fn hear(&self, arrival: Arrival) -> Result<bool, StoreError> {
        let new = self.share_at_the_door(Arrivals(vec![arrival])).await;
        new.map(|new| new > 0)
    }

    /// Makes subjects due.
    pub(super) async fn arrive(&self, arrivals: Vec<Arrival>) -> Result<(), StoreError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        self.share(Arrivals(arrivals)).await.map(drop)
    }

    /// Writes for somebody at the door, with others of its kind, unless more waits than is written.
    pub(super) async fn share_at_the_door<T: Together>(&self, one: T) -> Result<T::Said, StoreError> {
        let (write, answered) = Shared::new(one);
        self.try_send(Box::new(write))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what was begun inside, with others of its kind, however much waits.
    pub(super) async fn share<T: Together>(&self, one: T) -> Result<T::Said, StoreError> {
        let (write, answered) = Shared::new(one);
        self.send(Box::new(write)).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes for somebody at the door, unless more waits than is written.
    pub(super) async fn at_the_door<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send + 'static,
    {
        let (write, answered) = Write::new(run);
        self.try_send(Box::new(write))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what was begun inside, however much waits.
    pub(super) async fn write<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send + 'static,
    {
        let (write, answered) = Write::new(run);
        self.send(Box::new(write)).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    fn try_send(&self, job: Box<dyn Joins>) -> Result<(), StoreError> {
        self.jobs.try_send(Job::Write(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }

    async fn send(&self, job: Box<dyn Joins>) -> Result<(), StoreError> {
        let sent = self.jobs.send(Job::Write(job)).await;
        sent.map_err(|_| StoreError::Closed)
    }

    /// Writes what waits, and nothing afterwards.
    pub(super) async fn stop(&self) {
        let (stop, stopped) = oneshot::channel();
        if self.jobs.send(Job::Stop(stop)).await.is_ok() {
            // A task that is gone has stopped too.
            let _ = stopped.await;
        }
    }
}

async fn work(database: Arc<Database>, mut waiting: mpsc::Receiver<Job>, bell: Arc<Notify>) {
    let mut jobs = Vec::with_capacity(MOST_TOGETHER);
    while waiting.recv_many(&mut jobs, MOST_TOGETHER).await > 0 {
        let mut stops = Vec::new();
        let batch = Batch::of(jobs.drain(..).filter_map(|job| match job {
            Job::Write(job) => Some(job),
            Job::Stop(stop) => {
                stops.push(stop);
                None
            }
        }));
        let due = batch.rings();
        commit_all(&database, batch).await;
        if due {
            bell.notify_waiters();
            bell.notify_one();
        }
        if !stops.is_empty() {
            for stop in stops {
                // Who does not wait any more needs no answer.
                let _ = stop.send(());
            }
            return;
        }
    }
}

/// Commits together; when one of them spoils that, each alone, so that it spoils nobody else's.
async fn commit_all(database: &Database, mut batch: Batch) {
    if batch.is_empty() {
        return;
    }
    match commit(database, &mut batch).await {
        Err(error) if batch.len() > 1 && error::may_pass_alone(database.dialect(), &error) => {
            for mut alone in batch.split() {
                let outcome = commit(database, &mut alone).await;
                answer(database, alone, outcome);
            }
        }
        outcome => answer(database, batch, outcome),
    }
}

fn answer(database: &Database, batch: Batch, outcome: sqlx::Result<()>) {
    match outcome {
        Ok(()) => batch.answer(Ok(())),
        Err(error) => {
            let why = || error::of(database.dialect(), &error);
            tracing::error!(error = %why(), writes = batch.len(), "the database took nothing");
            batch.answer(Err(&why));
        }
    }
}

/// One transaction.
async fn commit(database: &Database, batch: &mut Batch) -> sqlx::Result<()> {
    let mut connection = database.write().await?;
    let done = commit_on(&mut connection, database, batch).await;
    if done.is_err() {
        // SQLite takes some transactions back by itself, as when the disk is full, and nothing can be begun on a connection
        // that still counts one.
        connection.close_on_drop();
    }
    done
}

async fn commit_on(
    connection: &mut PoolConnection<Any>,
    database: &Database,
    batch: &mut Batch,
) -> sqlx::Result<()> {
    let mut transaction = database.begin(connection).await?;
    batch.write(&mut transaction).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::store::database::Place;

    /// What SQLite does by itself when the disk is full.
    fn taken_back(connection: &mut AnyConnection) -> BoxFuture<'_, sqlx::Result<()>> {
        async move {
            sqlx::query("ROLLBACK").execute(connection).await?;
            Err(sqlx::Error::WorkerCrashed)
        }
        .boxed()
    }

    fn remembered(connection: &mut AnyConnection) -> BoxFuture<'_, sqlx::Result<u64>> {
        async move {
            let insert = sqlx::query("INSERT INTO instances (instance, seen) VALUES ('a', 1)");
            insert.execute(connection).await.map(|done| done.rows_affected())
        }
        .boxed()
    }

    #[tokio::test]
    async fn i24_a_transaction_that_the_database_took_back_by_itself_is_not_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::of(directory.path(), None).unwrap();
        let writer = Writer::start(Arc::new(Database::open(&place).await.unwrap()));
        assert!(writer.write(taken_back).await.is_err());
        assert_eq!(writer.write(remembered).await.unwrap(), 1);
        assert!(writer.write(remembered).await.is_err());
        writer.stop().await;
    }
}
