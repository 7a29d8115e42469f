//! A person who is in no team, owns nothing and answers for nothing.

use super::{Around, Found, Lint, PEOPLE, Severity};
use crate::domain::policy::{Owner, OwnerSet, Party, Person};

pub(super) const LINT: Lint = Lint {
    id: "person-without-part",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let idle = at.policy.people().filter(|person| !has_part(at, person));
    idle.map(|person| Found {
        file: PEOPLE.into(),
        mark: at.name_mark(PEOPLE, "people", person.name().as_str()),
        message: format!(
            "`{}` is in no team, owns nothing and sponsors no agent",
            person.name()
        ),
        remedy: "add a team, name the person in CODEOWNERS, or remove the entry".into(),
    })
    .collect()
}

fn has_part(at: &Around<'_>, person: &Person) -> bool {
    let owns = |owner: &Owner| matches!(owner, Owner::Person(name) if name == person.name());
    let named = |party: &Party| matches!(party, Party::Person(name) if name == person.name());
    !person.teams().is_empty()
        || at.policy.owners().sets().flat_map(OwnerSet::owners).any(owns)
        || at.policy.agents().any(|agent| agent.sponsor() == person.name())
        || at.policy.actions().any(|action| {
            let raci = action.raci();
            named(raci.accountable()) || raci.consulted().iter().chain(raci.informed()).any(named)
        })
}
