//! Executions without GitHub.

use std::time::Duration;

use countersign::{
    domain::{
        ids::{AccountId, RepoName, Timestamp},
        warrant::WorkflowCall,
        workflow::{Run, RunId},
    },
    execute::{Passage, Place, Trouble, Unfit, Workflows},
};
use futures::future::BoxFuture;

/// Where no workflow runs.
pub(crate) struct Nowhere;

fn no<T: Send + 'static>() -> BoxFuture<'static, Result<T, Trouble>> {
    Box::pin(std::future::ready(Err(Trouble {
        why: "no GitHub".to_owned(),
        unclear: false,
        passing: false,
    })))
}

impl Workflows for Nowhere {
    fn ready<'a>(&'a self, _: Place<'a>) -> BoxFuture<'a, Result<(), Unfit>> {
        Box::pin(std::future::ready(Err(Unfit::GitHub("no GitHub".to_owned()))))
    }
    fn whose<'a>(&'a self, _: Place<'a>) -> BoxFuture<'a, Result<(RepoName, AccountId), Trouble>> {
        no()
    }
    fn dispatch<'a>(&'a self, _: &'a WorkflowCall) -> BoxFuture<'a, Result<Option<RunId>, Trouble>> {
        no()
    }
    fn since<'a>(&'a self, _: Place<'a>, _: Timestamp) -> BoxFuture<'a, Result<Vec<Run>, Trouble>> {
        no()
    }
    fn run<'a>(&'a self, _: Place<'a>, _: RunId, _: bool) -> BoxFuture<'a, Result<Run, Trouble>> {
        no()
    }
    fn waits<'a>(&'a self, _: Place<'a>, _: RunId) -> BoxFuture<'a, Result<bool, Trouble>> {
        no()
    }
    fn answer<'a>(
        &'a self,
        _: Place<'a>,
        _: RunId,
        _: Passage,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        no()
    }
    fn cancel<'a>(&'a self, _: Place<'a>, _: RunId) -> BoxFuture<'a, Result<(), Trouble>> {
        no()
    }
    fn pause(&self, _: Duration, _: Option<RunId>) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}
