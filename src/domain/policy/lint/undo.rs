//! A step that stays done when a later one fails.

use super::{Around, CATALOG, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "no-undo",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for action in at.policy.actions() {
        let Some((_, before)) = action.execute().steps().split_last() else {
            continue;
        };
        for step in before.iter().filter(|step| step.undo().is_none()) {
            let name = step.name().map_or("", |name| name.as_str());
            found.push(Found {
                file: CATALOG.into(),
                mark: at.name_mark(CATALOG, "actions", action.name().as_str()),
                message: format!(
                    "step `{name}` of `{}` has no `undo`: when a later step fails, it stays half done",
                    action.name()
                ),
                remedy: "say under `undo` how the step is taken back, or make it the last one".into(),
            });
        }
    }
    found
}
