//! What other rules would make of the past: facts are judged by both, and what differs is told.

use serde::Serialize;

use super::{
    checks::Level,
    facts::{Facts, Judged, judge},
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

/// Judges facts by both policies; none when nothing that is told would differ.
pub fn replay(facts: &Facts, policy: &Policy, candidate: &Policy) -> Option<Difference> {
    let (before, after) = (judge(facts, policy), judge(facts, candidate));
    let difference = Difference {
        tier: moved(before.tier, after.tier),
        gate: moved(before.gate, after.gate),
        newly_failing: only_first(&after, &before),
        newly_passing: only_first(&before, &after),
    };
    (difference != Difference::default()).then_some(difference)
}

fn moved<T: PartialEq>(from: T, to: T) -> Option<Moved<T>> {
    (from != to).then_some(Moved { from, to })
}

/// Checks that fail in the first and not in the second.
fn only_first(first: &Judged, second: &Judged) -> Vec<CheckName> {
    let failing = |judged: &Judged| -> Vec<CheckName> {
        let failed = judged.checks.iter().filter(|check| check.level > Level::Warn);
        failed.map(|check| check.check.clone()).collect()
    };
    let other = failing(second);
    let mut only = failing(first);
    only.retain(|name| !other.contains(name));
    only
}
