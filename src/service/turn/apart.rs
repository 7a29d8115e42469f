//! An executor apart from the gate: it follows ledger and base branch by itself, and carries out what it proved for itself
//! that people approved. The gate's entries tell it where to look, and are never the proof: reviews are those that GitHub
//! shows, what people wrote is read where they wrote it, the text that they approved is made again from the proposal, and the
//! rules are those that people brought into force. INVARIANT i02, i06, i14.

mod back;
mod left_out;
mod low;
mod words;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, oneshot};

use self::back::without_taken_back;
use super::{Bot, NotNow, execute::Fit, record::Heard};
use crate::{
    domain::{
        case::{Case, Life, RecordedReview},
        entry::{Digests, Draft, Event, Incident, Role},
        gate::{Standing, Verdict, decide},
        ids::{Digest, ProposalId},
        observation::ReviewState,
        policy::{Policy, Tier},
        receive::clear_parameters,
        verdict::named,
    },
    execute,
    github::Seeing,
    render,
    service::follow::Waiting,
    store::Proven,
};

/// Cases that are worked on side by side.
const PLACES: usize = 16;

/// What becomes of a case that is worked on.
type Begun = oneshot::Receiver<Result<(), NotNow>>;

/// What an executor apart remembers.
#[derive(Debug)]
pub(super) struct Apart {
    waiting: Waiting,
    places: Semaphore,
    under_way: Mutex<BTreeSet<ProposalId>>,
    /// What was told before.
    told: Mutex<BTreeSet<String>>,
    /// Texts that were made again from their proposals and came out as opened.
    shown: Mutex<BTreeSet<Digest>>,
    /// How far the rules were proved. The file of that is this process's alone: it has the data directory.
    proven: Mutex<Option<Proven>>,
}

impl Default for Apart {
    fn default() -> Self {
        Self {
            waiting: Waiting::default(),
            places: Semaphore::new(PLACES),
            under_way: Mutex::default(),
            told: Mutex::default(),
            shown: Mutex::default(),
            proven: Mutex::default(),
        }
    }
}

impl Apart {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<ProposalId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_at(&self, id: ProposalId) -> bool {
        self.lock().contains(&id)
    }

    pub(super) fn proven(&self) -> MutexGuard<'_, Option<Proven>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_new(&self, what: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(what.to_owned())
    }
}

impl Bot {
    /// One round of an executor apart: what the ledger says is looked at, proved, merged, carried out.
    pub async fn follow(&self) -> Result<(), NotNow> {
        let mut failed = None;
        for done in self.begin_round().await? {
            match done.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed = Some(error),
                Err(error) => failed = Some(NotNow::internal(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The same, not waiting for what it begins: a workflow may go on for hours, and keeps nothing else from being done.
    pub(in crate::service) async fn begin_round(&self) -> Result<Vec<Begun>, NotNow> {
        self.ledger().refresh().await?;
        if let Err(why) = self.prove_rules().await? {
            self.tell_disproved(&why).await?;
            return Ok(Vec::new());
        }
        let cases: Vec<Case> = self.ledger().read(|book| {
            let all = book.cases().map(|(_, case)| case);
            let next = all.filter(|case| is_next(case) && !self.inner.apart.is_at(case.proposal.id));
            next.cloned().collect()
        });
        let cases = self.inner.apart.waiting.due(cases, self.now());
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let policy = self.in_force().await?;
        Ok(cases.into_iter().map(|case| self.begin(case, &policy)).collect())
    }

    fn begin(&self, case: Case, policy: &Arc<Policy>) -> Begun {
        let (tell, begun) = oneshot::channel();
        let (bot, policy, id) = (self.clone(), Arc::clone(policy), case.proposal.id);
        let at = UnderWay::new(self.clone(), id);
        self.tasks().spawn(async move {
            // Never closed.
            let _place = bot.inner.apart.places.acquire().await;
            let done = match case.life {
                _ if case.tier() == Tier::Low => bot.execute_low(id, &policy).await,
                Life::Open => bot.display(id, &policy).await,
                _ => bot.execute(id, &policy).await,
            };
            drop(at);
            if let Err(error) = &done {
                tracing::warn!(proposal = %id, %error, "can't go on now; it is looked at again");
            }
            // Whoever began it need not wait.
            let (Ok(()) | Err(_)) = tell.send(done);
        });
        begun
    }

    /// Whether this process is the one that merges, and finds the gate open by itself. Asked before every merge.
    pub(super) async fn may_merge(
        &self,
        case: &Case,
        policy: &Policy,
        seeing: &Seeing,
    ) -> Result<bool, NotNow> {
        // Where one process does both, it looked before it showed anything.
        if !self.is_apart() {
            return Ok(self.executes());
        }
        if let Err(why) = self.prove(case, policy, seeing).await? {
            self.tell_unproved(case, &why).await?;
            return Ok(false);
        }
        if !self.goes_on(case, seeing, policy).await? {
            return Ok(false);
        }
        match self.preflight(case, policy).await? {
            Fit::Now => Ok(true),
            Fit::Waits => Ok(false),
            Fit::Lacks(why) => Err(NotNow::Other(why)),
        }
    }

    /// Whether an executor apart knows of nobody who froze a case, or took something out of it, and was not heard. That may
    /// end, so that it waits.
    pub(super) async fn goes_on(
        &self,
        case: &Case,
        seeing: &Seeing,
        policy: &Policy,
    ) -> Result<bool, NotNow> {
        if !self.is_apart() {
            return Ok(true);
        }
        let said = self.github().comments_as_made(seeing.pull().number).await?;
        let frozen = self.frozen_below(case, &said, policy).await?;
        let why = match frozen {
            Some(why) => Some(why),
            None => self.left_out_below(case, seeing.pull(), &said, policy).await?,
        };
        match why {
            Some(why) => self.tell_unproved(case, &why).await.map(|()| false),
            None => Ok(true),
        }
    }

    /// Whether people approved a case, by what GitHub, Git and the rules themselves show. Errors inside: what they don't.
    pub(super) async fn prove(
        &self,
        case: &Case,
        policy: &Policy,
        seeing: &Seeing,
    ) -> Result<Result<(), String>, NotNow> {
        if let Err(why) = self.prove_rules().await? {
            return Ok(Err(why));
        }
        let Some(opened) = &case.opened else {
            return Ok(Err("it has no pull request".to_owned()));
        };
        if let Err(why) = self.prove_text(case, policy).await? {
            return Ok(Err(why));
        }
        if !self.co_writers_stand(&case.proposal).await? {
            return Ok(Err(
                "a person is said to have asked for it, or to have changed it, in a comment that is not there as they made it"
                    .to_owned(),
            ));
        }
        let said = self.github().comments_as_made(opened.pull).await?;
        if let Err(why) = self.left_out_proved(case, seeing.pull(), &said, policy).await? {
            return Ok(Err(why));
        }
        let moved = self.github().head_changed_at(&opened.branch).await?;
        let live = seeing.observation().reviews.known();
        let live = live.into_iter().flatten();
        let reviews = live
            .filter(|review| review.state != ReviewState::Commented)
            .map(|review| {
                let heard = Heard::found(review, seeing.pull(), moved, opened);
                RecordedReview {
                    at: review.submitted_at,
                    digests: Digests {
                        presentation: heard.presentation(),
                        ..Digests::of(case)
                    },
                    review: heard.into_review(),
                }
            });
        let mut own = case.clone();
        own.reviews = reviews.collect();
        let approvals = own.reviews.iter().map(|recorded| recorded.at);
        let delegations = self
            .delegations_proved(&case.delegations, approvals, policy)
            .await?;
        own.delegations = without_taken_back(delegations, &said, policy);
        own.exceptions = self.exceptions_proved(case, &said, policy).await?;
        let decision = decide(&own, seeing.observation(), policy);
        if decision.verdict() == Verdict::Open {
            return Ok(Ok(()));
        }
        let rules = named(decision.against());
        if decision.against().any(|one| one.standing == Standing::Errored) {
            return Err(NotNow::Other(format!(
                "what people approved can't be read: {rules}"
            )));
        }
        Ok(Err(format!(
            "the ledger says that it was approved, and GitHub does not show it: {rules}"
        )))
    }

    /// Makes the text that people approved again. What it was made from may be known only for a while, so that a text that
    /// came out once is remembered.
    async fn prove_text(&self, case: &Case, policy: &Policy) -> Result<Result<(), String>, NotNow> {
        let Some(opened) = case.presentation else {
            return Ok(Err("no text was opened".to_owned()));
        };
        let shown = || {
            self.inner
                .apart
                .shown
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if shown().contains(&opened) {
            return Ok(Ok(()));
        }
        let not = "is not the one that this version makes of the proposal; propose it anew";
        let made = self.presentation(&case.proposal, &case.assessment, policy)?;
        if Digest::of(made.report.as_bytes()) != opened {
            return Ok(Err(format!("the text that people read {not}")));
        }
        let Some(action) = policy.action(&case.proposal.binding.operation) else {
            return Ok(Err("the catalog does not know the action".to_owned()));
        };
        // What stands for sealed values, and the line that a proposal is called by, come from its parameters too, and
        // nobody signs them.
        let key = self.store().keys().get(case.proposal.id).await?;
        let mut masked = Vec::new();
        for item in &case.proposal.binding.items {
            let clear = clear_parameters(&case.proposal, item, key.as_ref()).map_err(NotNow::internal)?;
            masked.push(render::masked(action, &clear));
            drop(execute::Clear::new(clear));
        }
        let items = case.proposal.binding.items.iter();
        let shown_as = items.map(|item| render::masked_item(&case.proposal, item));
        if !shown_as.eq(masked.iter().cloned()) {
            return Ok(Err(format!("what people read in place of sealed values {not}")));
        }
        if render::summary_of_items(action, &masked)? != case.proposal.summary {
            return Ok(Err(format!("the line that people read {not}")));
        }
        shown().insert(opened);
        Ok(Ok(()))
    }

    async fn tell_unproved(&self, case: &Case, why: &str) -> Result<(), NotNow> {
        let what = format!("{why}; the executor neither merges nor carries it out");
        tracing::error!(proposal = %case.proposal.id, "{what}");
        if !self.inner.apart.is_new(&format!("{} {what}", case.proposal.id)) {
            return Ok(());
        }
        let incident = Event::Incident(Incident {
            what,
            account: None,
            stray: None,
        });
        self.append(vec![Draft::about(case, Role::Executor, incident, self.now())])
            .await
    }
}

/// This process works on a case as long as this lives.
struct UnderWay {
    bot: Bot,
    id: ProposalId,
}

impl UnderWay {
    fn new(bot: Bot, id: ProposalId) -> Self {
        bot.inner.apart.lock().insert(id);
        Self { bot, id }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.bot.inner.apart.lock().remove(&self.id);
    }
}

/// Whether the next thing that may happen to a case is an executor's.
fn is_next(case: &Case) -> bool {
    match case.life {
        Life::Received => case.tier() == Tier::Low,
        Life::Open => case.verdict == Some(Verdict::Open),
        Life::Merged => true,
        Life::Unknown => case.resumable(),
        _ => false,
    }
}
