//! An agent that may propose nothing.

use super::{AGENTS, Around, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "agent-without-actions",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let idle = at.policy.agents().filter(|agent| agent.actions().is_empty());
    idle.map(|agent| Found {
        file: AGENTS.into(),
        mark: at.name_mark(AGENTS, "agents", agent.name().as_str()),
        message: format!("`{}` may propose nothing", agent.name()),
        remedy: "list its actions, or remove the agent and its key".into(),
    })
    .collect()
}
