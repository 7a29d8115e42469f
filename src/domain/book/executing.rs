//! What an executor may record of a case.

use super::{
    super::{
        case::Case,
        entry::{ClaimedBy, Digests, Event, Started, StepResult},
        ids::{InstanceId, PersonName, ProposalId, Timestamp},
        illegal::Illegal,
        policy::Tier,
    },
    Book,
};

impl Book {
    pub(super) fn executing(
        &self,
        case: &Case,
        person: Option<&PersonName>,
        event: &Event,
        digests: &Digests,
        time: Timestamp,
    ) -> Result<(), Illegal> {
        match event {
            Event::Started(started) => {
                claimable(case, started, digests)?;
                self.not_frozen(case, started)?;
                // Limits count what may have run; another attempt adds nothing.
                if started.attempt > 1 {
                    return Ok(());
                }
                self.startable(case, started, time)
            }
            Event::Step(took) | Event::Undone(took) => {
                ended(case, &took.instance, std::slice::from_ref(&took.result))
            }
            Event::Finished(finished) => ended(case, &finished.instance, &finished.steps),
            Event::Unknown(unknown) => ended(case, &unknown.instance, &unknown.steps),
            Event::Thawed(thawed) => {
                let claimed = case.started.as_ref().and_then(|started| started.thaws);
                let holds = self.freezes.get(thawed.freeze).is_some();
                if holds && claimed == Some(thawed.freeze) {
                    Ok(())
                } else {
                    Err(Illegal::NoFreeze(thawed.freeze))
                }
            }
            Event::Resolved(_) if person.is_none() => Err(Illegal::Nobody),
            _ => Ok(()),
        }
    }

    /// Whoever appends after a freeze starts nothing that it stops; thawing it passed the high gate, whatever an executor
    /// says. What an outbox claimed is recorded after the act: it was looked at before its claim. INVARIANT i17, i22.
    fn not_frozen(&self, case: &Case, started: &Started) -> Result<(), Illegal> {
        if let Some(freeze) = started.thaws.filter(|_| case.tier() != Tier::High) {
            return Err(Illegal::NoFreeze(freeze));
        }
        if started.claim == ClaimedBy::Outbox || started.thaws.is_some() {
            return Ok(());
        }
        let binding = &case.proposal.binding;
        let over = self.freezes.over(&binding.operation, &binding.agent);
        over.map_or(Ok(()), |(seq, _)| Err(Illegal::Frozen(seq)))
    }
}

/// A freeze is a person's word, about no proposal. INVARIANT i22.
pub(super) fn freezable(proposal: Option<ProposalId>, person: Option<&PersonName>) -> Result<(), Illegal> {
    match (proposal, person) {
        (None, Some(_)) => Ok(()),
        (Some(_), _) => Err(Illegal::NoCase(proposal)),
        (None, None) => Err(Illegal::Nobody),
    }
}

/// INVARIANT i16, i21: one attempt after the other, each with the plan of the first.
fn claimable(case: &Case, started: &Started, digests: &Digests) -> Result<(), Illegal> {
    let may = started.claim == ClaimedBy::Ledger || case.tier() == Tier::Low;
    if digests.action.is_none() || digests.plan.is_none() {
        Err(Illegal::Digest("plan"))
    } else if case.plan.is_some_and(|first| digests.plan != Some(first)) {
        Err(Illegal::Digest("first attempt's plan"))
    } else if !case.left_out().eq(&started.excluded) {
        Err(Illegal::Items)
    } else if started.attempt != case.attempts().saturating_add(1) {
        Err(Illegal::Attempt(started.attempt))
    } else if !may {
        Err(Illegal::Claim)
    } else {
        Ok(())
    }
}

/// Whoever started it tells of it, and only of what approvers left in.
fn ended(case: &Case, instance: &InstanceId, steps: &[StepResult]) -> Result<(), Illegal> {
    if case
        .started
        .as_ref()
        .is_none_or(|started| started.instance != *instance)
    {
        return Err(Illegal::Instance);
    }
    match steps.iter().find(|step| case.excludes(&step.item)) {
        Some(step) => Err(Illegal::Excluded(step.item.clone())),
        None => Ok(()),
    }
}
