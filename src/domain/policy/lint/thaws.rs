//! A freeze that nothing can end.

use super::{Around, CATALOG, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "no-thaw",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    if at.policy.actions().any(|action| action.execute().thaws()) {
        return Vec::new();
    }
    vec![Found {
        file: CATALOG.into(),
        mark: at.trees.get(CATALOG).and_then(|tree| tree.key_mark("actions")),
        message: "no action ends a freeze: what somebody stops with `/freeze` stays stopped".into(),
        remedy: "add an action with `execute: { thaw: { freeze: ${params.freeze} } }`, as `countersign init` writes it"
            .into(),
    }]
}
