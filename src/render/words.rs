//! The words for tiers, classes and kinds.

use crate::{
    domain::{
        assess::{Assessment, TierRule},
        policy::{Action, DataClass, Impact, Policy, RollbackKind, Tier},
        proposal::Proposal,
    },
    render::markdown::Markdown,
};

pub(super) const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Low => "Low",
        Tier::Medium => "Medium",
        Tier::High => "High",
    }
}

/// Why a proposal has its tier: `high impact, financial data, can be undone`.
pub(super) fn why(proposal: &Proposal, assessment: &Assessment, policy: &Policy) -> Markdown {
    let action = policy.action(&proposal.binding.operation);
    let decisive = assessment
        .reasons
        .iter()
        .filter(|reason| reason.tier == assessment.tier);
    let words = decisive.map(|reason| match (&reason.because, action) {
        (TierRule::Rule(_), Some(action)) => class(action),
        (TierRule::Rule(_), None) | (TierRule::UnknownAction, _) => {
            Markdown::ours("the catalog does not know this action")
        }
        (TierRule::Escalated(number), action) => because(action, *number),
        (TierRule::Claimed(number), action) => {
            because(action, *number).and(" (by what the agent itself says)")
        }
        (TierRule::Errored { why, .. }, _) => {
            Markdown::ours("a condition of the catalog has no answer: ").then(&Markdown::prose(why))
        }
        (TierRule::Limit(name), _) => Markdown::ours("limit ")
            .then(&Markdown::code(name))
            .and(" is over"),
        (TierRule::LimitsChanged, _) => Markdown::ours("its limits are not those of the catalog any more"),
        (TierRule::SchemaChanged, _) => {
            Markdown::ours("its parameters are not those of the catalog any more")
        }
        (TierRule::Resource, _) => Markdown::ours("a parameter can't stand in the name of its resource"),
        (TierRule::Thaws, _) => Markdown::ours("it lets go on what somebody stopped"),
        (TierRule::Dispatches, _) => {
            Markdown::ours("it has a workflow run, which takes longer than low tier may")
        }
        (TierRule::RollsBack, _) => {
            Markdown::ours("a person asked for it, which is no signature of the agent's")
        }
        (TierRule::Corrected, _) => {
            Markdown::ours("a person amended it, which is no signature of the agent's")
        }
    });
    Markdown::joined(words, "; ")
}

/// A condition in its author's words.
fn because(action: Option<&Action>, number: usize) -> Markdown {
    let condition = number.checked_sub(1).zip(action);
    condition
        .and_then(|(index, action)| action.escalate().get(index))
        .map_or_else(
            || Markdown::ours("a condition that the catalog does not have any more"),
            |condition| Markdown::prose(condition.because()),
        )
}

fn class(action: &Action) -> Markdown {
    let mut words = vec![Markdown::ours(impact(action.impact()))];
    words.extend(action.data().iter().map(|class| Markdown::ours(data(*class))));
    words.push(Markdown::ours(rollback(action.rollback().kind())));
    Markdown::joined(words, ", ")
}

const fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::None => "no impact",
        Impact::Low => "low impact",
        Impact::Moderate => "moderate impact",
        Impact::High => "high impact",
    }
}

const fn data(class: DataClass) -> &'static str {
    match class {
        DataClass::Public => "public data",
        DataClass::Internal => "internal data",
        DataClass::Confidential => "confidential data",
        DataClass::Restricted => "restricted data",
        DataClass::Pii => "personal data",
        DataClass::Financial => "financial data",
        DataClass::Credentials => "credentials",
    }
}

const fn rollback(kind: RollbackKind) -> &'static str {
    match kind {
        RollbackKind::Inverse => "can be undone",
        RollbackKind::Restore => "can be put back",
        RollbackKind::None => "**can't be undone**",
    }
}

/// How an action is taken back, in a sentence.
pub(super) fn taking_back(action: Option<&Action>) -> Markdown {
    let Some(action) = action else {
        return Markdown::ours("Not known: the catalog has no such action.");
    };
    let rollback = action.rollback();
    let how = match (rollback.kind(), rollback.action()) {
        (RollbackKind::None, _) => return Markdown::ours("It **can't be undone**."),
        (RollbackKind::Restore, _) => Markdown::ours("The state before can be put back"),
        (RollbackKind::Inverse, None) => Markdown::ours("It can be undone by hand in the target system"),
        (RollbackKind::Inverse, Some(undo)) => {
            Markdown::ours("It can be undone with ").then(&Markdown::code(undo.as_str()))
        }
    };
    let how = match action.undoing() {
        Some(_) => how.and(", asked for with a comment"),
        None => how,
    };
    match rollback.within() {
        Some(within) => how.and(", within ").then(&Markdown::span(within)).and("."),
        None => how.and("."),
    }
}
