//! Low tier that the ledger holds before it runs: of a gate that does not execute, or given up in mid-call. It is claimed on
//! the ledger as everything else is. INVARIANT i16.

use std::sync::Arc;

use super::{Bot, NotNow};
use crate::{
    domain::{
        case::{Case, Life},
        entry::{Draft, Event, Observed, Role, VoidReason, Voided, When},
        gate::{Rule, Standing, decide},
        ids::ProposalId,
        policy::Policy,
        proposal::AgentProof,
        warrant::{Warrant, plan},
    },
    service::problem::Problem,
};

impl Bot {
    /// Runs a low-tier proposal that the ledger holds, or goes on with one that was given up in mid-call.
    pub(in crate::service::turn) async fn execute_low(
        &self,
        id: ProposalId,
        policy: &Policy,
    ) -> Result<(), NotNow> {
        let Some(case) = self.case(id) else { return Ok(()) };
        // Nobody but the gate says that the agent asked. INVARIANT i04.
        if self.is_apart() && matches!(case.proposal.proof, AgentProof::GateAttested { .. }) {
            return self
                .tell_unproved(
                    &case,
                    "its agent has no key of its own in agents.yaml, and nobody approves low tier",
                )
                .await;
        }
        // Whoever began it may still be at it, and take back what this one goes on with.
        if case
            .started
            .as_ref()
            .is_some_and(|started| self.may_go_on(started))
        {
            return Ok(());
        }
        if let Some(why) = self.weakness().await? {
            return Err(NotNow::Other(why));
        }
        let seen = self.see_low(&case.proposal, self.policy_on_base().await).await?;
        let decision = decide(&case, &seen, policy);
        let observed = Observed {
            when: When::Start,
            observation: Box::new(seen),
            gate: decision.verdict(),
            because: decision.because().to_vec(),
        };
        let observed = Draft::about(&case, Role::Executor, Event::Observed(observed), self.now());
        let against: Vec<_> = decision.against().cloned().collect();
        let Some(open) = decision.open() else {
            let ended = against
                .iter()
                .any(|one| one.standing == Standing::Blocks && one.rule != Rule::Policy);
            let rules: Vec<&str> = against.iter().map(|one| one.rule.as_str()).collect();
            tracing::info!(proposal = %id, ?rules, "low tier, and not open");
            return match ended && case.life == Life::Received {
                true => self.give_up(&case, observed).await,
                // What was begun before stays unknown until a person settles it, or it may go on. INVARIANT i21.
                false => Ok(()),
            };
        };
        if let Err(full) = self.room(&case).await? {
            tracing::info!(proposal = %id, limit = full.limit, "it waits until its limit has room");
            return Ok(());
        }
        let warrant = Warrant::unreviewed(open, Arc::clone(&case.proposal)).map_err(NotNow::internal)?;
        let plan = plan(warrant, policy).map_err(NotNow::internal)?;
        self.start(&case, policy, plan, observed).await
    }

    /// It can't run any more; its agent proposes it anew.
    async fn give_up(&self, case: &Case, observed: Draft) -> Result<(), NotNow> {
        let voided = Event::Voided(Voided {
            because: VoidReason::Changed,
            head: None,
        });
        self.append(vec![
            observed,
            Draft::about(case, Role::Executor, voided, self.now()),
        ])
        .await
    }

    /// Whether a gate without an executor may take a low-tier proposal: an executor apart runs what the agent itself signed.
    pub(in crate::service::turn) fn takes_low(&self, proof: &AgentProof) -> Result<(), Problem> {
        match proof {
            AgentProof::GateAttested { .. } => Err(Problem::unavailable(
                "this gate does not execute, and an executor apart runs low tier only for agents with a key of their own; \
                 give the agent one in agents.yaml",
            )),
            AgentProof::Ed25519 { .. } | AgentProof::Corrected(_) | AgentProof::RolledBack(_) => Ok(()),
        }
    }
}
