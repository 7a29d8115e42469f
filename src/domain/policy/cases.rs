//! `tests/*.yaml`: proposals and reviews with the outcome that the rules must give them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Policy,
    error::{Errors, PolicyError, Rule},
    tiers::Tier,
};
use crate::domain::{
    checks::Level,
    ids::{ActionName, AgentName, CheckName, PersonName, Timestamp},
    proposal::{Affected, ExceptionAsked},
    source::{Mark, Node, SourceFile, read_tree},
    totals::SoFar,
    verdict::Verdict,
};

/// The folder of the cases within `policies/`.
pub(super) const FOLDER: &str = "tests/";

/// One case: what is asked, what people said, and what must come out.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The file, relative to `policies/`.
    pub file: String,
    /// Where the case begins.
    pub mark: Option<Mark>,
    /// What it shows, in a sentence.
    pub name: String,
    /// What an agent asks.
    pub propose: Proposed,
    /// What people say to it, in this order.
    pub reviews: Vec<Said>,
    /// What its limits counted before it, by the limit's name.
    pub counted: BTreeMap<String, SoFar>,
    /// Who stands in for whom.
    pub delegations: Vec<Delegation>,
    /// Departures from checks that people granted.
    pub granted: Vec<Granted>,
    /// Items that approvers took out, counted from 1.
    pub excluded: Vec<usize>,
    /// When the gate is looked at; after the last review unless stated.
    pub judged_at: Option<Timestamp>,
    /// What must come out.
    pub expect: Expected,
}

/// When a case is proposed that does not say when: a Monday morning, 2026-03-02T09:00:00Z.
const WHEN: i64 = 1_772_442_000_000;

impl Proposed {
    /// When it is proposed.
    pub fn moment(&self) -> Timestamp {
        self.at.unwrap_or_else(|| Timestamp::from_millis(WHEN))
    }
}

/// What an agent asks.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// An action of `catalog.yaml`.
    pub action: ActionName,
    /// An agent of `agents.yaml`.
    pub agent: AgentName,
    /// The parameters of a proposal with one item.
    #[serde(default)]
    pub params: Option<Value>,
    /// What the bot read for that one item.
    #[serde(default)]
    pub observed: Option<Given>,
    /// The items of a proposal with several.
    #[serde(default)]
    pub items: Vec<GivenItem>,
    /// What only the agent says.
    #[serde(default)]
    pub claimed: Map<String, Value>,
    /// Why the agent asks.
    #[serde(default)]
    pub justification: Option<String>,
    /// Departures from checks that the agent asks for.
    #[serde(default)]
    pub exceptions: Vec<ExceptionAsked>,
    /// When it asks.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// One item of several.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenItem {
    /// Its parameters.
    pub params: Value,
    /// What the bot read for it.
    #[serde(default)]
    pub observed: Option<Given>,
}

/// What the bot read for an item.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The state now.
    #[serde(default)]
    pub before: Value,
    /// The state the target says it would have.
    #[serde(default)]
    pub after: Option<Value>,
    /// Whom and what it touches.
    #[serde(default)]
    pub affected: Affected,
}

/// A review by a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// A person of `people.yaml`.
    pub by: PersonName,
    /// What they say.
    pub says: Says,
    /// When; at the proposal's own time unless stated.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Approves.
    Approve,
    /// Asks for changes.
    RequestChanges,
}

/// An owner's word that somebody stands in for them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Who is away.
    pub owner: PersonName,
    /// Who stands in.
    pub stand_in: PersonName,
    /// Since when; from the proposal's own time unless stated.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when; 30 days, the longest that one lasts, unless stated.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// For these actions only; for all when none is named.
    #[serde(default)]
    pub actions: Vec<ActionName>,
}

/// A person's word that a failed check is departed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The check.
    pub check: CheckName,
    /// A person of `people.yaml`.
    pub by: PersonName,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What must come out; what is not stated is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The tier.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// The gate.
    #[serde(default)]
    pub gate: Option<Verdict>,
    /// The level of some checks, by name.
    #[serde(default)]
    pub checks: BTreeMap<CheckName, Level>,
    /// Exactly whose approvals count.
    #[serde(default)]
    pub approvers: Option<BTreeSet<PersonName>>,
    /// Exactly who could still give the approvals that are missing.
    #[serde(default)]
    pub missing: Option<BTreeSet<PersonName>>,
    /// Words of the answer to parameters that can't be proposed.
    #[serde(default)]
    pub refused: Option<String>,
}

impl Expected {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Cases that `countersign policy test` runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    /// The cases; each name stands once in all files.
    cases: Vec<RawCase>,
}

/// A proposal and reviews, and what must come out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCase {
    /// What the case shows, in a sentence.
    name: String,
    /// What an agent asks.
    propose: Proposed,
    /// What people say to it, in this order.
    #[serde(default)]
    reviews: Vec<Said>,
    /// What its limits counted before it, by the limit's name.
    #[serde(default)]
    counted: BTreeMap<String, SoFar>,
    /// Who stands in for whom.
    #[serde(default)]
    delegations: Vec<Delegation>,
    /// Departures from checks that people granted, as with `/exception`.
    #[serde(default)]
    granted: Vec<Granted>,
    /// Items that approvers took out, counted from 1, as with `/exclude`.
    #[serde(default)]
    excluded: Vec<usize>,
    /// When the gate is looked at; after the last review unless stated.
    judged_at: Option<Timestamp>,
    /// What must come out; what is not stated is not looked at.
    expect: Expected,
}

/// Reads every file of cases. A file that can't be read keeps its cases from running and nothing from opening: cases
/// are no rules.
pub fn read(files: &[SourceFile], policy: &Policy) -> (Vec<Case>, Vec<PolicyError>) {
    let (mut cases, mut found) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.path.starts_with(FOLDER)) {
        let mut errors = Errors::of(&file.path);
        match read_tree(file) {
            Ok(tree) => cases.extend(read_file(&file.path, &tree, policy, &mut names, &mut errors)),
            Err(error) => errors.source(Rule::Syntax, &error),
        }
        found.extend(errors.into_list());
    }
    (cases, found)
}

fn read_file(
    file: &str,
    tree: &Node,
    policy: &Policy,
    names: &mut BTreeSet<String>,
    errors: &mut Errors,
) -> Vec<Case> {
    let raw: RawFile = match tree.decode() {
        Ok(raw) => raw,
        Err(fault) => {
            errors.fault(Rule::Syntax, fault);
            return Vec::new();
        }
    };
    let nodes = tree.get("cases").map(Node::items).unwrap_or_default();
    let mut cases = Vec::new();
    for (raw, node) in raw.cases.into_iter().zip(nodes) {
        let before = errors.len();
        check(&raw, node, policy, errors);
        if !names.insert(raw.name.clone()) {
            let message = format!(
                "another case is named `{}`; a name says what only this one shows",
                raw.name
            );
            errors.add(Rule::Duplicate, node.mark_at("/name"), message);
        }
        if errors.len() == before {
            cases.push(Case {
                file: file.into(),
                mark: node.mark(),
                name: raw.name,
                propose: raw.propose,
                reviews: raw.reviews,
                counted: raw.counted,
                delegations: raw.delegations,
                granted: raw.granted,
                excluded: raw.excluded,
                judged_at: raw.judged_at,
                expect: raw.expect,
            });
        }
    }
    cases
}

/// What can't be right whatever the rules say.
fn check(raw: &RawCase, node: &Node, policy: &Policy, errors: &mut Errors) {
    let asked = &raw.propose;
    if raw.name.trim().is_empty() || raw.name.len() > 200 || raw.name.chars().any(char::is_control) {
        let message = "`name` must be one line of 1 to 200 characters";
        errors.add(Rule::Syntax, node.mark_at("/name"), message);
    }
    if policy.action(&asked.action).is_none() {
        let known = policy.actions().map(|action| action.name().as_str());
        errors.unknown(
            node.mark_at("/propose/action"),
            "action",
            asked.action.as_str(),
            known,
        );
    }
    if policy.agent(&asked.agent).is_none() {
        let known = policy.agents().map(|agent| agent.name().as_str());
        errors.unknown(
            node.mark_at("/propose/agent"),
            "agent",
            asked.agent.as_str(),
            known,
        );
    }
    let whole = match (&asked.params, asked.items.is_empty()) {
        (Some(_), true) | (None, false) => true,
        (Some(_), false) | (None, true) => false,
    };
    if !whole {
        let message = "give either `params` (one item) or `items` (several)";
        errors.add(Rule::Syntax, node.mark_at("/propose"), message);
    }
    if asked.observed.is_some() && !asked.items.is_empty() {
        let message = "with `items`, each item has its own `observed`";
        errors.add(Rule::Syntax, node.mark_at("/propose/observed"), message);
    }
    let reviewers = raw.reviews.iter().map(|said| ("reviews", &said.by));
    let granters = raw.granted.iter().map(|granted| ("granted", &granted.by));
    for ((list, by), at) in reviewers.zip(0..).chain(granters.zip(0..)) {
        known_person(by, node.mark_at(&format!("/{list}/{at}/by")), policy, errors);
    }
    for (said, at) in raw.delegations.iter().zip(0..) {
        delegated(said, (node, at), policy, errors);
    }
    excluded(raw, node, errors);
    let lists = [
        ("missing", &raw.expect.missing),
        ("approvers", &raw.expect.approvers),
    ];
    for (field, names) in lists {
        let node = node.at(&format!("/expect/{field}"));
        for name in names.iter().flatten() {
            let written = node.and_then(|list| list.mark_at(&list.find_text(name.as_str())?));
            known_person(name, written, policy, errors);
        }
    }
    if let Some(action) = policy.action(&asked.action) {
        // Limits hold whether or not the action lists the check.
        let limits = (!action.limits().is_empty()).then_some(super::LIMITS);
        let listed = || action.checks().iter().map(CheckName::as_str).chain(limits);
        let expected = raw.expect.checks.keys().map(|check| {
            let all = node.at("/expect/checks");
            (check, all.and_then(|all| all.key_mark(check.as_str())))
        });
        let granted = raw.granted.iter().zip(0..);
        let granted = granted.map(|(one, at)| (&one.check, node.mark_at(&format!("/granted/{at}/check"))));
        let exceptions = asked.exceptions.iter().zip(0..).map(|(one, at)| {
            let mark = node.mark_at(&format!("/propose/exceptions/{at}/check"));
            (&one.check, mark)
        });
        for (check, mark) in expected.chain(granted).chain(exceptions) {
            if !listed().any(|known| known == check.as_str()) {
                let what = format!("check of `{}`", asked.action);
                errors.unknown(mark, &what, check.as_str(), listed());
            }
        }
        let names = || action.limits().iter().map(|limit| limit.name());
        for (name, so_far) in &raw.counted {
            let mark = node.key_mark_at("/counted", name);
            if !names().any(|known| known == name) {
                errors.unknown(mark, &format!("limit of `{}`", asked.action), name, names());
            } else if so_far.ran.min(so_far.own).min(so_far.others) < 0 {
                let message = format!("`{name}` counts from 0; write what it held as a whole number");
                errors.add(Rule::Syntax, mark, message);
            }
        }
    }
    if raw.expect.is_empty() {
        let message = "nothing is expected, so the case can't fail; state `tier`, `gate`, `checks`, `approvers`, `missing` or `refused`";
        errors.add(Rule::Syntax, node.mark_at("/expect"), message);
    }
}

/// Names in a delegation that nobody knows.
fn delegated(said: &Delegation, (case, at): (&Node, usize), policy: &Policy, errors: &mut Errors) {
    let mark = |field: &str| case.mark_at(&format!("/delegations/{at}{field}"));
    known_person(&said.owner, mark("/owner"), policy, errors);
    known_person(&said.stand_in, mark("/stand_in"), policy, errors);
    for (name, index) in said.actions.iter().zip(0..) {
        if policy.action(name).is_none() {
            let known = policy.actions().map(|action| action.name().as_str());
            errors.unknown(mark(&format!("/actions/{index}")), "action", name.as_str(), known);
        }
    }
}

/// Items that can't be taken out.
fn excluded(raw: &RawCase, node: &Node, errors: &mut Errors) {
    let items = raw.propose.items.len().max(1);
    let mut seen = BTreeSet::new();
    for (item, at) in raw.excluded.iter().zip(0..) {
        let mark = node.mark_at(&format!("/excluded/{at}"));
        if !(1..=items).contains(item) {
            let message = format!("there is no item {item}; name one of 1 to {items}");
            errors.add(Rule::Syntax, mark, message);
        } else if !seen.insert(item) {
            errors.add(Rule::Duplicate, mark, format!("item {item} appears twice"));
        }
    }
    if seen.len() == items {
        let message = "`excluded` names every item; leave one in";
        errors.add(Rule::Syntax, node.mark_at("/excluded"), message);
    }
}

fn known_person(name: &PersonName, mark: Option<Mark>, policy: &Policy, errors: &mut Errors) {
    if policy.person(name).is_none() {
        let known = policy.people().map(|person| person.name().as_str());
        errors.unknown(mark, "person", name.as_str(), known);
    }
}
