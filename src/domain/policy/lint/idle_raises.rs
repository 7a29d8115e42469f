//! A condition or a limit that raises an action to a tier that it has already.

use super::{Around, CATALOG, Found, Lint, Severity, of_action};
use crate::domain::policy::{Action, Over, Tier};

pub(super) const LINT: Lint = Lint {
    id: "raise-without-effect",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    at.policy.actions().flat_map(|action| of(at, action)).collect()
}

fn of(at: &Around<'_>, action: &Action) -> Vec<Found> {
    let class = at
        .policy
        .classify(action.impact(), action.data(), action.rollback().kind());
    let already = |field: String, what: &str, to: Tier, remedy: &str| Found {
        file: CATALOG.into(),
        mark: at.mark(CATALOG, &of_action(action, &field)),
        message: format!(
            "{what} raises `{}` to {to}, and rule {} of tiers.yaml makes it {} already",
            action.name(),
            class.rule,
            class.tier
        ),
        remedy: remedy.into(),
    };
    let conditions = action.escalate().iter().zip(0..);
    let conditions = conditions.filter(|(condition, _)| condition.to() <= class.tier);
    let conditions = conditions.map(|(condition, index)| {
        let remedy = "remove it, or write a check, which refuses";
        already(
            format!("escalate/{index}/to"),
            "this condition",
            condition.to(),
            remedy,
        )
    });
    let limits = action.limits().iter().zip(0..);
    let limits = limits.filter(|(limit, _)| limit.over() == Over::High && class.tier == Tier::High);
    let limits = limits.map(|(_, index)| {
        let remedy = "write `over: deny`, which refuses what is beyond it, or remove the limit";
        already(format!("limits/{index}/over"), "this limit", Tier::High, remedy)
    });
    conditions.chain(limits).collect()
}
