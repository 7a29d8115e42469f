//! An action that no agent may propose.

use super::{AGENTS, Around, CATALOG, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "action-without-agent",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let unasked = at.policy.actions().filter(|action| {
        let mut agents = at.policy.agents();
        !agents.any(|agent| agent.may_propose(action.name()))
    });
    unasked
        .map(|action| Found {
            file: CATALOG.into(),
            mark: at.name_mark(CATALOG, "actions", action.name().as_str()),
            message: format!("no agent may propose `{}`, so it never runs", action.name()),
            remedy: format!("list it under an agent in {AGENTS}, or remove the action"),
        })
        .collect()
}
