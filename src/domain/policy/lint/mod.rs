//! What a policy's author most likely did not mean: one file a lint, one flat registry.
//!
//! A policy with these findings compiles. An error here is a rule that keeps something shut for good; a warning is a
//! line that does nothing, or less than it seems to.

mod by_hand;
mod changing;
mod dry_run_secret;
mod gates;
mod idle_agents;
mod idle_calendars;
mod idle_people;
mod idle_raises;
mod idle_rules;
mod idle_stand_ins;
mod idle_times;
mod lone_owners;
mod loose_commands;
mod owner_lines;
mod parties;
mod preview;
mod proposers;
mod responsible;
mod sections;
mod shared_secrets;
mod step_up;
mod tier_rules;
mod undo;
mod unfindable_runs;
mod unguarded;
mod untested;
mod unused_checks;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Action, CountedBy, Escalation, Limit, Over, Policy, Tier,
    cases::{self, Case},
    compile::compile,
    error::PolicyError,
};
use crate::domain::{
    canonical::escape_pointer,
    ids::TeamName,
    source::{Mark, Node, Place, SourceFile, read_tree},
};

/// Every lint, in the order of their findings in one place of a file.
const REGISTRY: &[Lint] = &[
    gates::LINT,
    changing::LINT,
    step_up::LINT,
    preview::LINT,
    shared_secrets::LINT,
    dry_run_secret::LINT,
    responsible::LINT,
    proposers::LINT,
    untested::LINT,
    unguarded::LINT,
    idle_raises::LINT,
    loose_commands::LINT,
    unfindable_runs::LINT,
    unused_checks::LINT,
    idle_rules::LINT,
    parties::LINT,
    tier_rules::LINT,
    idle_times::LINT,
    undo::LINT,
    by_hand::LINT,
    owner_lines::LINT,
    sections::LINT,
    lone_owners::LINT,
    idle_people::LINT,
    idle_calendars::LINT,
    idle_stand_ins::LINT,
    idle_agents::LINT,
];

/// One lint.
struct Lint {
    /// Stable, as in `unused-check`.
    id: &'static str,
    severity: Severity,
    look: fn(&Around<'_>) -> Vec<Found>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy can't be used, or keeps something shut for good.
    Error,
    /// Something does nothing, or less than it seems to.
    Warning,
}

/// One finding, with its place and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    id: &'static str,
    severity: Severity,
    file: String,
    #[serde(flatten)]
    place: Option<Place>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(skip)]
    mark: Option<Mark>,
}

impl Finding {
    /// The lint, or the rule that an error breaks.
    pub fn id(&self) -> &'static str {
        self.id
    }
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }
    /// The file, relative to `policies/`.
    pub fn file(&self) -> &str {
        &self.file
    }
    /// The line and column, where known.
    pub fn place(&self) -> Option<Place> {
        self.place
    }
    /// The bytes to show, as an offset and a length, where known.
    pub fn bytes(&self) -> Option<(usize, usize)> {
        self.mark.map(Mark::bytes)
    }
    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// The next step.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl From<&PolicyError> for Finding {
    fn from(error: &PolicyError) -> Self {
        Self {
            id: error.rule().as_str(),
            severity: Severity::Error,
            file: error.file().into(),
            place: error.place(),
            message: error.message().into(),
            remedy: error.help().map(Into::into),
            mark: error.mark(),
        }
    }
}

/// What a lint found.
struct Found {
    file: String,
    mark: Option<Mark>,
    message: String,
    remedy: String,
}

/// Everything a lint looks at.
struct Around<'a> {
    policy: &'a Policy,
    /// None when one can't be read: then nobody can say what is tested.
    cases: Option<&'a [Case]>,
    trees: &'a BTreeMap<&'a str, Node>,
    /// Every file, relative to `policies/`.
    paths: &'a [&'a str],
    /// The text of CODEOWNERS.
    owners: &'a str,
}

const CATALOG: &str = "catalog.yaml";
const TIERS: &str = "tiers.yaml";
const OWNERS: &str = "CODEOWNERS";
const PEOPLE: &str = "people.yaml";
const AGENTS: &str = "agents.yaml";

impl Around<'_> {
    /// The place of a value of a file, by JSON pointer.
    fn mark(&self, file: &str, pointer: &str) -> Option<Mark> {
        self.trees.get(file)?.mark_at(pointer)
    }
    /// The place of a key of a file's list, as of an action's name.
    fn name_mark(&self, file: &str, list: &str, name: &str) -> Option<Mark> {
        self.trees.get(file)?.key_mark_at(&format!("/{list}"), name)
    }
}

/// The pointer of a field of an action.
fn of_action(action: &Action, field: &str) -> String {
    format!("/actions/{}/{field}", escape_pointer(action.name().as_str()))
}

/// Where a person's entry names a team.
fn of_person_team(at: &Around<'_>, person: &super::Person, team: &TeamName) -> Option<Mark> {
    let index = person.teams().iter().position(|known| known == team)?;
    at.mark(PEOPLE, &format!("/people/{}/teams/{index}", person.name()))
}

/// Every tier that an action can have: the one of its class, and those that its conditions and limits raise it to.
fn tiers_of(at: &Around<'_>, action: &Action) -> BTreeSet<Tier> {
    let found = at
        .policy
        .classify(action.impact(), action.data(), action.rollback().kind());
    let raised = action.escalate().iter().map(Escalation::to);
    // What only waits of other agents raises and never refuses; counted by agent, there is none of others.
    let raises = |limit: &Limit| limit.over() == Over::High || !limit.by().contains(&CountedBy::Agent);
    let limited = action.limits().iter().any(raises).then_some(Tier::High);
    let least = if action.execute().dispatches() {
        found.tier.max(Tier::Medium)
    } else {
        found.tier
    };
    let tiers = raised.chain(limited).map(|tier| tier.max(least));
    tiers.chain([least]).collect()
}

/// Names as people read a list: "`a`, `b` and `c`".
fn listed(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.pop() {
        None => "nobody".into(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

/// Everything that is wrong with policy files: all that keeps them from compiling or, when nothing does, what their
/// author most likely did not mean.
pub fn lint(files: &[SourceFile]) -> Vec<Finding> {
    let policy = match compile(files) {
        Ok(policy) => policy,
        Err(errors) => return errors.iter().map(Finding::from).collect(),
    };
    let (cases, unreadable) = cases::read(files, &policy);
    let trees: BTreeMap<&str, Node> = files
        .iter()
        .filter(|file| file.path.ends_with(".yaml"))
        .filter_map(|file| Some((file.path.as_str(), read_tree(file).ok()?)))
        .collect();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let around = Around {
        paths: &paths,
        policy: &policy,
        cases: unreadable.is_empty().then_some(cases.as_slice()),
        trees: &trees,
        owners: files
            .iter()
            .find(|file| file.path == OWNERS)
            .map_or("", |file| &file.text),
    };
    let mut findings: Vec<Finding> = unreadable.iter().map(Finding::from).collect();
    for lint in REGISTRY {
        let found = (lint.look)(&around).into_iter();
        findings.extend(found.map(|found| Finding {
            id: lint.id,
            severity: lint.severity,
            file: found.file,
            place: found.mark.map(Mark::place),
            message: found.message,
            remedy: Some(found.remedy),
            mark: found.mark,
        }));
    }
    // Stable, so that findings of one place keep the registry's order.
    findings.sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
    findings
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop"
)]
mod tests;
