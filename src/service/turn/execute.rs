//! From a merge to an effect: proved, observed and decided again, claimed on the ledger, run once, settled.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{Bot, NotNow, acting::Acting};
use crate::{
    domain::{
        answer::StepAnswer,
        book::Full,
        case::{Case, Life},
        entry::{
            Draft, Event, Finished, Incident, Observed, Refusal, Role, Started, Took, Unknown, VoidReason,
            Voided, When,
        },
        gate::{Because, Rule, Standing, decide},
        ids::{ProposalId, Span, Timestamp},
        policy::Policy,
        protection::clock_is_right,
        request::Checked,
        sealed::DataKey,
        warrant::{Claimed, ExecutionPlan, Warrant, plan},
    },
    execute::{self, Ending, Progress, Ran, Tell, Tools, Unfit},
};

/// How often a pull request shows the progress of what runs; a burst of steps is shown once.
const SHOW_EVERY: Span = Span::seconds(10);

/// What is found right before a merge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It could run.
    Now,
    /// Not yet, or not any more.
    Waits,
    /// The executor lacks something, in words.
    Lacks(String),
}

impl Bot {
    /// Executes a merged proposal, or records why it never will. INVARIANT i14, i15, i16.
    pub(super) async fn execute(&self, id: ProposalId, policy: &Policy) -> Result<(), NotNow> {
        let may_begin = |case: &Case| case.life == Life::Merged || case.resumable();
        let Some(case) = self.case(id).filter(may_begin) else {
            return self.display(id, policy).await;
        };
        let (Some(opened), Some(merged)) = (&case.opened, &case.merged) else {
            return Ok(());
        };
        let seeing = self.see_case(&case, policy, opened.pull).await?;
        let decision = decide(&case, seeing.observation(), policy);
        let against: Vec<_> = decision.against().cloned().collect();
        // Whether it is late is judged by a clock that can be trusted, or not yet.
        let late =
            against.iter().any(|one| one.rule == Rule::ExecuteWithin) && clock_is_right(seeing.observation());
        if !late && against.iter().any(|one| one.standing == Standing::Errored) {
            return Err(NotNow::because(
                "something can't be read right before the act; it is looked at again",
            ));
        }
        let now = self.now();
        let about = |event| Draft::about(&case, Role::Executor, event, now);
        let observed = about(Event::Observed(Observed {
            when: When::Start,
            observation: Box::new(seeing.observation().clone()),
            gate: decision.verdict(),
            because: decision.because().to_vec(),
        }));
        let refusal = |reason: String| Refusal {
            sha: Some(merged.sha),
            by: merged.by,
            reason,
            because: against.clone(),
        };
        // What was begun before is not refused any more: it stays unknown until a person settles it. INVARIANT i21.
        let refuse = async |event: Event| {
            if case.life == Life::Merged {
                self.append(vec![observed.clone(), about(event)]).await?;
            } else {
                let why: Vec<&str> = against.iter().map(|one| one.rule.as_str()).collect();
                tracing::warn!(proposal = %id, ?why, "begun before, and it can't go on now; a person has to settle it");
            }
            self.display(id, policy).await
        };
        let Some(open) = decision.open() else {
            // Each passes: its window begins, the branches are protected again, a freeze ends. INVARIANT i22, i31.
            let passes = |one: &Because| match one.rule {
                Rule::NotBefore => one.standing == Standing::Missing,
                Rule::Protection | Rule::Freeze => true,
                _ => false,
            };
            if against.iter().all(passes) {
                return self.display(id, policy).await;
            }
            let rules: Vec<&str> = against.iter().map(|one| one.rule.as_str()).collect();
            let reason = format!("not open any more right before the act: {}", rules.join(", "));
            let event = if against.iter().any(|one| one.rule == Rule::Policy) {
                Event::PolicyChanged(refusal(reason))
            } else {
                Event::RefusedAfterMerge(refusal(reason))
            };
            return refuse(event).await;
        };
        if self.is_apart()
            && let Err(reason) = self.prove(&case, policy, &seeing).await?
        {
            tracing::error!(proposal = %id, %reason, "merged, and not proved to be approved");
            return refuse(Event::RefusedAfterMerge(refusal(reason))).await;
        }
        if !self.goes_on(&case, &seeing, policy).await? {
            return self.display(id, policy).await;
        }
        let merge = self
            .mirror()
            .merge(
                merged.sha,
                &opened.base_ref,
                &case.proposal.directory(),
                merged.at,
                merged.by,
            )
            .await?;
        let planned = Warrant::merged(open, merge)
            .map_err(|violation| violation.to_string())
            .and_then(|warrant| plan(warrant, policy).map_err(|error| error.to_string()));
        let plan = match planned {
            Ok(plan) => plan,
            Err(reason) => return refuse(Event::RefusedAfterMerge(refusal(reason))).await,
        };
        if let Err(Full { limit, .. }) = self.room(&case).await? {
            let reason = format!("limit `{limit}` is over: others of this kind ran since it was approved");
            return refuse(Event::RefusedAfterMerge(refusal(reason))).await;
        }
        self.start(&case, policy, plan, observed).await
    }

    /// Claims a plan on the ledger, carries it out and records how it ended.
    pub(super) async fn start(
        &self,
        case: &Case,
        policy: &Policy,
        plan: ExecutionPlan,
        observed: Draft,
    ) -> Result<(), NotNow> {
        let id = case.proposal.id;
        // Nothing that can fail stands between the claim and the act.
        let key = self.store().keys().get(id).await?;
        if key.is_none() && !case.proposal.sealed.is_empty() {
            tracing::warn!(proposal = %id, "the key of its sealed values is not on this machine; another has to run it");
            return self.display(id, policy).await;
        }
        // The answers of all attempts are sealed with one key: that of the sealed values, or one drawn for them.
        let key = key.unwrap_or_else(|| DataKey::new(rand::random()));
        let acting = self.acting(id);
        let attempt = case.attempts().saturating_add(1);
        let started = plan.attempt(attempt, self.instance().clone(), self.now());
        let recorded = self.record(vec![observed, started]).await?;
        let started = recorded
            .last()
            .ok_or_else(|| NotNow::because("the ledger did not say what it recorded"))?;
        let claimed = plan.claim(started, self.instance()).map_err(NotNow::internal)?;
        metrics::counter!("countersign_started_total").increment(1);
        if claimed.dispatches() {
            self.carry_on((case.clone(), policy.clone()), key, claimed, acting);
            return self.display(id, policy).await;
        }
        let _acting = acting;
        let (moved, steps) = watch::channel(());
        // The act has a deadline, and a slow GitHub must not use it up.
        let (ended, ()) = tokio::join!(
            self.carry_to_its_end(case, policy, &key, claimed, moved),
            self.show_progress(id, policy, steps)
        );
        ended?;
        self.display(id, policy).await
    }

    /// Carries out what takes as long as a workflow does beside the looks: neither a worker nor the subject waits for it,
    /// so that what is said about the proposal meanwhile is heard.
    fn carry_on(&self, (case, policy): (Case, Policy), key: DataKey, claimed: Claimed, acting: Acting) {
        // Whoever lost its lease must not publish; what is recorded here is bound by the claim instead.
        let bot = Self {
            inner: Arc::clone(&self.inner),
            lease: None,
        };
        self.tasks().spawn(async move {
            // Who looks at it shows how far it came.
            let (moved, _) = watch::channel(());
            let ended = bot
                .carry_to_its_end(&case, &policy, &key, claimed, moved)
                .await;
            drop(acting);
            let shown = match ended {
                Ok(()) if bot.is_apart() => bot.display(case.proposal.id, &policy).await,
                Ok(()) => bot.look_again_at(&case).await,
                Err(error) => Err(error),
            };
            if let Err(error) = shown {
                tracing::error!(proposal = %case.proposal.id, %error, "its end is not recorded or shown yet; the sweep tries again");
            }
        });
    }

    /// Carries out a claimed plan, and records how it ended.
    async fn carry_to_its_end(
        &self,
        case: &Case,
        policy: &Policy,
        key: &DataKey,
        claimed: Claimed,
        moved: watch::Sender<()>,
    ) -> Result<(), NotNow> {
        let ran = self.carry_out(case, policy, key, claimed, moved).await;
        let draft = |event| Draft::about(case, Role::Executor, event, self.now());
        let incidents = ran.incidents().iter().map(|what| Event::Incident(incident(what)));
        let mut drafts: Vec<Draft> = incidents.map(draft).collect();
        drafts.push(draft(self.ending(case, key, &ran).await));
        self.append_surely(drafts).await
    }

    /// Makes the pull request show that it runs and, where it runs for a while, how far it came.
    async fn show_progress(&self, id: ProposalId, policy: &Policy, mut steps: watch::Receiver<()>) {
        let mut shown: Option<Timestamp> = None;
        loop {
            let now = self.now();
            if shown.is_none_or(|shown| now >= shown.plus(SHOW_EVERY)) {
                if let Err(error) = self.display(id, policy).await {
                    tracing::warn!(proposal = %id, %error, "the pull request does not show yet how far it came");
                }
                shown = Some(now);
            }
            if steps.changed().await.is_err() {
                return;
            }
        }
    }

    /// Runs a claimed plan and records its steps: one that failed before those in front of it are undone, the others
    /// beside what goes on. `moved` is told of every step that is on the ledger, and let go when nothing more is taken.
    async fn carry_out(
        &self,
        case: &Case,
        policy: &Policy,
        key: &DataKey,
        claimed: Claimed,
        moved: watch::Sender<()>,
    ) -> Ran {
        let (send, mut took) = tokio::sync::mpsc::unbounded_channel::<Draft>();
        let running = async {
            let heard = &send;
            let tell = |mut progress: Progress| -> BoxFuture<'_, ()> {
                Box::pin(async move {
                    // Kept before the ledger tells of the step: it is not taken again after a crash.
                    if let Some(answer) = progress.answer.take() {
                        let answered = StepAnswer {
                            result: progress.result.clone(),
                            answer: Some(answer),
                        };
                        self.keep_answer(case.proposal.id, key, &answered).await;
                    }
                    let (first, draft) = (progress.first, self.took(case, progress));
                    if !first {
                        // The receiver lives as long as this does.
                        let (Ok(()) | Err(_)) = heard.send(draft);
                        return;
                    }
                    if let Err(error) = self.append_surely(vec![draft]).await {
                        tracing::error!(proposal = %case.proposal.id, %error, "a failed step could not be recorded");
                    }
                })
            };
            let ran = self.act(case, policy, (Some(key), None), claimed, &tell).await;
            drop(send);
            ran
        };
        let recording = async {
            let mut waiting = Vec::new();
            while took.recv_many(&mut waiting, usize::MAX).await > 0 {
                if let Err(error) = self.append(std::mem::take(&mut waiting)).await {
                    tracing::warn!(proposal = %case.proposal.id, %error, "steps could not be recorded; its end tells of them");
                }
                moved.send_replace(());
            }
        };
        tokio::join!(running, recording).0
    }

    fn took(&self, case: &Case, progress: Progress) -> Draft {
        let took = Took {
            instance: self.instance().clone(),
            progress: (progress.number, progress.of),
            result: progress.result,
        };
        let event = if took.result.undo {
            Event::Undone(took)
        } else {
            Event::Step(took)
        };
        Draft::about(case, Role::Executor, event, self.now())
    }

    /// Runs a claimed plan with this machine's key of the proposal's sealed values; `signature` is the agent's, where it was
    /// looked at just now.
    pub(super) async fn act(
        &self,
        case: &Case,
        policy: &Policy,
        (key, signature): (Option<&DataKey>, Option<&Checked>),
        claimed: Claimed,
        tell: &Tell<'_>,
    ) -> Ran {
        let (clock, thaws) = (self.clock(), claimed.thaws().is_some());
        let tools = Tools {
            client: self.client(),
            commands: self.programs(),
            workflows: &self.runner(),
            policy,
            key,
            signature,
            clock: &*clock,
            frozen: &|| !thaws && self.frozen(&case.proposal).is_some(),
            thaw: &|freeze| Box::pin(self.thaw(case, freeze)),
        };
        execute::run(claimed, &case.took, &tools, tell).await
    }

    /// Keeps the target's answers where they can be erased, with the proposal's key or one of their own, and says how it
    /// ended.
    pub(super) async fn ending(&self, case: &Case, key: &DataKey, ran: &Ran) -> Event {
        let instance = self.instance().clone();
        let steps = ran.steps().to_vec();
        self.keep_answers(case, key, ran).await;
        match ran.ending() {
            Ending::Settled(outcome) => Event::Finished(Finished {
                instance,
                outcome: *outcome,
                steps,
                credentials: ran.credentials().to_vec(),
            }),
            Ending::Unknown { reason } => Event::Unknown(Unknown {
                instance,
                reason: reason.clone(),
                // What its executor left when it stopped may be gone on with, where a call may be made again.
                stopped: self.stopping().has_begun(),
                steps,
                credentials: ran.credentials().to_vec(),
            }),
        }
    }

    /// Whether the executor would be able to act now; asked before every merge. INVARIANT i15.
    pub(super) async fn preflight(&self, case: &Case, policy: &Policy) -> Result<Fit, NotNow> {
        // Looked at before the check was written; others may have run since.
        if let Err(full) = self.room(case).await? {
            tracing::info!(proposal = %case.proposal.id, limit = full.limit, "approved; it waits until its limit has room");
            return Ok(Fit::Waits);
        }
        let key = self.store().keys().get(case.proposal.id).await?;
        let clock = self.clock();
        let tools = Tools {
            client: self.client(),
            commands: self.programs(),
            workflows: &self.runner(),
            policy,
            key: key.as_ref(),
            signature: None,
            clock: &*clock,
            frozen: &|| self.frozen(&case.proposal).is_some(),
            thaw: &|_| Box::pin(std::future::ready(Ok(Err("nothing runs yet".to_owned())))),
        };
        match execute::preflight(&case.proposal, case.left_in(), &tools).await {
            Ok(()) => Ok(Fit::Now),
            Err(Unfit::Changed { .. }) => {
                let voided = Voided {
                    because: VoidReason::Changed,
                    head: None,
                };
                let draft = Draft::about(case, Role::Executor, Event::Voided(voided), self.now());
                self.append(vec![draft]).await?;
                self.look_again_at(case).await?;
                Ok(Fit::Waits)
            }
            Err(Unfit::TooEarly(_)) => Ok(Fit::Now),
            Err(error) if error.is_a_lack() => Ok(Fit::Lacks(error.to_string())),
            Err(error) => Err(NotNow::internal(error)),
        }
    }

    async fn look_again_at(&self, case: &Case) -> Result<(), NotNow> {
        self.look_again(case.opened.as_ref().map(|opened| opened.pull))
            .await
    }

    /// Whether another machine's process may still be at what it began: its time is not over.
    pub(super) fn may_go_on(&self, started: &Started) -> bool {
        !self.is_of_this_machine(&started.instance) && self.now() < started.deadline
    }

    /// Settles what was begun and will never be ended by who began it: nobody can tell what became of it. INVARIANT i21.
    pub(super) async fn recover(&self) -> Result<(), NotNow> {
        let mine = self.instance();
        let begun: Vec<Case> = self.ledger().read(|book| {
            book.cases()
                .filter(|(_, case)| case.life == Life::Started)
                .map(|(_, case)| case.clone())
                .collect()
        });
        let now = self.now();
        let mut failed = None;
        for case in begun {
            let Some(started) = &case.started else { continue };
            let goes_on = match started.instance == *mine {
                true => self.acts_on(case.proposal.id),
                false => self.may_go_on(started),
            };
            if goes_on {
                continue;
            }
            let reason = "the executor stopped after it had started and before it recorded an end".to_owned();
            let event = Event::Unknown(Unknown {
                instance: started.instance.clone(),
                reason,
                stopped: true,
                steps: case.took.clone(),
                credentials: Vec::new(),
            });
            let draft = Draft::about(&case, Role::Executor, event, now);
            match self.append(vec![draft]).await {
                Ok(()) => self.look_again_at(&case).await?,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// What could not be undone. INVARIANT i21.
pub(super) fn incident(what: &str) -> Incident {
    Incident {
        what: what.to_owned(),
        account: None,
        stray: None,
    }
}
