//! An action that another one takes back, and nobody can ask for that in a comment.

use super::{Around, CATALOG, Found, Lint, Severity, of_action};

pub(super) const LINT: Lint = Lint {
    id: "rollback-by-hand",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let by_hand = at.policy.actions().filter_map(|action| {
        let by = action.rollback().action()?;
        action.undoing().is_none().then_some((action, by))
    });
    by_hand
        .map(|(action, by)| Found {
            file: CATALOG.into(),
            mark: at.mark(CATALOG, &of_action(action, "rollback")),
            message: format!(
                "`{}` can't be rolled back from a comment: nothing says what `{by}` is given",
                action.name()
            ),
            remedy: "add its parameters, as in `with: { payment: \"${run.key}\" }`".into(),
        })
        .collect()
}
