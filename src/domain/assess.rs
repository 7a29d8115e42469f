//! How risky a proposal is, and what the automatic checks found on it.

use serde::{Deserialize, Serialize};

use super::{
    checks::{CheckResult, Level},
    matter::Matter,
    policy::{Policy, Tier},
};

/// A tier with its reasons, and every check's result. The same proposal and policy always give the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// The tier.
    pub tier: Tier,
    /// What gave it, in the order it was found; the highest holds.
    pub reasons: Vec<TierReason>,
    /// Every check that the action names.
    pub checks: Vec<CheckResult>,
}

/// One reason for a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierReason {
    /// The tier it asks for.
    pub tier: Tier,
    /// Why.
    pub because: TierRule,
}

/// What may give a tier. INVARIANT i10: what is not known is high.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TierRule {
    /// A rule of `tiers.yaml`, counted from 1.
    Rule(usize),
    /// The catalog does not know the action.
    UnknownAction,
    /// The catalog's parameters are not those the proposal was checked against.
    SchemaChanged,
    /// A parameter can't stand in the resource.
    Resource,
}

impl Assessment {
    /// Whether no check failed or could not run.
    pub fn checks_hold(&self) -> bool {
        self.checks.iter().all(|check| check.level <= Level::Warn)
    }
    /// Whether the catalog knows the action as proposed.
    pub fn known(&self) -> bool {
        self.reasons
            .iter()
            .all(|reason| matches!(reason.because, TierRule::Rule(_)))
    }
}

/// Gives what is asked its tier and runs the checks its action names. Total: what is unknown is high.
pub fn assess(matter: &Matter<'_>, policy: &Policy) -> Assessment {
    let Some(action) = policy.action(matter.operation) else {
        let because = TierRule::UnknownAction;
        return Assessment {
            tier: Tier::High,
            reasons: vec![TierReason {
                tier: Tier::High,
                because,
            }],
            checks: Vec::new(),
        };
    };
    let found = policy.classify(action.impact(), action.data(), action.rollback().kind());
    let mut reasons = vec![TierReason {
        tier: found.tier,
        because: TierRule::Rule(found.rule),
    }];
    let mut high = |because| {
        reasons.push(TierReason {
            tier: Tier::High,
            because,
        })
    };
    if matter.target.is_some_and(|target| {
        action.schema_digest() != target.schema_digest || action.system() != target.system
    }) {
        high(TierRule::SchemaChanged);
    }
    if matter
        .target
        .is_some_and(|target| action.resource().to_string() != target.resource)
        || matter
            .items
            .iter()
            .any(|item| action.resource().path(&item.parameters).is_err())
    {
        high(TierRule::Resource);
    }
    let checks = action
        .checks()
        .iter()
        .map(|name| policy.check(name, matter, action))
        .collect();
    let tier = reasons
        .iter()
        .map(|reason| reason.tier)
        .max()
        .unwrap_or(Tier::High);
    Assessment {
        tier,
        reasons,
        checks,
    }
}
