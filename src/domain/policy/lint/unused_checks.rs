//! A check whose file stands there and that no action names.

use std::collections::BTreeSet;

use super::{Around, Found, Lint, Severity};
use crate::domain::policy::checks::check_of;

pub(super) const LINT: Lint = Lint {
    id: "unused-check",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let named: BTreeSet<&str> = at
        .policy
        .actions()
        .flat_map(|action| action.checks())
        .map(|check| check.as_str())
        .collect();
    let files = at.paths.iter().filter_map(|path| Some((path, check_of(path)?)));
    let unused = files.filter(|(_, check)| !named.contains(check));
    unused
        .map(|(path, check)| Found {
            file: (*path).to_owned(),
            mark: None,
            message: format!("no action names the check `{check}`, so it never runs"),
            remedy: format!(
                "list `{check}` under `checks` of the actions that it is for, or remove the file"
            ),
        })
        .collect()
}
