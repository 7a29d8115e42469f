//! What an execution tells while it goes on.

use futures::future::BoxFuture;

use crate::domain::{answer::Answer, entry::StepResult};

/// A call of an execution that has several.
#[derive(Debug, Clone)]
pub struct Progress {
    /// How it ended.
    pub result: StepResult,
    /// What the target answered.
    pub answer: Option<Answer>,
    /// Which it is, from 1.
    pub number: u32,
    /// How many there are when nothing fails.
    pub of: u32,
    /// Whether it must be on the record before anything else is done.
    pub first: bool,
}

/// Hears of every call; what it gives back is waited for.
pub type Tell<'a> = dyn Fn(Progress) -> BoxFuture<'a, ()> + Send + Sync + 'a;
