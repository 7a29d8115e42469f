//! What must hold right before the act, looked at each time anew.

use std::fmt;

use futures::future::BoxFuture;

use super::{
    actions::Workflows,
    auth::AuthError,
    command::Commands,
    contained::Cannot,
    http::Client,
    observe::{ObserveError, observe},
    unseal::Clear,
};
use crate::domain::{
    entry::Outcome,
    ids::{Seq, Timestamp},
    policy::{Action, HttpExecute, Policy},
    proposal::{Item, ObservedFacts, Proposal},
    receive::{ClearItem, NoUndo, ProofError, clear_parameters},
    request::Checked,
    sealed::{DataKey, SealError},
    warrant::{Claimed, ItemPlan},
};

/// What became of a freeze that was to be ended. Inner errors: why it was not. Errors: why nobody can tell.
pub type Thawing = Result<Result<(), String>, String>;

/// What an execution needs.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Sends the requests.
    pub client: &'a Client,
    /// Starts the programs.
    pub commands: &'a Commands,
    /// Has workflows run.
    pub workflows: &'a dyn Workflows,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The key of the proposal's sealed values, when it has any.
    pub key: Option<&'a DataKey>,
    /// The agent's signature, where this process looked at it just now.
    pub signature: Option<&'a Checked>,
    /// The time.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Whether executions are stopped; asked before every step. INVARIANT i22.
    pub frozen: &'a (dyn Fn() -> bool + Send + Sync),
    /// Ends a freeze, by its place in the ledger.
    pub thaw: &'a (dyn Fn(Seq) -> BoxFuture<'a, Thawing> + Send + Sync),
}

impl fmt::Debug for Tools<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
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
    /// The target can't be shown what the catalog names. INVARIANT i19.
    #[error(transparent)]
    Auth(#[from] AuthError),
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
    /// Others take all that its target may be asked to do.
    #[error("`{host}` is asked as much as `targets` in the catalog allows, and no room came in time")]
    NoRoom {
        /// The target.
        host: String,
    },
    /// A program can't be contained as the catalog says, and is not run any other way. INVARIANT i23.
    #[error(transparent)]
    Contained(#[from] Cannot),
    /// A workflow would not run behind the bot's own protection rule. INVARIANT i23.
    #[error("{0}")]
    Unguarded(String),
    /// GitHub can't be asked, or refused, before anything was begun.
    #[error("{0}")]
    GitHub(String),
    /// The request has no form that can be sent.
    #[error("the request can't be written: {0}")]
    Request(String),
}

impl Unfit {
    /// Whether the executor lacks something that does not come by itself: a secret, a kernel that contains programs, a
    /// protection rule.
    pub const fn is_a_lack(&self) -> bool {
        matches!(
            self,
            Self::Auth(AuthError::Secret(_)) | Self::Contained(_) | Self::Unguarded(_)
        )
    }
    /// A fact that says no is a refusal; what could not be looked at is an error.
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Proof(ProofError::Seal(_) | ProofError::NoUndo(NoUndo::Sealed))
            | Self::Seal(_)
            | Self::Auth(_)
            | Self::Action(_)
            | Self::Observe(_)
            | Self::GitHub(_)
            | Self::Request(_) => Outcome::Errored,
            Self::Frozen
            | Self::TooEarly(_)
            | Self::TooLate(_)
            | Self::NoRoom { .. }
            | Self::Contained(_)
            | Self::Unguarded(_)
            | Self::Changed { .. }
            | Self::Proof(
                ProofError::Agent(_)
                | ProofError::Defaults(_)
                | ProofError::Request(_)
                | ProofError::Nobody(_)
                | ProofError::Changes(_)
                | ProofError::NoUndo(
                    NoUndo::Nobody
                    | NoUndo::Never(_)
                    | NoUndo::ByHand(_)
                    | NoUndo::Changed(_)
                    | NoUndo::Late { .. }
                    | NoUndo::Missing { .. }
                    | NoUndo::Differs(_),
                )
                | ProofError::Replaces,
            ) => Outcome::Refused,
        }
    }
}

/// Looks again at an item whose first step is about to be taken. INVARIANT i13.
pub(super) async fn unchanged(plan: &ItemPlan, claimed: &Claimed, tools: &Tools<'_>) -> Result<(), Unfit> {
    let proposal = claimed.proposal();
    let mut items = proposal.binding.items.iter();
    let item = items
        .find(|item| item.id == plan.item)
        .ok_or(Unfit::Changed { part: "items" })?;
    look_again(proposal, item, plan.observed.as_ref(), tools).await
}

pub(super) fn in_time(claimed: &Claimed, tools: &Tools<'_>) -> Result<(), Unfit> {
    let now = (tools.clock)();
    let from = claimed.proposal().binding.valid.from;
    if (tools.frozen)() {
        Err(Unfit::Frozen)
    } else if now < from {
        Err(Unfit::TooEarly(from))
    } else {
        not_late(claimed, tools)
    }
}

/// What holds for taking a step back too.
pub(super) fn not_late(claimed: &Claimed, tools: &Tools<'_>) -> Result<(), Unfit> {
    match (tools.clock)() < claimed.deadline() {
        true => Ok(()),
        false => Err(Unfit::TooLate(claimed.deadline())),
    }
}

fn action_of<'a>(proposal: &Proposal, tools: &Tools<'a>) -> Result<&'a Action, Unfit> {
    let operation = &proposal.binding.operation;
    let action = tools.policy.action(operation);
    action.ok_or_else(|| Unfit::Action(operation.to_string()))
}

/// Whether every call for an item could be shown to its target. INVARIANT i15, i19.
pub(super) fn let_in(proposal: &Proposal, item: &Item, tools: &Tools<'_>) -> Result<(), Unfit> {
    let steps = action_of(proposal, tools)?.execute().steps().iter();
    for connector in steps.flat_map(|step| std::iter::once(step.connector()).chain(step.undo())) {
        if let Some(request) = connector.http().map(HttpExecute::request)
            && let Some(auth) = request.auth()
        {
            let url = request.url().fill(&item.parameters);
            let url = url.map_err(|error| Unfit::Request(error.to_string()))?;
            tools.client.wallet().ready(auth, &url, (tools.clock)())?;
        }
    }
    Ok(())
}

/// Observes an item again; the facts must be the approved ones to the byte. INVARIANT i13.
pub(super) async fn look_again(
    proposal: &Proposal,
    item: &Item,
    approved: Option<&ObservedFacts>,
    tools: &Tools<'_>,
) -> Result<(), Unfit> {
    let action = action_of(proposal, tools)?;
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
