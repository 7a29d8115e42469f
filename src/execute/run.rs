//! Carrying out what was approved: each step looked at again, sent once, and settled on its own.

use std::{fmt, time::Duration};

use reqwest::StatusCode;

use super::{
    http::{Client, Outgoing, Reply, SendError},
    observe::{ObserveError, observe},
    unseal::{Clear, unseal},
};
use crate::domain::{
    canonical::{Salt, digest_of},
    entry::{Outcome, StepResult},
    ids::{Digest, ItemId, Timestamp},
    policy::Policy,
    proposal::{Item, ObservedFacts, Proposal},
    receive::{ClearItem, ProofError, check_proof, clear_parameters},
    sealed::{DataKey, SealError},
    warrant::{Claimed, HttpCall, Step},
};

/// A call whose effect is unclear is made this often at most, where the catalog promises that one key acts once.
const ATTEMPTS: u32 = 3;
/// The first pause before a call is made again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// What an execution needs.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Sends the requests.
    pub client: &'a Client,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The key of the proposal's sealed values, when it has any.
    pub key: Option<&'a DataKey>,
    /// The time.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Whether executions are stopped; asked before every step. INVARIANT i22.
    pub frozen: &'a (dyn Fn() -> bool + Send + Sync),
}

impl fmt::Debug for Tools<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

/// How an execution ended.
#[derive(Debug)]
pub struct Ran {
    ending: Ending,
    steps: Vec<StepResult>,
    answers: Vec<Answer>,
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
    /// How each item ended; when the ending is unknown, those that are settled.
    pub fn steps(&self) -> &[StepResult] {
        &self.steps
    }
    /// What the target answered, to be kept where it can be erased.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }
    /// The parts: ending, steps, answers.
    pub fn into_parts(self) -> (Ending, Vec<StepResult>, Vec<Answer>) {
        (self.ending, self.steps, self.answers)
    }
}

/// What a target answered; the record holds only `sha256(salt || body)`.
pub struct Answer {
    item: ItemId,
    salt: Salt,
    body: Vec<u8>,
}

impl Answer {
    /// The item.
    pub const fn item(&self) -> &ItemId {
        &self.item
    }
    /// The salt of its commitment.
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }
    /// The answer's bytes as they came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    fn commitment(&self) -> Digest {
        let mut bytes = self.salt.expose().to_vec();
        bytes.extend_from_slice(&self.body);
        Digest::of(&bytes)
    }
}
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("item", &self.item)
            .finish_non_exhaustive()
    }
}

/// Why a proposal can't run as things stand. Nothing was sent that acts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Executions are stopped.
    #[error("executions are frozen")]
    Frozen,
    /// Its time has not come.
    #[error("it may not run before {0}")]
    TooEarly(Timestamp),
    /// Its time has passed.
    #[error("it had to be begun before {0}")]
    TooLate(Timestamp),
    /// The agent can't be shown to have asked for it. INVARIANT i04.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A sealed value does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The catalog does not know the action any more.
    #[error("the catalog does not know `{0}`")]
    Action(String),
    /// The facts could not be read again.
    #[error("could not observe again: {0}")]
    Observe(#[from] ObserveError),
    /// The facts are not the approved ones. INVARIANT i13.
    #[error("`{part}` of what was observed is not what was approved")]
    Changed {
        /// The first part that differs.
        part: &'static str,
    },
    /// The request has no form that can be sent.
    #[error("the request can't be written: {0}")]
    Request(String),
}

impl Unfit {
    /// A fact that says no is a refusal; what could not be looked at is an error.
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Proof(ProofError::Seal(_))
            | Self::Seal(_)
            | Self::Action(_)
            | Self::Observe(_)
            | Self::Request(_) => Outcome::Errored,
            Self::Frozen
            | Self::TooEarly(_)
            | Self::TooLate(_)
            | Self::Changed { .. }
            | Self::Proof(
                ProofError::Agent(_)
                | ProofError::Defaults(_)
                | ProofError::Request(_)
                | ProofError::Nobody(_)
                | ProofError::Changes(_)
                | ProofError::Replaces,
            ) => Outcome::Refused,
        }
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
        let approved = proposal.observed_for(&item.id).map(|seen| &seen.facts);
        look_again(proposal, item, approved, tools).await?;
    }
    Ok(())
}

/// Carries out a claimed plan, step by step; the first step that does not run stops it. Takes the claim, so that it
/// runs once.
pub async fn run(claimed: Claimed, tools: &Tools<'_>) -> Ran {
    let mut ran = Ran {
        ending: Ending::Settled(Outcome::Executed),
        steps: Vec::new(),
        answers: Vec::new(),
    };
    let proven = check_proof(claimed.proposal(), tools.policy, tools.key).map_err(Unfit::from);
    let mut stopped: Option<ItemId> = None;
    for step in claimed.steps() {
        if let Some(before) = &stopped {
            let note = format!("not tried: item `{before}` did not run");
            ran.steps.push(settled(step, &claimed, Outcome::Refused, note));
            continue;
        }
        let taken = match proven.clone() {
            Ok(()) => take(step, &claimed, tools).await,
            Err(unfit) => Taken::Not(unfit),
        };
        match taken {
            Taken::Not(unfit) => {
                ran.steps
                    .push(settled(step, &claimed, unfit.outcome(), unfit.to_string()));
                stopped = Some(step.item.clone());
            }
            Taken::Unsent(error) => {
                ran.steps
                    .push(settled(step, &claimed, Outcome::Errored, error.to_string()));
                stopped = Some(step.item.clone());
            }
            Taken::Answered(outcome, reply) => {
                ran.answered(step, &claimed, outcome, reply);
                if outcome != Outcome::Executed {
                    stopped = Some(step.item.clone());
                }
            }
            Taken::Unclear(why) => {
                ran.ending = Ending::Unknown {
                    reason: format!("item `{}`: {why}", step.item),
                };
                return ran;
            }
        }
    }
    ran.ending = Ending::Settled(as_a_whole(&ran.steps));
    ran
}

impl Ran {
    fn answered(&mut self, step: &Step, claimed: &Claimed, outcome: Outcome, reply: Reply) {
        let status = reply.status;
        let mut note = status.to_string();
        let mut result = StepResult {
            status: Some(status.as_u16()),
            ..settled(step, claimed, outcome, String::new())
        };
        match reply.body {
            Ok(body) => {
                let answer = Answer {
                    item: step.item.clone(),
                    salt: Salt::new(rand::random()),
                    body,
                };
                result.response = Some(answer.commitment());
                self.answers.push(answer);
            }
            Err(error) => note.push_str(&format!("; {error} and was not kept")),
        }
        result.note = Some(note);
        self.steps.push(result);
    }
}

fn as_a_whole(steps: &[StepResult]) -> Outcome {
    let ran = steps
        .iter()
        .filter(|step| step.outcome == Outcome::Executed)
        .count();
    let first = steps
        .iter()
        .map(|step| step.outcome)
        .find(|outcome| *outcome != Outcome::Executed);
    match (ran, first) {
        (_, None) => Outcome::Executed,
        (0, Some(first)) => first,
        (_, Some(_)) => Outcome::Partial,
    }
}

fn settled(step: &Step, claimed: &Claimed, outcome: Outcome, note: String) -> StepResult {
    StepResult {
        item: step.item.clone(),
        outcome,
        status: None,
        // The plan was digested with this very call in it, so the call has a digest too.
        request: digest_of(&step.call).unwrap_or(claimed.plan()),
        response: None,
        note: Some(note),
    }
}

enum Taken {
    /// Not begun.
    Not(Unfit),
    /// No connection was made.
    Unsent(SendError),
    /// The target said yes or no.
    Answered(Outcome, Reply),
    /// It may or may not have taken effect.
    Unclear(String),
}

async fn take(step: &Step, claimed: &Claimed, tools: &Tools<'_>) -> Taken {
    match ready(step, claimed, tools).await {
        Ok(body) => call(&step.call, body.as_ref(), claimed, tools).await,
        Err(unfit) => Taken::Not(unfit),
    }
}

/// Everything that must hold right before a step, and its body in clear.
async fn ready(step: &Step, claimed: &Claimed, tools: &Tools<'_>) -> Result<Option<Clear>, Unfit> {
    let proposal = claimed.proposal();
    in_time(claimed, tools)?;
    let item = proposal
        .binding
        .items
        .iter()
        .find(|item| item.id == step.item)
        .ok_or(Unfit::Changed { part: "items" })?;
    look_again(proposal, item, step.observed.as_ref(), tools).await?;
    let body = step.call.body.as_ref();
    let body = body
        .map(|body| unseal(body, proposal, &step.item, tools.key))
        .transpose()?;
    in_time(claimed, tools)?;
    Ok(body)
}

fn in_time(claimed: &Claimed, tools: &Tools<'_>) -> Result<(), Unfit> {
    let now = (tools.clock)();
    let from = claimed.proposal().binding.valid.from;
    if (tools.frozen)() {
        Err(Unfit::Frozen)
    } else if now < from {
        Err(Unfit::TooEarly(from))
    } else if now >= claimed.deadline() {
        Err(Unfit::TooLate(claimed.deadline()))
    } else {
        Ok(())
    }
}

/// Observes an item again; the facts must be the approved ones to the byte. INVARIANT i13.
async fn look_again(
    proposal: &Proposal,
    item: &Item,
    approved: Option<&ObservedFacts>,
    tools: &Tools<'_>,
) -> Result<(), Unfit> {
    let operation = &proposal.binding.operation;
    let action = tools
        .policy
        .action(operation)
        .ok_or_else(|| Unfit::Action(operation.to_string()))?;
    let clear = Clear::new(clear_parameters(proposal, item, tools.key)?);
    let clear_item = ClearItem {
        id: item.id.clone(),
        parameters: clear.value().clone(),
        defaulted: Vec::new(),
    };
    let now = observe(tools.client, action, proposal.id, &clear_item).await;
    drop(Clear::new(clear_item.parameters));
    match (approved, now?) {
        (None, None) => Ok(()),
        (Some(approved), Some(now)) => same(approved, &now),
        (None, Some(_)) | (Some(_), None) => Err(Unfit::Changed { part: "connector" }),
    }
}

fn same(approved: &ObservedFacts, now: &ObservedFacts) -> Result<(), Unfit> {
    let part = if approved.before != now.before {
        "before"
    } else if approved.after != now.after {
        "after"
    } else if approved.affected != now.affected {
        "affected"
    } else if approved.precondition != now.precondition {
        "precondition"
    } else if approved.connector != now.connector {
        "connector"
    } else {
        return Ok(());
    };
    Err(Unfit::Changed { part })
}

/// Makes one call, and again with the same key where that is promised to be harmless.
async fn call(call: &HttpCall, body: Option<&Clear>, claimed: &Claimed, tools: &Tools<'_>) -> Taken {
    let attempts = if call.repeatable { ATTEMPTS } else { 1 };
    let mut unclear: Option<String> = None;
    let mut pause = PAUSE;
    for _ in 0..attempts {
        if unclear.is_some() {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        let left = claimed
            .deadline()
            .since((tools.clock)())
            .min(call.timeout.millis());
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
            break;
        };
        let body = match body.map(Clear::to_bytes).transpose() {
            Ok(body) => body,
            Err(error) => return Taken::Not(Unfit::Request(error.to_string())),
        };
        let sent = tools
            .client
            .send(Outgoing {
                method: &call.method,
                url: &call.url,
                body,
                proposal: claimed.proposal().id,
                idempotency: Some((&call.idempotency_header, &call.idempotency_key)),
                timeout: Duration::from_millis(left),
                allow_private: call.allow_private,
            })
            .await;
        match sent {
            Ok(reply) => match (judge(reply.status), &unclear) {
                (Said::Yes, _) => return Taken::Answered(Outcome::Executed, reply),
                // A "no" after an unclear "maybe" does not tell what became of the first.
                (Said::No, None) => return Taken::Answered(Outcome::Refused, reply),
                (Said::No | Said::Redirect, Some(_)) => break,
                (Said::Redirect, None) => {
                    return Taken::Unclear(format!(
                        "answered {}, and redirects are not followed",
                        reply.status
                    ));
                }
                (Said::Maybe, _) => unclear = Some(format!("answered {}", reply.status)),
            },
            Err(error @ SendError::Unclear { .. }) => unclear = Some(error.to_string()),
            Err(error @ (SendError::Forbidden(_) | SendError::Unsent { .. })) => {
                if unclear.is_none() {
                    return Taken::Unsent(error);
                }
            }
        }
    }
    match unclear {
        Some(why) => Taken::Unclear(why),
        None => Taken::Not(Unfit::TooLate(claimed.deadline())),
    }
}

enum Said {
    Yes,
    No,
    Maybe,
    Redirect,
}

fn judge(status: StatusCode) -> Said {
    match status.as_u16() {
        200..=299 => Said::Yes,
        300..=399 => Said::Redirect,
        408 | 409 | 425 | 429 => Said::Maybe,
        400..=499 => Said::No,
        _ => Said::Maybe,
    }
}
