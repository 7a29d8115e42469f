//! What is asked, apart from how it was signed and recorded: all that tier and checks look at.

use serde_json::{Map, Value};

use super::{
    ids::{ActionName, AgentName, PersonName, Timestamp},
    proposal::{DryRun, ExceptionAsked, Item, Observed, Proposal, Provenance, Target},
};

/// The matter of a proposal, or of a question that an author of rules asks without one.
#[derive(Debug, Clone, Copy)]
pub struct Matter<'a> {
    /// The action, as the catalog names it.
    pub operation: &'a ActionName,
    /// The agent that asks.
    pub agent: &'a AgentName,
    /// The person accountable for the agent.
    pub sponsor: &'a PersonName,
    /// What the proposal was bound to when it was received; none for a question.
    pub target: Option<&'a Target>,
    /// One or many instances of the action.
    pub items: &'a [Item],
    /// What the bot itself read. INVARIANT i13.
    pub observed: &'a [Observed],
    /// What the target said it would do.
    pub dry_runs: &'a [DryRun],
    /// What only the agent says; it may raise a tier, never lower it. INVARIANT i13.
    pub claimed: &'a Map<String, Value>,
    /// Why the agent asks.
    pub justification: &'a str,
    /// How the agent would undo it.
    pub rollback_plan: Option<&'a str>,
    /// Departures from failed checks that the agent asks for.
    pub exceptions: &'a [ExceptionAsked],
    /// Where it came from.
    pub provenance: &'a Provenance,
    /// Whether people changed it: their word is not the agent's signature, so that somebody else has to approve.
    pub corrected: bool,
    /// Whether a person asked for it, to take back what ran; its agent asked for nothing.
    pub rolls_back: bool,
    /// When it was asked: the `now` of every rule. INVARIANT i30.
    pub at: Timestamp,
}

impl Proposal {
    /// What it asks.
    pub fn matter(&self) -> Matter<'_> {
        let binding = &self.binding;
        Matter {
            operation: &binding.operation,
            agent: &binding.agent,
            sponsor: &binding.sponsor,
            target: Some(&binding.target),
            items: &binding.items,
            observed: &self.observed,
            dry_runs: &self.dry_runs,
            claimed: &self.claimed,
            justification: &self.justification,
            rollback_plan: self.rollback_plan.as_deref(),
            exceptions: &self.exceptions,
            provenance: &self.provenance,
            corrected: !self.proof.corrections().is_empty(),
            rolls_back: binding.rolls_back.is_some(),
            at: self.created_at,
        }
    }
}
