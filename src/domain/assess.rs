//! How risky a proposal is, and what the automatic checks found on it.

pub mod limits;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    checks::{CheckResult, Level},
    ids::CheckName,
    matter::Matter,
    policy::{
        Action, Escalation, LIMITS, Policy, Tier,
        expression::{Root, Scope},
    },
    totals::{Count, SoFar, Totals},
};

/// A tier with its reasons, and every check's result. The same proposal and policy always give the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// Every check that the action names, and its limits.
    pub checks: Vec<CheckResult>,
    /// What gave it, in the order it was found; the highest holds.
    pub reasons: Vec<TierReason>,
    /// The tier.
    pub tier: Tier,
    /// What its limits counted when it was received.
    #[serde(default, skip_serializing_if = "Totals::is_empty")]
    pub totals: Totals,
}

/// One reason for a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierReason {
    /// Why.
    pub because: TierRule,
    /// The tier it asks for.
    pub tier: Tier,
}

/// What may give a tier. INVARIANT i10: what is not known is high.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TierRule {
    /// A rule of `tiers.yaml`, counted from 1.
    Rule(usize),
    /// A condition of the action's `escalate` holds, counted from 1.
    Escalated(usize),
    /// A condition of the action's `escalate` holds only because of what the agent claims. INVARIANT i13.
    Claimed(usize),
    /// A condition of the action's `escalate` has no answer.
    Errored {
        /// The condition, counted from 1.
        condition: usize,
        /// Why.
        why: String,
    },
    /// A limit is over, by its name. INVARIANT i20.
    Limit(String),
    /// The limits counted are not those of the catalog.
    LimitsChanged,
    /// The catalog does not know the action.
    UnknownAction,
    /// The catalog's parameters are not those the proposal was checked against.
    SchemaChanged,
    /// A parameter can't stand in the resource.
    Resource,
    /// People changed what the agent asked for: medium at least. INVARIANT i08.
    Corrected,
    /// It has a workflow run, which takes minutes, and low tier is answered at once: medium at least.
    Dispatches,
    /// A person asked for it, to take back what ran: medium at least. INVARIANT i08.
    RollsBack,
    /// It ends a freeze. INVARIANT i22.
    Thaws,
}

impl TierRule {
    /// Whether the catalog knows the action as proposed, for all this reason says.
    const fn known(&self) -> bool {
        match self {
            Self::Rule(_)
            | Self::Escalated(_)
            | Self::Claimed(_)
            | Self::Limit(_)
            | Self::Corrected
            | Self::Dispatches
            | Self::RollsBack
            | Self::Thaws => true,
            Self::Errored { .. }
            | Self::LimitsChanged
            | Self::UnknownAction
            | Self::SchemaChanged
            | Self::Resource => false,
        }
    }
}

impl Assessment {
    /// Whether no check failed or could not run.
    pub fn checks_hold(&self) -> bool {
        self.checks.iter().all(|check| check.level <= Level::Warn)
    }
    /// Whether the catalog knows the action as proposed, and has an answer to every condition.
    pub fn known(&self) -> bool {
        self.reasons.iter().all(|reason| reason.because.known())
    }
}

/// Gives what is asked its tier and runs the checks its action names. Total: what is unknown is high.
///
/// First the rules of `tiers.yaml`, then the action's `escalate`, then its limits: each may raise the tier, none lowers
/// it. `totals` is what the limits counted when it was received; those of other limits are high.
pub fn assess(matter: &Matter<'_>, totals: &Totals, policy: &Policy) -> Assessment {
    let fit = totals.fit(matter, policy);
    assess_with(matter, totals.clone(), fit, policy)
}

/// The same with the limits of the policy itself, given what each counted so far.
pub(in crate::domain) fn assess_counting(
    matter: &Matter<'_>,
    so_far: impl Fn(&Count) -> SoFar,
    policy: &Policy,
) -> Assessment {
    assess_with(matter, Totals::of(matter, policy).counted(so_far), true, policy)
}

fn assess_with(matter: &Matter<'_>, totals: Totals, fit: bool, policy: &Policy) -> Assessment {
    let Some(action) = policy.action(matter.operation) else {
        let because = TierRule::UnknownAction;
        return Assessment {
            tier: Tier::High,
            reasons: vec![TierReason {
                tier: Tier::High,
                because,
            }],
            checks: Vec::new(),
            totals,
        };
    };
    let mut reasons = Vec::new();
    let mut raise = |tier, because| reasons.push(TierReason { tier, because });
    let found = policy.classify(action.impact(), action.data(), action.rollback().kind());
    raise(found.tier, TierRule::Rule(found.rule));
    if matter.target.is_some_and(|target| {
        action.schema_digest() != target.schema_digest || action.system() != target.system
    }) {
        raise(Tier::High, TierRule::SchemaChanged);
    }
    if matter
        .target
        .is_some_and(|target| action.resource().to_string() != target.resource)
        || matter
            .items
            .iter()
            .any(|item| action.resource().path(&item.parameters).is_err())
    {
        raise(Tier::High, TierRule::Resource);
    }
    let reached = totals.reached();
    let scope = Scope::of(matter).with_totals(&reached);
    for (condition, number) in action.escalate().iter().zip(1..) {
        escalate(condition, number, &scope, &mut raise);
    }
    if !fit {
        raise(Tier::High, TierRule::LimitsChanged);
    }
    let over: BTreeSet<&str> = totals
        .iter()
        .filter(|count| count.raises())
        .map(Count::limit)
        .collect();
    for limit in over {
        raise(Tier::High, TierRule::Limit(limit.to_owned()));
    }
    if action.execute().thaws() {
        raise(Tier::High, TierRule::Thaws);
    }
    if action.execute().dispatches() {
        raise(Tier::Medium, TierRule::Dispatches);
    }
    if matter.corrected {
        raise(Tier::Medium, TierRule::Corrected);
    }
    if matter.rolls_back {
        raise(Tier::Medium, TierRule::RollsBack);
    }
    let tier = reasons
        .iter()
        .map(|reason| reason.tier)
        .max()
        .unwrap_or(Tier::High);
    Assessment {
        tier,
        reasons,
        checks: run_checks(matter, &totals, &reached, action, policy),
        totals,
    }
}

/// Asks one condition, with what the agent claims and, where it reads that, as if the agent claimed nothing: so no claim
/// gives a lower tier than none. INVARIANT i13.
fn escalate(
    condition: &Escalation,
    number: usize,
    scope: &Scope<'_>,
    raise: &mut impl FnMut(Tier, TierRule),
) {
    let answer = condition.when().any(scope);
    let without = if condition.when().reads(Root::Claimed) {
        condition.when().any(&scope.clone().without_claims())
    } else {
        answer.clone()
    };
    if without == Ok(true) {
        raise(condition.to(), TierRule::Escalated(number));
    } else if answer == Ok(true) {
        raise(condition.to(), TierRule::Claimed(number));
    }
    // What is not claimed raises nothing; any other error is an answer that nobody has. INVARIANT i10.
    let errors = [without, answer].into_iter().filter_map(Result::err);
    if let Some(error) = errors.into_iter().find(|error| !error.is_unclaimed()) {
        let why = error.to_string();
        raise(
            Tier::High,
            TierRule::Errored {
                condition: number,
                why,
            },
        );
    }
}

/// The checks that the action names, and its limits, which hold whether it names them or not.
fn run_checks(
    matter: &Matter<'_>,
    totals: &Totals,
    reached: &[(&str, i64)],
    action: &Action,
    policy: &Policy,
) -> Vec<CheckResult> {
    let run = |name: &CheckName| match name.as_str() {
        LIMITS => CheckResult::of(name, limits::standing(totals, action)),
        _ => policy.check(name, matter, reached, action),
    };
    let mut results: Vec<CheckResult> = action.checks().iter().map(run).collect();
    let listed = action.checks().iter().any(|name| name.as_str() == LIMITS);
    if let (false, false, Ok(check)) = (listed, totals.is_empty(), LIMITS.parse()) {
        results.push(CheckResult::of(&check, limits::over(totals, action)));
    }
    results
}

#[cfg(test)]
mod tests;
