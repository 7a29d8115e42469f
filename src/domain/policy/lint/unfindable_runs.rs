//! A workflow whose run can't be found again when the answer that names it got lost.

use super::{Around, CATALOG, Found, Lint, Severity, of_action};

pub(super) const LINT: Lint = Lint {
    id: "run-without-nonce",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for action in at.policy.actions() {
        for placed in action.execute().connectors() {
            let nameless = placed
                .connector
                .workflow()
                .filter(|workflow| workflow.nonce().is_none());
            if let Some(workflow) = nameless {
                let place = of_action(action, placed.at.trim_start_matches('/'));
                found.push(Found {
                    file: CATALOG.into(),
                    mark: at.mark(CATALOG, &place),
                    message: format!(
                        "`{}` can't find its run of `{}` again: after a crash or a lost answer it is unknown",
                        action.name(),
                        workflow.workflow()
                    ),
                    remedy: "give the workflow an input for a nonce, `run-name: ${{ inputs.nonce }}`, and write `nonce: nonce`"
                        .into(),
                });
            }
        }
    }
    found
}
