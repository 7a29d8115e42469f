//! An action whose responsible agent may not propose it.

use super::{Around, CATALOG, Found, Lint, Severity, of_action};

pub(super) const LINT: Lint = Lint {
    id: "responsible-may-not-propose",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let odd = at.policy.actions().filter(|action| {
        let agent = at.policy.agent(action.raci().responsible());
        agent.is_none_or(|agent| !agent.may_propose(action.name()))
    });
    odd.map(|action| {
        let agent = action.raci().responsible();
        Found {
            file: CATALOG.into(),
            mark: at.mark(CATALOG, &of_action(action, "raci/responsible")),
            message: format!(
                "`{agent}` is responsible for `{}` and may not propose it",
                action.name()
            ),
            remedy: format!(
                "list `{}` under `{agent}` in {}, or name the agent that does it",
                action.name(),
                super::AGENTS
            ),
        }
    })
    .collect()
}
