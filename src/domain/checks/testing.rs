//! Matters for the tests of checks.

use serde_json::Value;

use super::{Asked, Declared, Settings};
use crate::domain::{
    matter::Matter,
    proposal::{Item, Observed, Provenance},
};

/// What is asked with these items, observations and claims, at 2026-11-22T10:00:00Z.
pub(crate) fn with<T>(
    items: Vec<Value>,
    observed: Vec<Observed>,
    claimed: Value,
    ask: impl FnOnce(&Matter<'_>) -> T,
) -> T {
    let items: Vec<Item> = (1..)
        .zip(items)
        .map(|(id, parameters)| Item {
            id: id.to_string().parse().unwrap(),
            parameters,
            observed_digest: None,
        })
        .collect();
    let provenance = Provenance::default();
    ask(&Matter {
        operation: &"campaigns.send".parse().unwrap(),
        agent: &"campaign-agent".parse().unwrap(),
        sponsor: &"erin".parse().unwrap(),
        target: None,
        items: &items,
        observed: &observed,
        dry_runs: &[],
        claimed: claimed.as_object().unwrap(),
        justification: "as planned",
        rollback_plan: None,
        exceptions: &[],
        provenance: &provenance,
        corrected: false,
        rolls_back: false,
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
    })
}

/// What is asked with these items alone.
pub(crate) fn with_items<T>(items: Vec<Value>, ask: impl FnOnce(&Matter<'_>) -> T) -> T {
    with(items, Vec::new(), serde_json::json!({}), ask)
}

/// What was read for the first item.
pub(crate) fn observed(facts: Value) -> Observed {
    Observed {
        item: "1".parse().unwrap(),
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
        facts: serde_json::from_value(facts).unwrap(),
    }
}

pub(crate) fn asked_of<'a>(matter: &'a Matter<'a>, settings: &'a Settings) -> Asked<'a> {
    Asked {
        matter,
        declared: Declared::default(),
        sealed: &[],
        settings,
    }
}
