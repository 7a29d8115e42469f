//! What other rules would make of the past: facts are judged by both, and what differs is told.

use serde::Serialize;

use super::{
    assess::Assessment,
    checks::Level,
    facts::{Facts, assessed, ruled, sponsor},
    gate::Verdict,
    ids::CheckName,
    policy::{Policy, Tier},
};

/// A value by the rules in force and by the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moved<T> {
    /// By the rules in force.
    pub from: T,
    /// By the candidate.
    pub to: T,
}

/// What would have been different for one proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The tier, when it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Moved<Tier>>,
    /// The gate, when it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Moved<Verdict>>,
    /// Checks that fail by the candidate only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub newly_failing: Vec<CheckName>,
    /// Checks that fail by the rules in force only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub newly_passing: Vec<CheckName>,
}

/// Judges facts by both policies; none when nothing that is told would differ. What both assess alike is assessed once.
pub fn replay(facts: &Facts, policy: &Policy, candidate: &Policy) -> Option<Difference> {
    let operation = facts.operation().as_str();
    let alike =
        policy.same_assessment(candidate, operation) && sponsor(facts, policy) == sponsor(facts, candidate);
    let before = assessed(facts, policy);
    let other = (!alike).then(|| assessed(facts, candidate));
    let (before, after) = (
        before.as_ref(),
        other.as_ref().map_or(before.as_ref(), Option::as_ref),
    );
    let gate = |policy, assessed| ruled(facts, policy, assessed).gate;
    let tier = |assessed: Option<&Assessment>| assessed.map_or(Tier::High, |assessed| assessed.tier);
    let difference = Difference {
        tier: moved(tier(before), tier(after)),
        gate: moved(gate(policy, before), gate(candidate, after)),
        newly_failing: only_first(after, before),
        newly_passing: only_first(before, after),
    };
    (difference != Difference::default()).then_some(difference)
}

fn moved<T: PartialEq>(from: T, to: T) -> Option<Moved<T>> {
    (from != to).then_some(Moved { from, to })
}

/// Checks that fail in the first and not in the second.
fn only_first(first: Option<&Assessment>, second: Option<&Assessment>) -> Vec<CheckName> {
    let failing = |assessed: Option<&'_ Assessment>| -> Vec<CheckName> {
        let checks = assessed.into_iter().flat_map(|assessed| &assessed.checks);
        let failed = checks.filter(|check| check.level > Level::Warn);
        failed.map(|check| check.check.clone()).collect()
    };
    let other = failing(second);
    let mut only = failing(first);
    only.retain(|name| !other.contains(name));
    only
}
