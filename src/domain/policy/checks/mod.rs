//! `checks/`: how the built-in checks are set, and checks of the organisation's own.

mod module;
mod own;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Action, Policy,
    action::Party,
    error::{Errors, PolicyError, Rule},
    expression::Expression,
    limits::LIMITS,
    param::ParamPath,
    people::People,
    tiers::DataClass,
};
use crate::domain::{
    checks::{
        self, Asked, CheckResult, Declared, Level, Settings,
        rego::{Idle, Module},
    },
    ids::{ActionName, CheckName},
    matter::Matter,
    source::{Mark, Node, SourceFile, read_tree},
};
use own::Own;
pub(super) use own::RawOwn;
pub(super) use settings::{RawBrand, RawConsent, RawPii, RawText};

/// Where the files of checks stand, relative to `policies/`.
const FOLDER: &str = "checks/";

/// How a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// Part of the program.
    BuiltIn,
    /// A condition of the organisation's own.
    Cel,
    /// A Rego module of the organisation's own.
    Rego,
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
    /// The worst it may find, apart from an error.
    pub fn level(&self) -> Level {
        self.level
    }
    /// Who may let a proposal pass that it denies; nobody when empty.
    pub fn exception_approvers(&self) -> &[Party] {
        &self.exception_approvers
    }
}

/// A check of the organisation's own.
#[derive(Debug, Clone)]
enum Custom {
    Cel(Box<Own>),
    Rego(Module),
}

/// Every check of a policy.
#[derive(Debug, Clone, Default)]
pub(super) struct Checks {
    settings: Settings,
    all: BTreeMap<CheckName, Check>,
    custom: BTreeMap<CheckName, Custom>,
    /// The built-in checks whose file can't be read.
    unread: BTreeSet<String>,
    /// The parameters that files of checks name.
    mentions: Vec<Mention>,
}

/// A parameter that a file of a check names.
#[derive(Debug, Clone)]
struct Mention {
    file: String,
    mark: Option<Mark>,
    param: ParamPath,
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
    /// Every check that is a condition of the organisation's own: its file, the condition under which it applies, the one
    /// that must hold, and the actions that name it.
    pub(super) fn own_checks(
        &self,
    ) -> impl Iterator<Item = (String, Option<&Expression>, &Expression, Vec<&Action>)> {
        let own = self
            .checks
            .custom
            .iter()
            .filter_map(|(name, custom)| match custom {
                Custom::Cel(own) => Some((name, own)),
                Custom::Rego(_) => None,
            });
        own.map(|(name, own)| {
            let actions = self.actions().filter(|action| action.checks().contains(name));
            let (when, expression) = own.conditions();
            (
                format!("{FOLDER}{name}.yaml"),
                when,
                expression,
                actions.collect(),
            )
        })
    }
    /// The rules of Rego modules that give no findings and that nothing reads, each with its file.
    pub(super) fn idle_rules(&self) -> impl Iterator<Item = (String, &Idle)> {
        let modules = self
            .checks
            .custom
            .iter()
            .filter_map(|(name, custom)| match custom {
                Custom::Rego(module) => Some((name, module)),
                Custom::Cel(_) => None,
            });
        modules.flat_map(|(name, module)| {
            let file = format!("{FOLDER}{name}.rego");
            module.idle().iter().map(move |idle| (file.clone(), idle))
        })
    }
    /// Runs one check; a name without a check is an error, never a pass (INVARIANT i10). `totals` are the running totals
    /// of the action's limits, by name. The check that shows limits is the assessment's own.
    pub fn check(
        &self,
        name: &CheckName,
        matter: &Matter<'_>,
        totals: &[(&str, i64)],
        action: &Action,
    ) -> CheckResult {
        match self.checks.custom.get(name) {
            Some(Custom::Cel(own)) => own.run(name, matter, totals),
            Some(Custom::Rego(module)) => CheckResult::of(name, module.run(matter)),
            None => {
                let sealed: Vec<String> = action.sensitive().iter().map(ParamPath::pointer).collect();
                let declared = Declared {
                    pii: action.data().contains(&DataClass::Pii),
                    financial: action.data().contains(&DataClass::Financial),
                };
                let asked = Asked {
                    matter,
                    declared,
                    sealed: &sealed,
                    settings: &self.checks.settings,
                };
                checks::run(name, &asked)
            }
        }
    }
}

impl Checks {
    /// The names that the catalog may use, apart from that of limits, which it knows itself.
    pub(super) fn names(&self) -> Vec<&str> {
        let names = self.all.keys().map(CheckName::as_str);
        names.filter(|name| *name != LIMITS).collect()
    }

    /// Whether a check could run at all; one whose file has errors has those.
    fn is_set(&self, name: &str) -> bool {
        match name {
            _ if self.unread.contains(name) => true,
            "brand" => self.settings.brand.is_some(),
            "consent" => self.settings.consent.is_some(),
            _ => true,
        }
    }

    /// Actions that name a check which can't run without its file.
    pub(super) fn unset(&self, catalog: &Node, actions: &BTreeMap<ActionName, Action>, errors: &mut Errors) {
        for action in actions.values() {
            for (name, index) in action.checks().iter().zip(0..) {
                if !self.is_set(name.as_str()) {
                    let mark = catalog
                        .get(action.name().as_str())
                        .and_then(|node| node.mark_at(&format!("/checks/{index}")));
                    let message = format!(
                        "the check `{name}` can't run without its settings; add `checks/{name}.yaml`"
                    );
                    errors.add(Rule::MissingFile, mark, message);
                }
            }
        }
    }

    /// Parameters that files of checks name and no action has, and conditions that do not fit an action.
    pub(super) fn misfits(&self, actions: &BTreeMap<ActionName, Action>) -> Vec<PolicyError> {
        let mut found = Vec::new();
        for mention in &self.mentions {
            if !actions
                .values()
                .any(|action| action.params.find(&mention.param).is_some())
            {
                let mut errors = Errors::of(&mention.file);
                let mut known: Vec<String> = actions
                    .values()
                    .flat_map(|action| action.params.paths())
                    .collect();
                known.sort();
                known.dedup();
                let known = known.iter().map(String::as_str);
                errors.unknown(
                    mention.mark,
                    "parameter of any action",
                    &mention.param.dotted(),
                    known,
                );
                found.extend(errors.into_list());
            }
        }
        for (name, custom) in &self.custom {
            let Custom::Cel(own) = custom else {
                continue;
            };
            let mut errors = Errors::of(&format!("{FOLDER}{name}.yaml"));
            for action in actions.values().filter(|action| action.checks().contains(name)) {
                own.fits(action, &mut errors);
            }
            found.extend(errors.into_list());
        }
        found
    }

    /// A check whose file has errors: that the catalog names it is no second one.
    fn unread(&mut self, name: CheckName, kind: CheckKind) {
        let check = Check {
            name,
            summary: String::new(),
            kind,
            level: Level::Deny,
            exception_approvers: Vec::new(),
        };
        self.add(check, None);
    }

    fn add(&mut self, check: Check, custom: Option<Custom>) {
        if let Some(custom) = custom {
            self.custom.insert(check.name.clone(), custom);
        }
        self.all.insert(check.name.clone(), check);
    }
}

/// The name of the check that a file is about, if it is in the folder of checks.
pub(super) fn check_of(path: &str) -> Option<&str> {
    let file = path.strip_prefix(FOLDER)?;
    let name = file
        .strip_suffix(".yaml")
        .or_else(|| file.strip_suffix(".rego"))?;
    (!name.contains('/')).then_some(name)
}

/// Who may let a proposal pass.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExceptions {
    /// People and teams of people.yaml.
    approvers: Vec<String>,
}

/// One file as it is read.
struct Reading<'a> {
    file: &'a str,
    root: &'a Node,
    settings: &'a mut Settings,
    mentions: &'a mut Vec<Mention>,
}

impl Reading<'_> {
    /// Remembers parameters that some action must have.
    fn params(&mut self, params: &[ParamPath], at: &str) {
        for (param, index) in params.iter().zip(0..) {
            let mark = self
                .root
                .at(&format!("{at}/{index}"))
                .map_or_else(|| self.root.mark_at(at), Node::mark);
            self.mentions.push(Mention {
                file: self.file.into(),
                mark,
                param: param.clone(),
            });
        }
    }
}

/// Reads all files of checks, and says what is wrong with them.
pub(super) fn read(files: &[SourceFile], people: &People) -> (Checks, Vec<PolicyError>) {
    let mut found = Vec::new();
    let mut all = Checks::default();
    let of_limits = (LIMITS, "How each limit stands", Level::Deny);
    let others = checks::built_in().map(|check| (check.name, check.summary, check.level));
    for (name, summary, level) in others.chain([of_limits]) {
        if let Ok(name) = name.parse::<CheckName>() {
            let check = Check {
                name,
                summary: summary.into(),
                kind: CheckKind::BuiltIn,
                level,
                exception_approvers: Vec::new(),
            };
            all.add(check, None);
        }
    }
    for file in files {
        let Some(name) = check_of(&file.path) else {
            continue;
        };
        let mut errors = Errors::of(&file.path);
        match name.parse::<CheckName>() {
            Ok(name) => read_file(file, name, people, &mut all, &mut errors),
            Err(error) => {
                let message = format!("the file's name is not one of a check: {error}");
                errors.add(Rule::UnknownFile, None, message);
            }
        }
        found.extend(errors.into_list());
    }
    (all, found)
}

fn read_file(file: &SourceFile, name: CheckName, people: &People, all: &mut Checks, errors: &mut Errors) {
    let known = all.all.get(&name).map(Check::kind);
    let is_module = file.path.ends_with(".rego");
    let custom = matches!(known, Some(CheckKind::Cel | CheckKind::Rego));
    if custom || is_module && known.is_some() {
        let message = format!("there is another check `{name}`; give this one another name");
        errors.add(Rule::Duplicate, None, message);
        return;
    }
    if is_module {
        match module::read(file, name.clone(), people, errors) {
            Some((check, module)) => all.add(check, Some(Custom::Rego(module))),
            None => all.unread(name, CheckKind::Rego),
        }
        return;
    }
    let root = match read_tree(file) {
        Ok(root) => root,
        Err(error) => {
            errors.source(Rule::Syntax, &error);
            all.unread.insert(name.as_str().to_owned());
            return;
        }
    };
    if known.is_some() {
        let before = errors.len();
        let mut reading = Reading {
            file: &file.path,
            root: &root,
            settings: &mut all.settings,
            mentions: &mut all.mentions,
        };
        let exceptions = settings::read(name.as_str(), &mut reading, errors);
        if errors.len() > before {
            all.unread.insert(name.as_str().to_owned());
        }
        let approvers = exceptions.map(|raw| approvers(&raw, &root, "/exceptions", people, errors));
        if let (Some(check), Some(approvers)) = (all.all.get_mut(&name), approvers) {
            check.exception_approvers = approvers;
        }
        return;
    }
    if let Some(read) = Own::read(&root, errors) {
        let exceptions = read.exceptions.as_ref();
        let check = Check {
            name,
            summary: read.summary,
            kind: CheckKind::Cel,
            level: read.own.level(),
            exception_approvers: exceptions
                .map(|raw| approvers(raw, &root, "/exceptions", people, errors))
                .unwrap_or_default(),
        };
        all.add(check, Some(Custom::Cel(Box::new(read.own))));
    } else {
        all.unread(name, CheckKind::Cel);
    }
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
