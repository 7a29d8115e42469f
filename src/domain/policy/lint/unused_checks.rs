//! A check that no action names.

use super::{Around, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "unused-check",
    severity: Severity::Warning,
    look,
};

fn look(_at: &Around<'_>) -> Vec<Found> {
    Vec::new()
}
