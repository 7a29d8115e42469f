//! A team of one person that owns something: when they are away, or are a party, nobody can approve.

use std::collections::BTreeSet;

use super::{Around, Found, Lint, PEOPLE, Severity, of_person_team};
use crate::domain::policy::{Owner, OwnerSet};

pub(super) const LINT: Lint = Lint {
    id: "team-of-one",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let owning: BTreeSet<_> = at
        .policy
        .owners()
        .sets()
        .flat_map(OwnerSet::owners)
        .filter_map(|owner| match owner {
            Owner::Team(team) => Some(team),
            Owner::Person(_) => None,
        })
        .collect();
    let mut found = Vec::new();
    for team in owning {
        let mut members = at.policy.people().filter(|person| person.teams().contains(team));
        if let (Some(only), None) = (members.next(), members.next()) {
            found.push(Found {
                file: PEOPLE.into(),
                mark: of_person_team(at, only, team),
                message: format!(
                    "`{}` is the only one of `{team}`, which owns something; while they are away nobody else can approve for it",
                    only.name()
                ),
                remedy: format!("add a second person to `{team}`, or name another owner beside it in CODEOWNERS"),
            });
        }
    }
    found
}
