//! A dry run that is shown with what also acts: whoever breaks into the gate could then act without anybody's approval
//! (INVARIANT i19).

use std::collections::BTreeSet;

use super::{Around, CATALOG, Found, Lint, Severity, of_action};
use crate::domain::policy::SecretName;

pub(super) const LINT: Lint = Lint {
    id: "dry-run-with-acting-secret",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let acting: BTreeSet<&SecretName> = at
        .policy
        .actions()
        .flat_map(|action| action.execute().connectors())
        .filter_map(|placed| placed.connector.http()?.request().auth()?.secret())
        .collect();
    let shown = at.policy.actions().filter_map(|action| {
        let secret = action.dry_run()?.request().auth()?.secret()?;
        acting.contains(secret).then(|| Found {
            file: CATALOG.into(),
            mark: at.mark(CATALOG, &of_action(action, "dry_run/http/auth")),
            message: format!(
                "the dry run of `{}` is shown with `{secret}`, which also acts: a gate that is broken into could act with it",
                action.name()
            ),
            remedy: "name a secret that can do no more than a dry run".into(),
        })
    });
    shown.collect()
}
