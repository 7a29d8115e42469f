//! An action that no case proposes.

use std::collections::BTreeSet;

use super::{Around, CATALOG, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "untested-action",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let Some(cases) = at.cases else {
        return Vec::new();
    };
    let tested: BTreeSet<_> = cases.iter().map(|case| &case.propose.action).collect();
    let untested = at
        .policy
        .actions()
        .filter(|action| !tested.contains(action.name()));
    untested
        .map(|action| Found {
            file: CATALOG.into(),
            mark: at.name_mark(CATALOG, "actions", action.name().as_str()),
            message: format!(
                "no case proposes `{}`, so nobody sees when a change moves it",
                action.name()
            ),
            remedy: "add a case to `tests/*.yaml`; `countersign policy test` runs them".into(),
        })
        .collect()
}
