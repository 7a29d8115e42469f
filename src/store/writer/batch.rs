//! What is committed together: writes of one kind share their statements, others have their own.

use std::any::Any;

use futures::future::BoxFuture;
use sqlx::AnyConnection;
use tokio::sync::oneshot;

use crate::store::error::StoreError;

/// What becomes of writes that share statements, while they are written.
pub(in crate::store) type Writing<'a, T> = BoxFuture<'a, sqlx::Result<Vec<T>>>;

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Writes, and questions about what was written, that share statements: a few for all that wait, however many they are.
pub(in crate::store) trait Together: Sized + Send + Sync + 'static {
    /// What each is told.
    type Said: Send;
    /// Whether somebody waits for what becomes due by it.
    const RINGS: bool = false;

    /// Writes all of them as if one after the other; what each is told, in their order. It may be called again when the
    /// transaction failed.
    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, Self::Said>;
}

/// Something to be written that knows where it belongs in a batch.
pub(super) trait Joins: Send {
    fn join(self: Box<Self>, batch: &mut Batch);
}

/// What one transaction holds.
#[derive(Default)]
pub(super) struct Batch(Vec<Box<dyn Queue>>);

/// Writes of one kind.
trait Queue: Any + Send {
    fn len(&self) -> usize;
    fn rings(&self) -> bool;
    fn write<'a>(&'a mut self, connection: &'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<()>>;
    fn answer(self: Box<Self>, outcome: Result<(), &dyn Fn() -> StoreError>);
    /// A queue for each write.
    fn split(self: Box<Self>) -> Vec<Box<dyn Queue>>;
}

impl Batch {
    pub(super) fn of(jobs: impl Iterator<Item = Box<dyn Joins>>) -> Self {
        let mut batch = Self::default();
        jobs.for_each(|job| job.join(&mut batch));
        batch
    }
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// How many writes it holds.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|queue| queue.len()).sum()
    }
    /// Whether something becomes due by it.
    pub(super) fn rings(&self) -> bool {
        self.0.iter().any(|queue| queue.rings())
    }
    pub(super) async fn write(&mut self, connection: &mut AnyConnection) -> sqlx::Result<()> {
        for queue in &mut self.0 {
            queue.write(connection).await?;
        }
        Ok(())
    }
    pub(super) fn answer(self, outcome: Result<(), &dyn Fn() -> StoreError>) {
        self.0.into_iter().for_each(|queue| queue.answer(outcome));
    }
    /// A batch for each write.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let alone = self.0.into_iter().flat_map(Queue::split);
        alone.map(|queue| Self(vec![queue]))
    }
}

/// One of its kind, and who waits for it.
pub(super) struct Shared<T: Together>(T, Answer<T::Said>);

impl<T: Together> Shared<T> {
    /// A write, and where its answer comes.
    pub(super) fn new(one: T) -> (Self, oneshot::Receiver<Result<T::Said, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Self(one, answer), answered)
    }
}

impl<T: Together> Joins for Shared<T> {
    fn join(self: Box<Self>, batch: &mut Batch) {
        let Self(one, answer) = *self;
        let queues = batch.0.iter_mut();
        let mut same = queues.filter_map(|queue| (&mut **queue as &mut dyn Any).downcast_mut::<Kind<T>>());
        if let Some(kind) = same.next() {
            kind.all.push(one);
            kind.answers.push(answer);
        } else {
            batch.0.push(Box::new(Kind {
                all: vec![one],
                answers: vec![answer],
                said: Vec::new(),
            }));
        }
    }
}

struct Kind<T: Together> {
    all: Vec<T>,
    answers: Vec<Answer<T::Said>>,
    said: Vec<T::Said>,
}

impl<T: Together> Queue for Kind<T> {
    fn len(&self) -> usize {
        self.all.len()
    }
    fn rings(&self) -> bool {
        T::RINGS
    }
    fn write<'a>(&'a mut self, connection: &'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            self.said = T::write(&self.all, connection).await?;
            Ok(())
        })
    }
    fn answer(self: Box<Self>, outcome: Result<(), &dyn Fn() -> StoreError>) {
        let mut said = self.said.into_iter();
        for answer in self.answers {
            let said = match outcome {
                Ok(()) => said.next().ok_or(StoreError::Closed),
                Err(why) => Err(why()),
            };
            // Who does not wait any more needs no answer.
            let (Ok(()) | Err(_)) = answer.send(said);
        }
    }
    fn split(self: Box<Self>) -> Vec<Box<dyn Queue>> {
        let each = self.all.into_iter().zip(self.answers);
        each.map(|(one, answer)| {
            let alone = Self {
                all: vec![one],
                answers: vec![answer],
                said: Vec::new(),
            };
            Box::new(alone) as Box<dyn Queue>
        })
        .collect()
    }
}

/// A write with statements of its own.
pub(super) struct Write<T, F> {
    run: F,
    made: Option<T>,
    answer: Answer<T>,
}

impl<T, F> Write<T, F> {
    /// A write, and where its answer comes.
    pub(super) fn new(run: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        let made = None;
        (Self { run, made, answer }, answered)
    }
}

impl<T, F> Joins for Write<T, F>
where
    T: Send + 'static,
    F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send + 'static,
{
    fn join(self: Box<Self>, batch: &mut Batch) {
        batch.0.push(self);
    }
}

impl<T, F> Queue for Write<T, F>
where
    T: Send + 'static,
    F: for<'a> Fn(&'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<T>> + Send + 'static,
{
    fn len(&self) -> usize {
        1
    }
    fn rings(&self) -> bool {
        false
    }
    fn write<'a>(&'a mut self, connection: &'a mut AnyConnection) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            self.made = Some((self.run)(connection).await?);
            Ok(())
        })
    }
    fn answer(self: Box<Self>, outcome: Result<(), &dyn Fn() -> StoreError>) {
        let made = match outcome {
            Ok(()) => self.made.ok_or(StoreError::Closed),
            Err(why) => Err(why()),
        };
        // Who does not wait any more needs no answer.
        let (Ok(()) | Err(_)) = self.answer.send(made);
    }
    fn split(self: Box<Self>) -> Vec<Box<dyn Queue>> {
        vec![self]
    }
}
