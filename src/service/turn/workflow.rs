//! Workflows: GitHub as the executor sees it, and runs that wait for the bot's rule without having been asked for.
//! INVARIANT i23.

use std::{collections::BTreeMap, sync::PoisonError, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::{Mutex, broadcast};

use super::{Bot, NotNow};
use crate::{
    domain::{
        case::{Case, Life},
        ids::{AccountId, ActionName, RepoName, Span, Timestamp},
        policy::{Policy, WorkflowExecute},
        warrant::WorkflowCall,
        workflow::{Run, RunId},
    },
    execute::{Passage, Place, Trouble, Unfit, Workflows},
    github::{Error, GitHub, Hint, Unguarded},
    service::subject::Subject,
};

/// Runs that were heard of and that nobody asked about yet; whoever missed some looks again.
const HEARD: usize = 64;
/// After so long a run is looked at again whose execution was under way.
const LATER: Span = Span::seconds(60);
/// What a run is told that nobody here asked for. No text of anybody else's.
const TURNED_AWAY: &str = "Turned away: no execution of an approved proposal began this run. \
                           Propose the action that runs this workflow; an attempt at running it again is not let through either.";

/// What this process keeps of workflows.
#[derive(Debug)]
pub(super) struct OfWorkflows {
    clients: std::sync::Mutex<BTreeMap<RepoName, GitHub>>,
    heard: broadcast::Sender<RunId>,
}

impl Default for OfWorkflows {
    fn default() -> Self {
        Self {
            clients: std::sync::Mutex::default(),
            heard: broadcast::Sender::new(HEARD),
        }
    }
}

/// GitHub's workflows, for one execution.
pub(super) struct Runner {
    bot: Bot,
    heard: Mutex<broadcast::Receiver<RunId>>,
}

impl Bot {
    pub(super) fn runner(&self) -> Runner {
        Runner {
            bot: self.clone(),
            heard: Mutex::new(self.inner.workflows.heard.subscribe()),
        }
    }

    fn workflows_of(&self, repository: Option<&RepoName>) -> GitHub {
        let repository = repository.unwrap_or_else(|| self.github().repo());
        let clients = self.inner.workflows.clients.lock();
        let mut clients = clients.unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(repository.clone());
        client
            .or_insert_with(|| self.github().for_workflows(repository.clone()))
            .clone()
    }

    /// Somebody who waits for a run looks at it now.
    pub(super) fn heard_of_run(&self, hint: &Hint) {
        if let Hint::Deployment { run, .. } | Hint::Run { run, .. } = hint {
            // Nobody waits.
            let _ = self.inner.workflows.heard.send(*run);
        }
    }

    /// Whether the catalog names a repository for its workflows.
    pub(super) fn runs_in(&self, repository: &RepoName) -> bool {
        self.known().is_some_and(|policy| {
            workflows(&policy).any(|(_, workflow)| {
                let named = workflow.repository().map(RepoName::as_str);
                named.is_some_and(|named| named.eq_ignore_ascii_case(repository.as_str()))
            })
        })
    }

    /// Looks at a run that waits for the bot's rule: one that no execution under way can have asked for is turned away.
    /// It is never let through here, whatever was heard: only its executor does that.
    pub(super) async fn look_at_run(
        &self,
        repository: &RepoName,
        run: RunId,
        environment: &str,
    ) -> Result<(), NotNow> {
        // A run is asked for once `started` stands on the remote ledger, so what began it is seen from here on.
        self.ledger().refresh().await?;
        let policy = self.policy_known().await?;
        if self.may_be_ours(&policy, repository, environment) {
            let subject = Subject::Run {
                repository: repository.clone(),
                run,
                environment: environment.to_owned(),
            };
            let later = self.now().plus(LATER);
            return Ok(self
                .store()
                .inbox()
                .look_again([subject.to_string()], later)
                .await?);
        }
        let github = self.workflows_of(Some(repository));
        if !github.waits(run, environment).await? {
            return Ok(());
        }
        github.answer_rule(run, environment, false, TURNED_AWAY).await?;
        metrics::counter!("countersign_runs_turned_away_total").increment(1);
        tracing::warn!(%repository, %run, environment, "turned a run away that no execution had asked for");
        Ok(())
    }

    /// Whether an execution that is under way, or that goes on after a crash, could have asked for a run.
    fn may_be_ours(&self, policy: &Policy, repository: &RepoName, environment: &str) -> bool {
        let own = self.github().repo().as_str();
        let enters = |workflow: &WorkflowExecute| {
            let named = workflow.repository().map_or(own, RepoName::as_str);
            named.eq_ignore_ascii_case(repository.as_str())
                && workflow.environment().eq_ignore_ascii_case(environment)
        };
        let might = |case: &Case| match policy.action(&case.proposal.binding.operation) {
            Some(action) => {
                let name = action.name();
                workflows(policy).any(|(of, workflow)| of == name && enters(workflow))
            }
            // The rules changed under it; nobody can tell what it asked for.
            None => true,
        };
        self.ledger().read(|book| {
            let mut cases = book.cases().map(|(_, case)| case);
            cases.any(|case| (case.life == Life::Started || case.resumable()) && might(case))
        })
    }
}

/// Every workflow of a catalog, with its action.
fn workflows(policy: &Policy) -> impl Iterator<Item = (&ActionName, &WorkflowExecute)> {
    policy.actions().flat_map(|action| {
        let steps = action.execute().steps().iter();
        let connectors = steps.flat_map(|step| std::iter::once(step.connector()).chain(step.undo()));
        connectors.filter_map(|connector| Some((action.name(), connector.workflow()?)))
    })
}

fn trouble(error: Error) -> Trouble {
    Trouble {
        unclear: error.is_uncertain(),
        passing: error.is_passing(),
        why: error.to_string(),
    }
}

impl Runner {
    fn github(&self, at: Place<'_>) -> GitHub {
        self.bot.workflows_of(at.repository)
    }
}

impl Workflows for Runner {
    fn ready<'a>(&'a self, at: Place<'a>) -> BoxFuture<'a, Result<(), Unfit>> {
        Box::pin(async move {
            let guarded = self.github(at).guards(at.workflow, at.environment).await;
            guarded.map_err(|error| match error {
                Unguarded::GitHub(Error::Forbidden { message, .. }) => Unfit::Unguarded(format!(
                    "workflows can't be run: {message}; grant the app `actions: write` and `deployments: write`, and accept them for the installation"
                )),
                Unguarded::GitHub(error) => Unfit::GitHub(error.to_string()),
                other => Unfit::Unguarded(other.to_string()),
            })
        })
    }

    fn whose<'a>(&'a self, at: Place<'a>) -> BoxFuture<'a, Result<(RepoName, AccountId), Trouble>> {
        Box::pin(async move {
            let github = self.bot.github();
            let me = github.me().await.map_err(trouble)?.account();
            Ok((at.repository.unwrap_or_else(|| github.repo()).clone(), me))
        })
    }

    fn dispatch<'a>(&'a self, call: &'a WorkflowCall) -> BoxFuture<'a, Result<Option<RunId>, Trouble>> {
        Box::pin(async move { self.github(call.into()).dispatch(call).await.map_err(trouble) })
    }

    fn since<'a>(&'a self, at: Place<'a>, since: Timestamp) -> BoxFuture<'a, Result<Vec<Run>, Trouble>> {
        Box::pin(async move {
            let runs = self.github(at).runs_since(at.workflow, since).await;
            runs.map_err(trouble)
        })
    }

    fn run<'a>(&'a self, at: Place<'a>, id: RunId, first: bool) -> BoxFuture<'a, Result<Run, Trouble>> {
        Box::pin(async move {
            let github = self.github(at);
            let run = match first {
                true => github.first_attempt(id).await,
                false => github.workflow_run(id).await,
            };
            run.map_err(trouble)
        })
    }

    fn waits<'a>(&'a self, at: Place<'a>, id: RunId) -> BoxFuture<'a, Result<bool, Trouble>> {
        Box::pin(async move { self.github(at).waits(id, at.environment).await.map_err(trouble) })
    }

    fn answer<'a>(
        &'a self,
        at: Place<'a>,
        id: RunId,
        answer: Passage,
        words: &'a str,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let let_through = answer == Passage::LetThrough;
            let github = self.github(at);
            let answered = github.answer_rule(id, at.environment, let_through, words);
            answered.await.map_err(trouble)
        })
    }

    fn cancel<'a>(&'a self, at: Place<'a>, id: RunId) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move { self.github(at).cancel_run(id).await.map_err(trouble) })
    }

    fn pause(&self, most: Duration, of: Option<RunId>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let mut heard = self.heard.lock().await;
            let news = async {
                loop {
                    match heard.recv().await {
                        Ok(run) if of.is_some_and(|of| of != run) => {}
                        // Missed some, or nobody tells of any.
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = news => true,
                () = tokio::time::sleep(most) => true,
                () = self.bot.stopping().begun() => false,
            }
        })
    }
}
