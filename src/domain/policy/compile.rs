//! From the files under `policies/` to a policy, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Policy, agents,
    catalog::{self, Around},
    checks::{self, check_of},
    error::{Errors, PolicyError, Rule},
    owners, people, targets, tiers,
};
use crate::domain::{
    ids::Digest,
    source::{Node, SourceFile, nearest, read_tree},
};

const CATALOG: &str = "catalog.yaml";
const TIERS: &str = "tiers.yaml";
const OWNERS: &str = "CODEOWNERS";
const PEOPLE: &str = "people.yaml";
const AGENTS: &str = "agents.yaml";
const REQUIRED: &[&str] = &[CATALOG, TIERS, OWNERS, PEOPLE, AGENTS];

/// Reads all policy files together. Errors: all that were found, each with its place; a policy with any error is none
/// (INVARIANT i10).
pub fn compile(files: &[SourceFile]) -> Result<Policy, Vec<PolicyError>> {
    let mut found = names(files);
    let mut tree = |name: &str| {
        let file = files.iter().find(|file| file.path == name)?;
        read_tree(file)
            .map_err(|error| {
                let mut errors = Errors::of(name);
                errors.source(Rule::Syntax, &error);
                found.extend(errors.into_list());
            })
            .ok()
    };
    let tiers = tree(TIERS);
    let catalog = tree(CATALOG);
    let people = tree(PEOPLE);
    let agents = tree(AGENTS);
    let owners = files.iter().find(|file| file.path == OWNERS);

    let mut take = |name: &str, read: &mut dyn FnMut(&mut Errors)| {
        let mut errors = Errors::of(name);
        read(&mut errors);
        found.extend(errors.into_list());
    };
    let mut rules = None;
    if let Some(tiers) = &tiers {
        take(TIERS, &mut |errors| rules = tiers::read(tiers, errors));
    }
    // What others refer to comes first; without it, what refers to it can't be judged.
    let mut list = |name: &str, tree: Option<Node>, field: &str, others: &[&str]| {
        let tree = tree?;
        take(name, &mut |errors| errors.shape(&tree, &[field], others));
        tree.get(field).cloned()
    };
    let calendars = people.as_ref().and_then(|tree| tree.get("calendars")).cloned();
    let people = list(PEOPLE, people, "people", &["calendars"]);
    let agents = list(AGENTS, agents, "agents", &[]);
    let stated = catalog.as_ref().and_then(|tree| tree.get("targets")).cloned();
    let catalog = list(CATALOG, catalog, "actions", &["targets"]);
    let (Some(people), Some(agents), Some(catalog)) = (people, agents, catalog) else {
        return Err(sorted(found));
    };
    let mut everyone = people::People::default();
    take(PEOPLE, &mut |errors| {
        everyone = people::read(&people, calendars.as_ref(), errors)
    });
    let mut programs = agents::Agents::default();
    let actions_named = catalog::names(&catalog);
    take(AGENTS, &mut |errors| {
        programs = agents::read(&agents, &everyone, &actions_named, errors);
    });
    let agents_named = agents::names(&agents);
    let (checks, wrong_checks) = checks::read(files, &everyone);
    let checks_named = checks.names();
    let around = Around {
        people: &everyone,
        agents: &agents_named,
        checks: &checks_named,
    };
    let mut actions = BTreeMap::new();
    take(CATALOG, &mut |errors| {
        actions = catalog::read(&catalog, around, errors);
        checks.unset(&catalog, &actions, errors);
    });
    // Actions that could not be read are missing, so nothing can be said of what does not fit them.
    let complete = actions.len() == catalog.entries().len();
    let misfits = if complete {
        checks.misfits(&actions)
    } else {
        Vec::new()
    };
    let mut bounds = targets::Targets::default();
    if complete {
        take(CATALOG, &mut |errors| {
            bounds = targets::read(stated.as_ref(), actions.values(), errors)
        });
    }
    let mut owned = None;
    if let Some(file) = owners {
        take(OWNERS, &mut |errors| {
            owned = Some(owners::read(&file.text, &everyone, errors))
        });
    }
    found.extend(wrong_checks);
    found.extend(misfits);
    match (rules, owned) {
        (Some(rules), Some(owners)) if found.is_empty() => Ok(Policy {
            digest: policy_digest(files),
            sameness: Sameness::of(files, &catalog, tiers.as_ref()),
            actions,
            tiers: rules,
            owners,
            checks,
            people: everyone,
            agents: programs,
            targets: bounds,
        }),
        _ => Err(sorted(found)),
    }
}

/// What two policies are compared by, action by action. What has no digest is never the same.
#[derive(Debug, Clone)]
pub(super) struct Sameness {
    /// Of every file that bears on all actions.
    around: Digest,
    /// Of those that tiers and checks come from, and of the rules for tiers.
    assessing: (Digest, Option<Digest>),
    actions: BTreeMap<String, Option<Digest>>,
}

impl Sameness {
    fn of(files: &[SourceFile], catalog: &Node, tiers: Option<&Node>) -> Self {
        let digest = |bears: &dyn Fn(&str) -> bool| {
            let files: Vec<SourceFile> = files.iter().filter(|file| bears(&file.path)).cloned().collect();
            policy_digest(&files)
        };
        let of_node = |node: &Node| {
            let written = serde_json::to_vec(&node.to_value()).ok()?;
            Some(Digest::of(&written))
        };
        let entries = catalog.entries().iter();
        Self {
            around: digest(&|path| path != CATALOG && path != "README.md" && !path.starts_with("tests/")),
            assessing: (
                digest(&|path| path.starts_with("checks/")),
                tiers.and_then(|tiers| tiers.get("rules")).and_then(of_node),
            ),
            actions: entries
                .map(|(key, node)| (key.text().to_owned(), of_node(node)))
                .collect(),
        }
    }

    /// Whether an action has the same rules in both.
    pub(super) fn same(&self, other: &Self, action: &str) -> bool {
        self.around == other.around && self.same_entry(other, action)
    }

    /// Whether the same proposal of an action gets the same tier, reasons and check results in both.
    pub(super) fn same_assessment(&self, other: &Self, action: &str) -> bool {
        self.assessing.1.is_some() && self.assessing == other.assessing && self.same_entry(other, action)
    }

    fn same_entry(&self, other: &Self, action: &str) -> bool {
        match (self.actions.get(action), other.actions.get(action)) {
            (Some(Some(mine)), Some(Some(theirs))) => mine == theirs,
            (None, None) => true,
            (None | Some(_), None | Some(_)) => false,
        }
    }
}

fn sorted(mut found: Vec<PolicyError>) -> Vec<PolicyError> {
    found.sort_by(|a, b| (a.file(), a.place(), a.rule()).cmp(&(b.file(), b.place(), b.rule())));
    found
}

/// What is wrong with the names of the files alone.
fn names(files: &[SourceFile]) -> Vec<PolicyError> {
    let mut found = Vec::new();
    let given: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for name in REQUIRED.iter().filter(|name| !given.contains(**name)) {
        let message =
            "the file is missing; add it, `countersign init --policies-out DIR` makes a starter set";
        found.push(PolicyError::new(Rule::MissingFile, name, None, message));
    }
    let mut seen = BTreeSet::new();
    for file in files {
        let path = file.path.as_str();
        if !seen.insert(path) {
            let message = "the file was given twice";
            found.push(PolicyError::new(Rule::Duplicate, path, None, message));
        }
        let is_test = path.starts_with("tests/");
        if !REQUIRED.contains(&path) && path != "README.md" && !is_test && check_of(path).is_none() {
            let yaml = path.strip_suffix(".yml").map(|name| format!("{name}.yaml"));
            let near = nearest(path, REQUIRED.iter().copied()).map(str::to_owned);
            let help = yaml
                .or(near)
                .map(|near| format!("did you mean `{near}`?"))
                .unwrap_or_else(|| {
                    "cases go to `tests/*.yaml`, checks to `checks/*.yaml` and `checks/*.rego`".into()
                });
            let message = "no rule reads this file, so it would change nothing";
            found.push(PolicyError::new(Rule::UnknownFile, path, None, message).with_help(Some(help)));
        }
    }
    found
}

/// The digest of all files of `policies/`, whether or not they compile: of the list of paths with the digest of each
/// file's raw bytes, in the order of the paths.
pub fn policy_digest(files: &[SourceFile]) -> Digest {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Entry<'a> {
        path: &'a str,
        digest: Digest,
    }
    let mut list: Vec<Entry<'_>> = files
        .iter()
        .map(|file| Entry {
            path: &file.path,
            digest: Digest::of(file.text.as_bytes()),
        })
        .collect();
    list.sort();
    // A list of texts always has a canonical form; were it ever without, no recorded digest would equal this one.
    crate::domain::canonical::digest_of(&list).unwrap_or(Digest::from_bytes([0; 32]))
}
