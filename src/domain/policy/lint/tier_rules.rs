//! A rule of `tiers.yaml` that the rules before it cover.

use super::{Around, Found, Lint, Severity, TIERS};

pub(super) const LINT: Lint = Lint {
    id: "unreachable-tier-rule",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let reached = at.policy.reachable_rules();
    // The last rule catches what no other does and has to be there, even when nothing is left for it.
    let unreached = (1..at.policy.tiers.rules()).filter(|rule| !reached.contains(rule));
    unreached
        .map(|rule| Found {
            file: TIERS.into(),
            mark: at.mark(TIERS, &format!("/rules/{}", rule - 1)),
            message: format!(
                "rule {rule} never applies: for whatever matches it, a rule before it matches first"
            ),
            remedy: "move it up, make a rule before it narrower, or remove it".into(),
        })
        .collect()
}
