//! A rule of `tiers.yaml` that the rules before it cover.

use std::collections::BTreeSet;

use super::{Around, Found, Lint, Severity, TIERS};
use crate::domain::policy::{DataClass, Impact, RollbackKind};

pub(super) const LINT: Lint = Lint {
    id: "unreachable-tier-rule",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let mut reached = BTreeSet::new();
    // All 4 x 127 x 3 combinations that an action can have.
    let classes: Vec<BTreeSet<DataClass>> = (1_u32..1 << DataClass::ALL.len())
        .map(|bits| {
            let numbered = DataClass::ALL.iter().zip(0..);
            numbered
                .filter(|(_, bit)| bits >> bit & 1 == 1)
                .map(|(class, _)| *class)
                .collect()
        })
        .collect();
    for impact in Impact::ALL {
        for rollback in RollbackKind::ALL {
            let rule = |data| at.policy.classify(impact, data, rollback).rule;
            reached.extend(classes.iter().map(rule));
        }
    }
    // The last rule catches what no other does and has to be there, even when nothing is left for it.
    let unreached = (1..at.policy.tiers.rules()).filter(|rule| !reached.contains(rule));
    unreached
        .map(|rule| Found {
            file: TIERS,
            mark: at.mark(TIERS, &format!("/rules/{}", rule - 1)),
            message: format!(
                "rule {rule} never applies: for whatever matches it, a rule before it matches first"
            ),
            remedy: "move it up, make a rule before it narrower, or remove it".into(),
        })
        .collect()
}
