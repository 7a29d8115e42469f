//! A calendar that nobody's working hours are taken from.

use std::collections::BTreeSet;

use super::{Around, Found, Lint, PEOPLE, Severity};
use crate::domain::source::{Kind, Node};

pub(super) const LINT: Lint = Lint {
    id: "unused-calendar",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let of = |list: &str| {
        let list = at.trees.get(PEOPLE).and_then(|tree| tree.get(list));
        list.map(Node::entries).unwrap_or_default()
    };
    let people = of("people").iter();
    let named: BTreeSet<&str> = people
        .filter_map(|(_, person)| match person.get("calendar")?.kind() {
            Kind::Text(name) => Some(name.as_str()),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => None,
        })
        .collect();
    let calendars = of("calendars").iter().map(|(name, _)| name);
    let idle = calendars.filter(|name| !named.contains(name.text()));
    idle.map(|name| Found {
        file: PEOPLE.into(),
        mark: name.mark(),
        message: format!("nobody works by the calendar `{}`", name.text()),
        remedy: format!(
            "add `calendar: {}` and a `time_zone` to the people who do, or remove it",
            name.text()
        ),
    })
    .collect()
}
