//! Having a workflow run on GitHub's runners, and letting through that very run and no other. INVARIANT i23.
//!
//! The executor asks for a run, and it alone answers the deployment protection rule of the environment that the run's jobs
//! name. Until it has let the run through, nothing behind that environment can have begun, which makes "no" certain;
//! afterwards only a success is.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;

use super::{
    call::{Answered, Called, Purpose},
    ready::{Tools, Unfit, in_time, not_late},
};
use crate::domain::{
    ids::{AccountId, RepoName, Timestamp},
    policy::WorkflowExecute,
    warrant::{Claimed, WorkflowCall},
    workflow::{Conclusion, Run, RunId},
};

/// How often a run is asked for, where it can be found again; and how often GitHub's list is looked through for it.
const ATTEMPTS: u32 = 3;
/// The first pause before GitHub is looked at again; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause; GitHub's webhooks end it early.
const LONGEST: Duration = Duration::from_secs(20);
/// So many answers in a row that say nothing about a run end the waiting for it.
const MOST_TROUBLES: u32 = 8;
/// Runs are looked for from so long before the proposal on, for clocks differ.
const BEFORE: i64 = 10 * 60 * 1000;

/// A workflow, and the environment that its jobs name.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The repository; the bot's own without one.
    pub repository: Option<&'a RepoName>,
    /// The file below `.github/workflows/`.
    pub workflow: &'a str,
    /// The environment.
    pub environment: &'a str,
}

impl<'a> From<&'a WorkflowCall> for Place<'a> {
    fn from(call: &'a WorkflowCall) -> Self {
        Self {
            repository: call.repository.as_ref(),
            workflow: &call.workflow,
            environment: &call.environment,
        }
    }
}

impl<'a> From<&'a WorkflowExecute> for Place<'a> {
    fn from(workflow: &'a WorkflowExecute) -> Self {
        Self {
            repository: workflow.repository(),
            workflow: workflow.workflow(),
            environment: workflow.environment(),
        }
    }
}

/// Why GitHub gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What happened, in one line.
    pub why: String,
    /// Whether what was asked for may have been done all the same.
    pub unclear: bool,
    /// Whether it may go by itself.
    pub passing: bool,
}

/// What the protection rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The run may go on.
    LetThrough,
    /// It may not.
    TurnAway,
}

/// What GitHub is asked about workflows.
pub trait Workflows: Send + Sync {
    /// Whether the workflow is there and its environment has the bot's own protection rule.
    fn ready<'a>(&'a self, at: Place<'a>) -> BoxFuture<'a, Result<(), Unfit>>;
    /// The repository, and the bot's account.
    fn whose<'a>(&'a self, at: Place<'a>) -> BoxFuture<'a, Result<(RepoName, AccountId), Trouble>>;
    /// Asks for a run; its number, where GitHub tells it.
    fn dispatch<'a>(&'a self, call: &'a WorkflowCall) -> BoxFuture<'a, Result<Option<RunId>, Trouble>>;
    /// Every run of the workflow since then.
    fn since<'a>(&'a self, at: Place<'a>, since: Timestamp) -> BoxFuture<'a, Result<Vec<Run>, Trouble>>;
    /// A run, at its newest attempt or the first one.
    fn run<'a>(&'a self, at: Place<'a>, id: RunId, first: bool) -> BoxFuture<'a, Result<Run, Trouble>>;
    /// Whether a run waits to be let into the environment.
    fn waits<'a>(&'a self, at: Place<'a>, id: RunId) -> BoxFuture<'a, Result<bool, Trouble>>;
    /// Answers the protection rule; `words` are shown beside it.
    fn answer<'a>(
        &'a self,
        at: Place<'a>,
        id: RunId,
        answer: Passage,
        words: &'a str,
    ) -> BoxFuture<'a, Result<(), Trouble>>;
    /// Asks GitHub to stop a run.
    fn cancel<'a>(&'a self, at: Place<'a>, id: RunId) -> BoxFuture<'a, Result<(), Trouble>>;
    /// Waits for so long, or until something was heard of a run, or of any. Whether to go on: not when the process ends.
    fn pause(&self, most: Duration, of: Option<RunId>) -> BoxFuture<'_, bool>;
}

/// Has a workflow run and waits for its end. `unclear` says why it may have been asked for before.
pub(super) async fn by_workflow(
    (call, purpose): (&WorkflowCall, Purpose),
    unclear: Option<String>,
    claimed: &Claimed,
    tools: &Tools<'_>,
) -> Called {
    let within = (tools.clock)().millis().saturating_add(call.within.millis());
    let mut following = Following {
        call,
        purpose,
        claimed,
        tools,
        until: Timestamp::from_millis(within).min(claimed.deadline()),
        resumed: unclear.is_some(),
        waited: false,
        let_through: false,
        troubles: 0,
    };
    match following.begin(unclear).await {
        Ok(id) => following.follow(id).await,
        Err(called) => called,
    }
}

struct Following<'a, 't> {
    call: &'a WorkflowCall,
    purpose: Purpose,
    claimed: &'a Claimed,
    tools: &'a Tools<'t>,
    until: Timestamp,
    /// Whether an earlier attempt may have let it through.
    resumed: bool,
    /// Whether it was seen waiting for the environment.
    waited: bool,
    /// Whether it was, or may have been, let through.
    let_through: bool,
    troubles: u32,
}

impl Following<'_, '_> {
    fn at(&self) -> Place<'_> {
        self.call.into()
    }

    /// The run to follow: the one that was asked for before, or a new one.
    async fn begin(&self, mut unclear: Option<String>) -> Result<RunId, Called> {
        if let Some(why) = &unclear {
            match self.find().await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) if self.call.repeatable() => {}
                Ok(None) => return Err(Called::Unclear(why.clone())),
                Err(error) => return Err(Called::Unclear(format!("{why}, and now {error}"))),
            }
        }
        let given_up = |unclear: &Option<String>, unfit: Unfit| match unclear {
            Some(why) => Called::Unclear(format!("{why}, and now {unfit}")),
            None => Called::Not(unfit),
        };
        let mut held_back = None;
        for _ in 0..ATTEMPTS {
            if let Err(unfit) = self.still_may().await {
                return Err(given_up(&unclear, unfit));
            }
            match self.tools.workflows.dispatch(self.call).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => unclear = Some("GitHub did not say which run it began".to_owned()),
                Err(trouble) if trouble.unclear => unclear = Some(trouble.why),
                // GitHub's limits, say: nothing was begun, and it may be in a while.
                Err(trouble) if trouble.passing => {
                    held_back = Some(Unfit::GitHub(trouble.why));
                    if !self.tools.workflows.pause(LONGEST, None).await {
                        break;
                    }
                    continue;
                }
                Err(trouble) => return Err(given_up(&unclear, Unfit::GitHub(trouble.why))),
            }
            let why = unclear.clone().unwrap_or_default();
            if !self.call.repeatable() {
                return Err(Called::Unclear(format!(
                    "{why}; without `nonce` its run can't be told from others"
                )));
            }
            match self.find().await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => {}
                Err(error) => return Err(Called::Unclear(format!("{why}, and now {error}"))),
            }
        }
        match (held_back, unclear) {
            (Some(unfit), unclear) => Err(given_up(&unclear, unfit)),
            (None, why) => {
                let why = why.unwrap_or_default();
                Err(Called::Unclear(format!("{why}, and no run has its name")))
            }
        }
    }

    /// The bot's own run of this name, looked for more than once: GitHub lists a run a moment after it began it.
    async fn find(&self) -> Result<Option<RunId>, String> {
        let created = self.claimed.proposal().created_at.millis();
        let since = Timestamp::from_millis(created.saturating_sub(BEFORE));
        let workflows = self.tools.workflows;
        let mut last = Ok(None);
        for look in 0..ATTEMPTS {
            if look > 0 && !workflows.pause(PAUSE * look, None).await {
                return Err("the executor stops".to_owned());
            }
            let found = async {
                let (_, me) = workflows.whose(self.at()).await?;
                let runs = workflows.since(self.at(), since).await?;
                let ours = |run: &Run| run.is_named(self.call) && run.actor == Some(me);
                Ok::<_, Trouble>(
                    runs.into_iter()
                        .filter(ours)
                        .map(|run| run.id)
                        .collect::<Vec<_>>(),
                )
            };
            last = match found.await.as_deref() {
                Ok([]) => Ok(None),
                Ok([one]) => return Ok(Some(*one)),
                Ok([..]) => return Err("several runs have its name".to_owned()),
                Err(trouble) => Err(trouble.why.clone()),
            };
        }
        last
    }

    /// What must hold before a run is asked for, and again before it is let through.
    async fn still_may(&self) -> Result<(), Unfit> {
        self.in_time()?;
        self.tools.workflows.ready(self.at()).await?;
        self.in_time()
    }

    /// A freeze does not keep anything half done.
    fn in_time(&self) -> Result<(), Unfit> {
        match self.purpose {
            Purpose::Do => in_time(self.claimed, self.tools),
            Purpose::Undo => not_late(self.claimed, self.tools),
        }
    }

    async fn follow(&mut self, id: RunId) -> Called {
        let mut wait = PAUSE;
        loop {
            match self.look(id).await {
                Ok(Some(called)) => return called,
                Ok(None) => self.troubles = 0,
                Err(trouble) => {
                    self.troubles += u32::from(!trouble.passing);
                    if self.troubles >= MOST_TROUBLES {
                        return self.lost(id, &trouble.why).await;
                    }
                }
            }
            if (self.tools.clock)() >= self.until {
                let within = self.call.within;
                return self.lost(id, &format!("did not end within {within}")).await;
            }
            if !self.tools.workflows.pause(wait, Some(id)).await {
                return Called::Unclear(format!("the executor stopped while run {id} went on"));
            }
            wait = (wait * 2).min(LONGEST);
        }
    }

    /// One look at the run; what became of the call, once that is known.
    async fn look(&mut self, id: RunId) -> Result<Option<Called>, Trouble> {
        let workflows = self.tools.workflows;
        let (repository, me) = workflows.whose(self.at()).await?;
        let newest = workflows.run(self.at(), id, false).await?;
        // Somebody may run it again once it has ended; what was approved is the first attempt.
        let run = match newest.attempt {
            0 | 1 => newest,
            _ => workflows.run(self.at(), id, true).await?,
        };
        if let Err(stranger) = run.is_of(self.call, &repository, me) {
            return Ok(Some(self.turn_away(id, &stranger.to_string()).await));
        }
        if let Some(conclusion) = run.conclusion {
            return Ok(Some(self.ended(&run, conclusion)));
        }
        if !workflows.waits(self.at(), id).await? {
            return Ok(None);
        }
        self.waited = true;
        match self.still_may().await {
            Ok(()) => {}
            // Nobody can tell now; it is asked again.
            Err(Unfit::GitHub(why)) => {
                return Err(Trouble {
                    why,
                    unclear: false,
                    passing: true,
                });
            }
            Err(unfit) => return Ok(Some(self.turn_away(id, &unfit.to_string()).await)),
        }
        let words = format!("Approved as proposal {}.", self.claimed.proposal().id);
        match workflows.answer(self.at(), id, Passage::LetThrough, &words).await {
            Ok(()) => self.let_through = true,
            // If it still waits at the next look, it is let through then.
            Err(trouble) if trouble.unclear => self.let_through = true,
            Err(trouble) => return Err(trouble),
        }
        Ok(None)
    }

    /// What its end means.
    fn ended(&self, run: &Run, conclusion: Conclusion) -> Called {
        let told = self.told(run, conclusion);
        let environment = &self.call.environment;
        match conclusion {
            Conclusion::Success if self.let_through || self.resumed => Called::Done(self.answered(run, told)),
            Conclusion::Success => Called::Unclear(format!(
                "{told}, without having waited for `{environment}`: each of its jobs that acts has to name it"
            )),
            _ if self.let_through || self.resumed => Called::Unclear(told),
            Conclusion::StartupFailure => Called::Refused(self.answered(run, told)),
            _ if self.waited => {
                let note = format!("{told}, before it was let into `{environment}`");
                Called::Refused(self.answered(run, note))
            }
            _ => Called::Unclear(format!("{told}, before it waited for `{environment}`")),
        }
    }

    /// Keeps the run out for good. What was never let through did nothing behind the environment.
    async fn turn_away(&self, id: RunId, why: &str) -> Called {
        let words = format!("Turned away: {}.", why);
        let mut note = format!("run {id} was turned away: {why}");
        if let Err(trouble) = self.keep_out(id, &words).await {
            note = format!("{note}; GitHub was not told, so it waits: {}", trouble.why);
        }
        if self.let_through || self.resumed {
            return Called::Unclear(note);
        }
        Called::Refused(Answered {
            note,
            ..Answered::default()
        })
    }

    async fn keep_out(&self, id: RunId, words: &str) -> Result<(), Trouble> {
        let workflows = self.tools.workflows;
        let mut said = workflows.answer(self.at(), id, Passage::TurnAway, words).await;
        for look in 1..ATTEMPTS {
            let passing = said.as_ref().is_err_and(|trouble| trouble.passing);
            if !passing || !workflows.pause(PAUSE * look, Some(id)).await {
                break;
            }
            said = workflows.answer(self.at(), id, Passage::TurnAway, words).await;
        }
        // A run that does not wait is stopped; one that was turned away may have other jobs.
        let stopped = workflows.cancel(self.at(), id).await;
        said.or(stopped)
    }

    /// Its time is over, or nothing can be learnt of it.
    async fn lost(&self, id: RunId, why: &str) -> Called {
        if self.waited && !self.let_through && !self.resumed {
            return self.turn_away(id, why).await;
        }
        let asked = match self.keep_out(id, "Turned away: its time is over.").await {
            Ok(()) => "GitHub was asked to stop it".to_owned(),
            Err(trouble) => format!("GitHub could not be asked to stop it: {}", trouble.why),
        };
        Called::Unclear(format!("run {id} {why}; {asked}"))
    }

    fn told(&self, run: &Run, conclusion: Conclusion) -> String {
        let commit = run.head.to_string();
        let commit = commit.get(..7).unwrap_or_default();
        let workflow = &self.call.workflow;
        format!(
            "run {} of `{workflow}` at {commit} ended with {conclusion}: {}",
            run.id, run.page
        )
    }

    fn answered(&self, run: &Run, note: String) -> Answered {
        let body = json!({
            "conclusion": run.conclusion.map(|conclusion| conclusion.to_string()),
            "head_sha": run.head,
            "html_url": run.page,
            "run_id": run.id.0,
            "workflow": self.call.workflow,
        });
        Answered {
            status: None,
            note,
            content_type: Some("application/json".to_owned()),
            body: Some(body.to_string().into_bytes()),
        }
    }
}
