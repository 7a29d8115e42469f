//! A check whose exception nobody can grant for an agent, because whoever could is its sponsor. INVARIANT i08.

use std::collections::BTreeSet;

use super::{Around, Found, Lint, Severity, listed};
use crate::domain::{
    ids::PersonName,
    policy::{Check, CheckKind, Party},
};

pub(super) const LINT: Lint = Lint {
    id: "exception-nobody-can-grant",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    at.policy.checks().filter_map(|check| of(at, check)).collect()
}

fn of(at: &Around<'_>, check: &Check) -> Option<Found> {
    let parties = check.exception_approvers();
    if parties.is_empty() {
        return None;
    }
    let able: BTreeSet<&PersonName> = at
        .policy
        .people()
        .filter(|person| {
            parties.iter().any(|party| match party {
                Party::Person(name) => name == person.name(),
                Party::Team(team) => person.teams().contains(team),
            })
        })
        .map(|person| person.name())
        .collect();
    let concerned = at.policy.agents().filter(|agent| {
        let mut actions = at.policy.actions();
        actions.any(|action| action.checks().contains(check.name()) && agent.may_propose(action.name()))
    });
    let without = concerned.filter(|agent| able.iter().all(|name| *name == agent.sponsor()));
    let without: Vec<_> = without.collect();
    let sponsors: BTreeSet<&PersonName> = without.iter().map(|agent| agent.sponsor()).collect();
    if without.is_empty() {
        return None;
    }
    let (file, mark) = match check.kind() {
        CheckKind::Rego => (format!("checks/{}.rego", check.name()), None),
        CheckKind::BuiltIn | CheckKind::Cel => {
            let file = format!("checks/{}.yaml", check.name());
            let mark = at.mark(&file, "/exceptions/approvers");
            (file, mark)
        }
    };
    Some(Found {
        file,
        mark,
        message: format!(
            "nobody can let a proposal of {} pass the check `{}`: of those who may, {} is the sponsor, and a party never does",
            listed(without.iter().map(|agent| agent.name())),
            check.name(),
            listed(sponsors),
        ),
        remedy: "name somebody else as well, or a team of several people".into(),
    })
}
