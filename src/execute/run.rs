//! Carrying out what was approved: each item looked at again, its steps taken in order, and settled on its own.

use super::{
    call::{Answered, Called, Purpose, call},
    ready::{Tools, Unfit, in_time, let_in, look_again, unchanged},
    told::{Progress, Tell},
};
use crate::domain::{
    answer::{Answer, StepAnswer},
    canonical::{Salt, digest_of},
    entry::{Credential, Outcome, StepResult},
    ids::{ItemId, StepName},
    policy::Connector,
    proposal::{Item, Proposal},
    receive::{check_proof, check_proof_knowing},
    warrant::{Call, Claimed, ItemPlan, Step},
};

/// How an execution ended.
#[derive(Debug)]
pub struct Ran {
    ending: Ending,
    steps: Vec<StepResult>,
    answers: Vec<StepAnswer>,
    incidents: Vec<String>,
    credentials: Vec<Credential>,
}

/// Whether it is known how an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Known.
    Settled(Outcome),
    /// A call may or may not have taken effect; a person or the target decides. INVARIANT i21.
    Unknown {
        /// Why nobody can tell, in one line.
        reason: String,
    },
}

impl Ran {
    /// How it ended as a whole.
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }
    /// How each step ended; when the ending is unknown, those that are settled.
    pub fn steps(&self) -> &[StepResult] {
        &self.steps
    }
    /// What the target answered, to be kept where it can be erased.
    pub fn answers(&self) -> &[StepAnswer] {
        &self.answers
    }
    /// What could not be undone, a line each. INVARIANT i21.
    pub fn incidents(&self) -> &[String] {
        &self.incidents
    }
    /// The credentials that were made, in order. INVARIANT i19.
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }
}

/// Looks whether an approved proposal could run now, before it is merged: proof, sealed values, facts. Sends nothing
/// that acts. INVARIANT i15.
///
/// What approvers took out is not looked at: it does not run.
pub async fn preflight<'a>(
    proposal: &Proposal,
    left_in: impl Iterator<Item = &'a Item>,
    tools: &Tools<'_>,
) -> Result<(), Unfit> {
    check_proof(proposal, tools.policy, tools.key)?;
    for item in left_in {
        let_in(proposal, item, tools)?;
        let approved = proposal.observed_for(&item.id).map(|seen| &seen.facts);
        look_again(proposal, item, approved, tools).await?;
    }
    let action = tools.policy.action(&proposal.binding.operation);
    for rule in action.into_iter().flat_map(|action| action.execute().steps()) {
        for connector in [rule.connector()].into_iter().chain(rule.undo()) {
            match connector {
                Connector::Http(_) | Connector::Thaw(_) => {}
                Connector::Command(command) => tools.commands.check(command).await?,
                Connector::Workflow(workflow) => tools.workflows.ready(workflow.into()).await?,
            }
        }
    }
    Ok(())
}

/// Carries out a claimed plan, item by item; the first item that does not run stops it. Takes the claim, so that it
/// runs once. `before` is what an earlier attempt recorded, `tell` hears of every step where there are several.
pub async fn run(claimed: Claimed, before: &[StepResult], tools: &Tools<'_>, tell: &Tell<'_>) -> Ran {
    let calls = claimed.items().iter().map(|item| item.steps.len()).sum();
    let mut running = Running {
        claimed: &claimed,
        before,
        tools,
        tell,
        calls,
        told: 0,
        ran: Ran {
            ending: Ending::Settled(Outcome::Executed),
            steps: Vec::new(),
            answers: Vec::new(),
            incidents: Vec::new(),
            credentials: Vec::new(),
        },
    };
    running.all().await;
    running.ran
}

/// Why a step was not taken, or did nothing.
struct Failed {
    outcome: Outcome,
    note: String,
    reply: Option<Answered>,
}

/// Nobody can tell what became of a call.
struct Unclear(String);

struct Running<'a, 't, 'u> {
    claimed: &'a Claimed,
    before: &'a [StepResult],
    tools: &'a Tools<'t>,
    tell: &'a Tell<'u>,
    calls: usize,
    told: usize,
    ran: Ran,
}

impl Running<'_, '_, '_> {
    async fn all(&mut self) {
        let tools = self.tools;
        let proven = check_proof_knowing(tools.signature, self.claimed.proposal(), tools.policy, tools.key);
        let proven = proven.map_err(Unfit::from);
        let (mut ends, mut stopped) = (Vec::new(), None::<&ItemId>);
        for plan in self.claimed.items() {
            let end = match stopped {
                Some(before) => {
                    let note = format!("not tried: item `{before}` did not run");
                    self.not_tried(plan, note);
                    Ok(Outcome::Refused)
                }
                None => self.item(plan, &proven).await,
            };
            match end {
                Ok(outcome) => {
                    if outcome != Outcome::Executed {
                        stopped = stopped.or(Some(&plan.item));
                    }
                    ends.push(outcome);
                }
                Err(Unclear(why)) => {
                    let reason = format!("item `{}`: {why}", plan.item);
                    self.ran.ending = Ending::Unknown { reason };
                    return;
                }
            }
        }
        self.ran.ending = Ending::Settled(as_a_whole(&ends));
    }

    /// Takes the steps of an item; when one fails, takes back those before it. INVARIANT i21.
    async fn item(&mut self, plan: &ItemPlan, proven: &Result<(), Unfit>) -> Result<Outcome, Unclear> {
        for (step, done) in plan.steps.iter().zip(0..) {
            let recorded = self.recorded(plan, step, false).cloned();
            let failed = match recorded {
                Some(result) => {
                    let outcome = result.outcome;
                    self.ran.steps.push(result);
                    (outcome != Outcome::Executed).then_some(outcome)
                }
                None => match self.take(plan, step, done == 0, proven).await? {
                    Ok(reply) => {
                        self.replied(plan, step, false, Outcome::Executed, reply);
                        self.tell(false).await;
                        None
                    }
                    Err(Failed { outcome, note, reply }) => {
                        match reply {
                            Some(reply) => self.replied(plan, step, false, outcome, reply),
                            None => {
                                let result = self.settled(plan, step, &step.call, outcome, note);
                                self.ran.steps.push(result);
                            }
                        }
                        // What is taken back must not be tried again by whoever comes after a crash.
                        self.tell(done > 0).await;
                        Some(outcome)
                    }
                },
            };
            if let Some(outcome) = failed {
                return match plan.steps.get(..done).unwrap_or_default() {
                    [] => Ok(outcome),
                    finished => self.undo(plan, finished).await,
                };
            }
        }
        Ok(Outcome::Executed)
    }

    /// Everything that must hold right before a step, and the call.
    async fn take(
        &mut self,
        plan: &ItemPlan,
        step: &Step,
        first: bool,
        proven: &Result<(), Unfit>,
    ) -> Result<Result<Answered, Failed>, Unclear> {
        let again = (self.claimed.attempt() > 1).then(|| "it may have run before".to_owned());
        let ready = async {
            proven.clone()?;
            in_time(self.claimed, self.tools)?;
            if first {
                unchanged(plan, self.claimed, self.tools).await?;
                in_time(self.claimed, self.tools)?;
            }
            Ok(())
        };
        let ready: Result<(), Unfit> = ready.await;
        let made = &mut self.ran.credentials;
        let called = match ready {
            Ok(()) => {
                let act = (&step.call, Purpose::Do);
                call(act, &plan.item, again.clone(), self.claimed, self.tools, made).await
            }
            Err(unfit) => Called::Not(unfit),
        };
        let failed = |outcome, note| {
            Ok(Err(Failed {
                outcome,
                note,
                reply: None,
            }))
        };
        match (called, again) {
            (Called::Done(reply), _) => Ok(Ok(reply)),
            (Called::Refused(reply), _) => Ok(Err(Failed {
                outcome: Outcome::Refused,
                note: String::new(),
                reply: Some(reply),
            })),
            (Called::Unclear(why), _) => Err(Unclear(at(step, &why))),
            (Called::Not(unfit), Some(again)) => Err(Unclear(at(step, &format!("{again}, and now {unfit}")))),
            (Called::Unsent(error), Some(again)) => {
                Err(Unclear(at(step, &format!("{again}, and now {error}"))))
            }
            (Called::Not(unfit), None) => failed(unfit.outcome(), unfit.to_string()),
            (Called::Unsent(error), None) => failed(Outcome::Errored, error.to_string()),
        }
    }

    /// Takes finished steps back, the last one first. A freeze does not keep anything half done.
    async fn undo(&mut self, plan: &ItemPlan, finished: &[Step]) -> Result<Outcome, Unclear> {
        let mut all = true;
        for step in finished.iter().rev() {
            let name = step.name.as_ref().map_or("", StepName::as_str);
            let result = match (self.recorded(plan, step, true).cloned(), &step.undo) {
                (Some(result), _) => {
                    let outcome = result.outcome;
                    self.ran.steps.push(result);
                    (outcome != Outcome::Executed).then(|| "it failed before".to_owned())
                }
                (None, None) => Some("the catalog has no way to".to_owned()),
                (None, Some(undo)) => self.take_back(plan, step, undo).await?,
            };
            if let Some(why) = result {
                all = false;
                let what = format!("item `{}`: step `{name}` can't be undone: {why}", plan.item);
                self.ran.incidents.push(what);
            }
        }
        Ok(if all { Outcome::Undone } else { Outcome::Partial })
    }

    /// Takes one step back; why not, when that is certain.
    async fn take_back(
        &mut self,
        plan: &ItemPlan,
        step: &Step,
        undo: &Call,
    ) -> Result<Option<String>, Unclear> {
        let again = (self.claimed.attempt() > 1).then(|| "it may have been undone before".to_owned());
        let made = &mut self.ran.credentials;
        let act = (undo, Purpose::Undo);
        let why = match call(act, &plan.item, again, self.claimed, self.tools, made).await {
            Called::Done(reply) => {
                self.replied(plan, step, true, Outcome::Executed, reply);
                None
            }
            Called::Refused(reply) => {
                let said = match undo {
                    Call::Command(_) => format!("the program {}", reply.note),
                    Call::Workflow(_) => reply.note.clone(),
                    Call::Http(_) | Call::Thaw(_) => format!("the target answered {}", reply.note),
                };
                self.replied(plan, step, true, Outcome::Refused, reply);
                Some(said)
            }
            Called::Unclear(why) => return Err(Unclear(at(step, &format!("undoing it, {why}")))),
            Called::Not(unfit) => Some(self.not_undone(plan, step, undo, unfit.to_string())),
            Called::Unsent(error) => Some(self.not_undone(plan, step, undo, error.to_string())),
        };
        self.tell(false).await;
        Ok(why)
    }

    fn not_undone(&mut self, plan: &ItemPlan, step: &Step, undo: &Call, why: String) -> String {
        let result = self.settled(plan, step, undo, Outcome::Errored, why.clone());
        self.ran.steps.push(StepResult { undo: true, ..result });
        why
    }

    fn not_tried(&mut self, plan: &ItemPlan, note: String) {
        if let Some(step) = plan.steps.first() {
            let result = self.settled(plan, step, &step.call, Outcome::Refused, note);
            self.ran.steps.push(StepResult { step: None, ..result });
        }
    }

    /// What an earlier attempt recorded of a step.
    fn recorded(&self, plan: &ItemPlan, step: &Step, undo: bool) -> Option<&StepResult> {
        let mut before = self.before.iter();
        before.find(|one| one.item == plan.item && one.step == step.name && one.undo == undo)
    }

    /// Says how the last call ended, where there are several.
    async fn tell(&mut self, first: bool) {
        self.told += 1;
        if let (true, Some(result)) = (self.calls > 1, self.ran.steps.last()) {
            let answered = self.ran.answers.last().filter(|last| last.result == *result);
            let progress = Progress {
                result: result.clone(),
                answer: answered.and_then(|answered| answered.answer.clone()),
                number: u32::try_from(self.told).unwrap_or(u32::MAX),
                of: u32::try_from(self.calls).unwrap_or(u32::MAX),
                first,
            };
            (self.tell)(progress).await;
        }
    }

    fn settled(
        &self,
        plan: &ItemPlan,
        step: &Step,
        call: &Call,
        outcome: Outcome,
        note: String,
    ) -> StepResult {
        StepResult {
            item: plan.item.clone(),
            step: step.name.clone(),
            undo: false,
            outcome,
            status: None,
            // The plan was digested with this very call in it, so the call has a digest too.
            request: digest_of(call).unwrap_or(self.claimed.plan()),
            response: None,
            note: Some(note),
        }
    }

    fn replied(&mut self, plan: &ItemPlan, step: &Step, undo: bool, outcome: Outcome, said: Answered) {
        let call = step.undo.as_ref().filter(|_| undo).unwrap_or(&step.call);
        let mut result = StepResult {
            status: said.status,
            undo,
            ..self.settled(plan, step, call, outcome, said.note)
        };
        if let Some(body) = said.body {
            let answer = Answer::new(Salt::new(rand::random()), said.content_type, body);
            result.response = Some(answer.commitment());
            self.ran.answers.push(StepAnswer {
                result: result.clone(),
                answer: Some(answer),
            });
        }
        self.ran.steps.push(result);
    }
}

/// Names the step, where there are several.
fn at(step: &Step, why: &str) -> String {
    match &step.name {
        Some(name) => format!("step `{name}`: {why}"),
        None => why.to_owned(),
    }
}

fn as_a_whole(items: &[Outcome]) -> Outcome {
    let ran = |outcome: &&Outcome| matches!(outcome, Outcome::Executed | Outcome::Partial);
    let first = items.iter().find(|outcome| **outcome != Outcome::Executed);
    match (items.iter().filter(ran).count(), first) {
        (_, None) => Outcome::Executed,
        (0, Some(first)) => *first,
        (_, Some(_)) => Outcome::Partial,
    }
}
