//! A section of CODEOWNERS that only takes paths out, and so requires nothing.

use super::{Around, Found, Lint, OWNERS, Severity, owner_lines::mark_of};
use crate::domain::policy::Owners;

pub(super) const LINT: Lint = Lint {
    id: "section-only-excludes",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let Ok(raw) = Owners::parse_alone(at.owners) else {
        return Vec::new();
    };
    let found = raw.only_excluding().map(|(name, line)| Found {
        file: OWNERS.into(),
        mark: mark_of(at.owners, line),
        message: format!("the section `{name}` only takes paths out, so it asks nobody for anything"),
        remedy: format!(
            "add a line that says what `{name}` owns, as in `* @organization/team`, or remove the section"
        ),
    });
    found.collect()
}
