//! Rules that nobody can change: a pull request that changes them must pass the high gate by their owners (INVARIANT
//! i02).

use std::collections::BTreeSet;

use super::{
    Around, Found, Lint, OWNERS, Severity,
    gates::{Short, short_of},
    listed,
    owner_lines::mark_of,
};
use crate::domain::policy::{OwnerSet, Tier};

pub(super) const LINT: Lint = Lint {
    id: "rules-nobody-can-change",
    severity: Severity::Error,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let gate = at.policy.gate(Tier::High);
    let files = at.paths.iter().map(|path| format!("/policies/{path}"));
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for path in files {
        if !seen.insert(at.policy.owners().deciding(&path)) {
            continue;
        }
        let wanted = at.policy.owners().requirements(&path);
        if wanted.is_unowned() {
            found.push(Found {
                file: OWNERS.into(),
                mark: None,
                message: format!("nobody owns `{path}`, so no pull request that changes it ever passes"),
                remedy: "add a line for the rules themselves, as in `/policies/ @organization/team`".into(),
            });
            continue;
        }
        let needs: Vec<(&OwnerSet, u8)> = wanted.needs(gate.approvals()).collect();
        if let Some(Short { line, need, people }) = short_of(at, &needs, gate, None) {
            let teams = if gate.distinct_teams() && need > 1 {
                " of different teams"
            } else {
                ""
            };
            found.push(Found {
                file: OWNERS.into(),
                mark: mark_of(at.owners, line),
                message: format!(
                    "a change of `{path}` needs {need} approvals{teams} by the owners of line {line}; that leaves {}",
                    listed(people)
                ),
                remedy: "name more owners there, or add people to their teams".into(),
            });
        }
    }
    found
}
