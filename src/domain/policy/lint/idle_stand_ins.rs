//! A stand-in who can never approve for the owner.

use super::{Around, Found, Lint, PEOPLE, Severity, gates::paths, listed};
use crate::domain::{
    ids::PersonName,
    policy::{Action, Agent, Owner, OwnerSet, Owners, Person, RawOwners},
};

pub(super) const LINT: Lint = Lint {
    id: "stand-in-without-part",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let raw = Owners::parse_alone(at.owners).ok();
    let owners = at.policy.people().filter(|person| !person.stand_ins().is_empty());
    owners
        .flat_map(|person| of_owner(at, raw.as_ref(), person))
        .collect()
}

fn of_owner(at: &Around<'_>, raw: Option<&RawOwners>, owner: &Person) -> Vec<Found> {
    let name = owner.name();
    let place = |more: &str| at.mark(PEOPLE, &format!("/people/{name}/stand_ins{more}"));
    if !at.policy.owners().sets().any(|set| owns(set, owner)) {
        return vec![Found {
            file: PEOPLE.into(),
            mark: place(""),
            message: format!("`{name}` owns nothing, so nobody ever stands in for them"),
            remedy: format!("name `{name}` or a team of theirs in CODEOWNERS, or remove `stand_ins`"),
        }];
    }
    let agents = agents(at, raw, owner);
    // Changes of the rules are proposed by people.
    let owns_rules = at
        .paths
        .iter()
        .any(|file| owns_path(at, &format!("/policies/{file}"), owner));
    let sponsored = |stand_in: &PersonName| {
        !owns_rules && !agents.is_empty() && agents.iter().all(|agent| agent.sponsor() == stand_in)
    };
    let stand_ins = owner.stand_ins().iter().zip(0..);
    stand_ins
        .filter(|(stand_in, _)| sponsored(stand_in))
        .map(|(stand_in, index)| Found {
            file: PEOPLE.into(),
            mark: place(&format!("/{index}")),
            message: format!(
                "`{stand_in}` sponsors {}, and nobody else proposes what `{name}` owns: a sponsor never approves",
                listed(agents.iter().map(|agent| agent.name()))
            ),
            remedy: format!("name somebody else among the `stand_ins` of `{name}`"),
        })
        .collect()
}

fn owns(set: &OwnerSet, person: &Person) -> bool {
    set.owners().iter().any(|owner| match owner {
        Owner::Person(name) => name == person.name(),
        Owner::Team(team) => person.teams().contains(team),
    })
}

fn owns_path(at: &Around<'_>, path: &str, person: &Person) -> bool {
    let wanted = at.policy.owners().requirements(path);
    wanted.sets().iter().any(|set| owns(set, person))
}

/// The agents that may propose something which a person owns.
fn agents<'a>(at: &Around<'a>, raw: Option<&RawOwners>, owner: &Person) -> Vec<&'a Agent> {
    let owned = |action: &&Action| {
        paths(at, raw, action)
            .iter()
            .any(|path| owns_path(at, path, owner))
    };
    let actions: Vec<&Action> = at.policy.actions().filter(owned).collect();
    let proposes = |agent: &&Agent| actions.iter().any(|action| agent.may_propose(action.name()));
    at.policy.agents().filter(proposes).collect()
}
