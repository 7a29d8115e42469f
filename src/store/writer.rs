//! One task that writes: everything that waits is committed together, and everybody is answered once it is on the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::BoxFuture;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    database::{Database, places},
    error::{self, StoreError},
};

/// The most that waits to be written; who comes then is sent away. A webhook's hint is a few hundred bytes.
const MOST_WAITING: usize = 4_096;
/// The most that is committed together.
const MOST_TOGETHER: usize = 512;
/// Rows of one statement.
const ROWS: usize = 128;

/// Hands what is to be written to the task that writes. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    bell: Arc<Notify>,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A subject that becomes due, because of an event or without one.
pub(super) struct Arrival {
    pub(super) subject: String,
    pub(super) at: i64,
    pub(super) event: Option<Event>,
}

/// A webhook's delivery and what it said.
pub(super) struct Event {
    pub(super) delivery: String,
    pub(super) hint: String,
}

enum Job {
    Arrive(Vec<Arrival>, Answer<usize>),
    One(Box<dyn One>),
    Stop(oneshot::Sender<()>),
}

/// A write of its own kind, which may be made again when the transaction it stood in failed.
trait One: Send {
    fn make<'a>(&'a mut self, connection: &'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<()>>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Write<T, F> {
    run: F,
    made: Option<T>,
    answer: Answer<T>,
}

impl<T, F> One for Write<T, F>
where
    T: Send,
    F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send,
{
    fn make<'a>(&'a mut self, connection: &'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            self.made = Some((self.run)(connection).await?);
            Ok(())
        })
    }
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { made, answer, .. } = *self;
        // Who does not wait any more needs no answer.
        let _ = answer.send(outcome.and_then(|()| made.ok_or(StoreError::Closed)));
    }
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
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(Job::Arrive(vec![arrival], answer))
            .map_err(sent_away)?;
        answered.await.map_err(|_| StoreError::Closed)?.map(|new| new > 0)
    }

    /// Makes subjects due.
    pub(super) async fn arrive(&self, arrivals: Vec<Arrival>) -> Result<(), StoreError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job::Arrive(arrivals, answer)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?.map(drop)
    }

    /// Writes for somebody at the door, unless more waits than is written.
    pub(super) async fn at_the_door<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let write = Box::new(Write {
            run,
            made: None,
            answer,
        });
        self.jobs.try_send(Job::One(write)).map_err(sent_away)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what was begun inside, however much waits.
    pub(super) async fn write<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let write = Box::new(Write {
            run,
            made: None,
            answer,
        });
        let sent = self.jobs.send(Job::One(write)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
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

fn sent_away(error: mpsc::error::TrySendError<Job>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
        mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
    }
}

async fn work(database: Arc<Database>, mut waiting: mpsc::Receiver<Job>, bell: Arc<Notify>) {
    let mut batch = Vec::with_capacity(MOST_TOGETHER);
    while waiting.recv_many(&mut batch, MOST_TOGETHER).await > 0 {
        let mut stops = Vec::new();
        let mut jobs = Vec::with_capacity(batch.len());
        for job in batch.drain(..) {
            match job {
                Job::Stop(stop) => stops.push(stop),
                job => jobs.push(job),
            }
        }
        let due = jobs.iter().any(|job| matches!(job, Job::Arrive(..)));
        commit_all(&database, jobs).await;
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
async fn commit_all(database: &Database, mut jobs: Vec<Job>) {
    if jobs.is_empty() {
        return;
    }
    match commit(database, &mut jobs).await {
        Ok(new) => answer_all(jobs, &new),
        Err(error) if jobs.len() > 1 && error::may_pass_alone(database.dialect(), &error) => {
            for job in jobs {
                let mut alone = [job];
                let outcome = commit(database, &mut alone).await;
                answer(database, Vec::from(alone), outcome);
            }
        }
        Err(error) => answer(database, jobs, Err(error)),
    }
}

fn answer(database: &Database, jobs: Vec<Job>, outcome: sqlx::Result<BTreeSet<String>>) {
    match outcome {
        Ok(new) => answer_all(jobs, &new),
        Err(error) => {
            let why = || error::of(database.dialect(), &error);
            tracing::error!(error = %why(), writes = jobs.len(), "the database took nothing");
            for job in jobs {
                match job {
                    Job::Arrive(_, answer) => drop(answer.send(Err(why()))),
                    Job::One(one) => one.answer(Err(why())),
                    Job::Stop(_) => {}
                }
            }
        }
    }
}

fn answer_all(jobs: Vec<Job>, new: &BTreeSet<String>) {
    for job in jobs {
        match job {
            Job::Arrive(arrivals, answer) => {
                let events = arrivals.iter().filter_map(|arrival| arrival.event.as_ref());
                let news = events.filter(|event| new.contains(&event.delivery)).count();
                drop(answer.send(Ok(news)));
            }
            Job::One(one) => one.answer(Ok(())),
            Job::Stop(_) => {}
        }
    }
}

/// One transaction. Gives the deliveries that are new.
async fn commit(database: &Database, jobs: &mut [Job]) -> sqlx::Result<BTreeSet<String>> {
    let mut connection = database.write().await?;
    let mut transaction = database.begin(&mut connection).await?;
    let arrivals: Vec<&Arrival> = jobs
        .iter()
        .filter_map(|job| match job {
            Job::Arrive(arrivals, _) => Some(arrivals),
            Job::One(_) | Job::Stop(_) => None,
        })
        .flatten()
        .collect();
    let new = arrive(&mut transaction, &arrivals).await?;
    for job in jobs {
        if let Job::One(one) = job {
            one.make(&mut transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(new)
}

/// Writes events and makes their subjects due; a delivery that is known already changes nothing.
async fn arrive(connection: &mut AnyConnection, arrivals: &[&Arrival]) -> sqlx::Result<BTreeSet<String>> {
    // By key, so that two replicas lock in the same order.
    let mut events: BTreeMap<&str, (&Event, &Arrival)> = BTreeMap::new();
    for arrival in arrivals {
        if let Some(event) = &arrival.event {
            events.entry(&event.delivery).or_insert((event, arrival));
        }
    }
    let events: Vec<(&Event, &Arrival)> = events.into_values().collect();
    let mut new = BTreeSet::new();
    for some in events.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO inbox (delivery, subject, hint, heard_at, state) VALUES {} \
             ON CONFLICT (delivery) DO NOTHING RETURNING delivery",
            places(some.len(), 5)
        );
        let mut insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for (event, arrival) in some {
            insert = insert
                .bind(&event.delivery)
                .bind(&arrival.subject)
                .bind(&event.hint)
                .bind(arrival.at)
                .bind("waiting");
        }
        for row in insert.fetch_all(&mut *connection).await? {
            new.insert(row.try_get("delivery")?);
        }
    }
    let mut due: BTreeMap<&str, i64> = BTreeMap::new();
    for arrival in arrivals {
        let known = arrival
            .event
            .as_ref()
            .is_some_and(|event| !new.contains(&event.delivery));
        if !known {
            let at = due.entry(&arrival.subject).or_insert(arrival.at);
            *at = arrival.at.min(*at);
        }
    }
    let due: Vec<(&str, i64)> = due.into_iter().collect();
    for some in due.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO subjects (subject, due) VALUES {} ON CONFLICT (subject) DO UPDATE SET \
             due = CASE WHEN subjects.owner IS NULL AND (subjects.due IS NULL OR subjects.due > excluded.due) \
             THEN excluded.due ELSE subjects.due END, \
             again = CASE WHEN subjects.owner IS NULL THEN NULL ELSE excluded.due END",
            places(some.len(), 2)
        );
        let mut upsert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for (subject, at) in some {
            upsert = upsert.bind(*subject).bind(*at);
        }
        upsert.execute(&mut *connection).await?;
    }
    Ok(new)
}
