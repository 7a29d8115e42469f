//! `checks/`: how the built-in checks are set, and checks of the organisation's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Action, Policy,
    action::Party,
    error::{Errors, PolicyError, Rule},
    people::People,
    tiers::DataClass,
};
use crate::domain::{
    checks::{self, Asked, CheckResult, Declared, Level, Settings},
    ids::CheckName,
    matter::Matter,
    source::{Node, SourceFile, read_tree},
};

/// Where the files of checks stand, relative to `policies/`.
const FOLDER: &str = "checks/";

/// How a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// Part of the program.
    BuiltIn,
}

/// A check that the catalog may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    name: CheckName,
    summary: String,
    kind: CheckKind,
    level: Level,
    exception_approvers: Vec<Party>,
}

impl Check {
    /// The name.
    pub fn name(&self) -> &CheckName {
        &self.name
    }
    /// What it looks for, in a line.
    pub fn summary(&self) -> &str {
        &self.summary
    }
    /// How it is made.
    pub fn kind(&self) -> CheckKind {
        self.kind
    }
    /// The worst it may find.
    pub fn level(&self) -> Level {
        self.level
    }
    /// Who may let a proposal pass that it denies; nobody when empty.
    pub fn exception_approvers(&self) -> &[Party] {
        &self.exception_approvers
    }
}

/// Every check of a policy.
#[derive(Debug, Clone, Default)]
pub(super) struct Checks {
    settings: Settings,
    all: BTreeMap<CheckName, Check>,
}

impl Policy {
    /// Every check that the catalog may name, by name.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.all.values()
    }
    /// Who may let a proposal pass that a check denies; nobody when empty.
    pub fn exception_approvers(&self, check: &CheckName) -> &[Party] {
        let check = self.checks.all.get(check);
        check.map_or(&[], |check| check.exception_approvers())
    }
    /// Runs one check; a name without a check is an error, never a pass (INVARIANT i10).
    pub fn check(&self, name: &CheckName, matter: &Matter<'_>, action: &Action) -> CheckResult {
        checks::run(
            name,
            &Asked {
                matter,
                declared: Declared {
                    pii: action.data().contains(&DataClass::Pii),
                    financial: action.data().contains(&DataClass::Financial),
                },
                settings: &self.checks.settings,
            },
        )
    }
}

impl Checks {
    /// The names that the catalog may use.
    pub(super) fn names(&self) -> Vec<&str> {
        self.all.keys().map(CheckName::as_str).collect()
    }
}

/// The name of the check that a file is about, if it is in the folder of checks.
pub(super) fn check_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(FOLDER)?;
    name.strip_suffix(".yaml").filter(|name| !name.contains('/'))
}

/// Who may let a proposal pass.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawExceptions {
    approvers: Vec<String>,
}

/// Reads all files of checks, and says what is wrong with them.
pub(super) fn read(files: &[SourceFile], people: &People) -> (Checks, Vec<PolicyError>) {
    let mut found = Vec::new();
    let mut all = Checks::default();
    for built_in in checks::built_in() {
        if let Ok(name) = built_in.name.parse::<CheckName>() {
            let check = Check {
                name: name.clone(),
                summary: built_in.summary.into(),
                kind: CheckKind::BuiltIn,
                level: built_in.level,
                exception_approvers: Vec::new(),
            };
            all.all.insert(name, check);
        }
    }
    for file in files {
        let Some(name) = check_of(&file.path) else {
            continue;
        };
        let mut errors = Errors::of(&file.path);
        read_file(file, name, people, &mut all, &mut errors);
        found.extend(errors.into_list());
    }
    (all, found)
}

fn read_file(file: &SourceFile, name: &str, people: &People, all: &mut Checks, errors: &mut Errors) {
    let name: CheckName = match name.parse() {
        Ok(name) => name,
        Err(error) => {
            errors.add(Rule::UnknownFile, None, format!("the file's name is no check's: {error}"));
            return;
        }
    };
    let root = match read_tree(file) {
        Ok(root) => root,
        Err(error) => {
            errors.source(Rule::Syntax, &error);
            return;
        }
    };
    let _ = (name, root, people, all);
}

/// The people and teams of a list; names that nothing defines are errors.
fn approvers(raw: &RawExceptions, node: &Node, at: &str, people: &People, errors: &mut Errors) -> Vec<Party> {
    let mut parties = Vec::new();
    for (name, index) in raw.approvers.iter().zip(0..) {
        let person = name.parse().ok().filter(|name| people.get(name).is_some());
        let team = name.parse().ok().filter(|name| people.has_team(name));
        match person.map(Party::Person).or(team.map(Party::Team)) {
            Some(party) => parties.push(party),
            None if people.mentions(name) => {}
            None => {
                let known = people.teams().chain(people.names());
                let mark = node.mark_at(&format!("{at}/approvers/{index}"));
                errors.unknown(mark, "team or person", name, known);
            }
        }
    }
    if raw.approvers.is_empty() {
        let message = "`approvers` is empty; name who may let a proposal pass, or leave `exceptions` out";
        errors.add(Rule::Gates, node.mark_at(at), message);
    }
    parties
}
