//! A line of CODEOWNERS that decides about no action.

use super::{Around, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "unused-owners-line",
    severity: Severity::Warning,
    look,
};

fn look(_at: &Around<'_>) -> Vec<Found> {
    Vec::new()
}
