//! A gate that nobody can open, once the parties to the proposal are set aside.

use std::collections::BTreeSet;

use super::{Around, CATALOG, Found, Lint, Severity, listed, of_action, tiers_of};
use crate::domain::{
    assign::{Place, assign},
    ids::PersonName,
    policy::{Action, GateRule, Owner, OwnerSet, Owners, Person, RawOwners, Tier},
};

pub(super) const LINT: Lint = Lint {
    id: "gate-nobody-can-open",
    severity: Severity::Error,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let raw = Owners::parse_alone(at.owners).ok();
    let found = at.policy.actions().filter_map(|action| {
        let paths = paths(at, raw.as_ref(), action);
        let tiers = tiers_of(at, action).into_iter().filter(|tier| *tier > Tier::Low);
        tiers.into_iter().find_map(|tier| {
            let mut shut = paths.iter().enumerate();
            shut.find_map(|(place, path)| at_tier(at, action, tier, path, place == 0))
        })
    });
    found.collect()
}

/// A path that no line singles out, and then one for each set of lines that can decide about the action.
pub(super) fn paths(at: &Around<'_>, raw: Option<&RawOwners>, action: &Action) -> Vec<String> {
    let resource = action.resource();
    let singled = raw.into_iter().flat_map(RawOwners::patterns);
    let singled = singled.filter_map(|(_, pattern)| resource.example_for(pattern));
    let mut seen = BTreeSet::new();
    let all = std::iter::once(resource.example()).chain(singled);
    all.filter(|path| seen.insert(at.policy.owners().deciding(path)))
        .collect()
}

/// Why the gate of a tier stays shut for good on a path, if it does.
fn at_tier(at: &Around<'_>, action: &Action, tier: Tier, path: &str, any: bool) -> Option<Found> {
    let mark = at.mark(CATALOG, &of_action(action, "resource"));
    let name = action.name();
    let wanted = at.policy.owners().requirements(path);
    if wanted.is_unowned() {
        // Lines that single something out and clear its owners mean to keep it shut.
        return any.then(|| Found {
            file: CATALOG.into(),
            mark,
            message: format!(
                "`{name}` is {tier} and nobody owns `{}`, so nobody can approve it",
                action.resource()
            ),
            remedy: format!(
                "add a line for it to CODEOWNERS, as in `{}/ @organization/team`",
                action.resource().top()
            ),
        });
    }
    let gate = at.policy.gate(tier);
    let agents = at.policy.agents().filter(|agent| agent.may_propose(name));
    let needs: Vec<(&OwnerSet, u8)> = wanted.needs(gate.approvals()).collect();
    agents.into_iter().find_map(|agent| {
        let short = short_of(at, &needs, gate, Some(agent.sponsor()))?;
        let Short { line, need, people } = short;
        let teams = if gate.distinct_teams() && need > 1 { " of different teams" } else { "" };
        let what = if need == 1 { "approval" } else { "approvals" };
        let on = if any { String::new() } else { format!(" on `{path}`") };
        let others = if needs.len() > 1 { ", beside those of other sections" } else { "" };
        Some(Found {
            file: CATALOG.into(),
            mark,
            message: format!(
                "`{name}`{on} is {tier} and needs {need} {what}{teams} by the owners of line {line} of CODEOWNERS\
                 {others}; without the sponsor of `{agent}`, `{sponsor}`, that leaves {}",
                listed(people),
                agent = agent.name(),
                sponsor = agent.sponsor(),
            ),
            remedy: "name more owners there, add people to their teams, or give the agent another sponsor".into(),
        })
    })
}

/// Owners that are too few.
pub(super) struct Short {
    pub(super) line: u32,
    pub(super) need: usize,
    pub(super) people: Vec<PersonName>,
}

/// The first owner set that stays unsatisfied when everybody who may approve does: everybody but one (INVARIANT i08,
/// i09).
pub(super) fn short_of(
    at: &Around<'_>,
    wanted: &[(&OwnerSet, u8)],
    gate: &GateRule,
    but: Option<&PersonName>,
) -> Option<Short> {
    let others: Vec<&Person> = at
        .policy
        .people()
        .filter(|person| but != Some(person.name()))
        .collect();
    let needs: Vec<usize> = wanted.iter().map(|(_, need)| usize::from(*need)).collect();
    let mut stands: Vec<String> = Vec::new();
    let mut choices = Vec::new();
    for person in &others {
        let mut places = Vec::new();
        for ((set, _), requirement) in wanted.iter().zip(0..) {
            for stand in stands_for(person, set, gate.distinct_teams()) {
                let known = stands.iter().position(|known| *known == stand);
                let team = known.unwrap_or_else(|| {
                    stands.push(stand);
                    stands.len() - 1
                });
                places.push(Place { requirement, team });
            }
        }
        choices.push(places);
    }
    let given = assign(&choices, &needs);
    wanted
        .iter()
        .zip(needs)
        .enumerate()
        .find_map(|(requirement, ((set, _), need))| {
            let have = given
                .iter()
                .flatten()
                .filter(|place| place.requirement == requirement);
            (have.count() < need).then(|| {
                let able = others.iter().zip(&choices);
                let able =
                    able.filter(|(_, places)| places.iter().any(|place| place.requirement == requirement));
                Short {
                    line: set.line(),
                    need,
                    people: able.map(|(person, _)| person.name().clone()).collect(),
                }
            })
        })
}

/// As what a person could approve for an owner set: as one of a team, or as themselves.
fn stands_for(person: &Person, set: &OwnerSet, distinct: bool) -> BTreeSet<String> {
    let named = |owner: &Owner| matches!(owner, Owner::Person(name) if name == person.name());
    let named = set.owners().iter().any(named);
    let owning = set.owners().iter().filter_map(|owner| match owner {
        Owner::Team(team) => person.teams().contains(team).then_some(team),
        Owner::Person(_) => None,
    });
    let teams: BTreeSet<String> = match (named, distinct) {
        (true, true) => person.teams().iter().map(|team| format!("@{team}")).collect(),
        (_, _) => owning.map(|team| format!("@{team}")).collect(),
    };
    match (distinct, named || !teams.is_empty()) {
        (true, _) => teams,
        (false, true) => BTreeSet::from([person.name().to_string()]),
        (false, false) => BTreeSet::new(),
    }
}
