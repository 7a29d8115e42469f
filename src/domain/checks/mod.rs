//! Automatic checks: one file a check, one flat registry.

pub mod brand;
pub mod consent;
mod findings;
mod fold;
pub mod pii;
mod reach;
pub mod rego;
pub mod secrets;
mod skeleton;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ids::CheckName, matter::Matter};
pub(in crate::domain) use findings::Findings;

/// What a built-in check looks at.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub matter: &'a Matter<'a>,
    /// What data the catalog says the action touches.
    pub declared: Declared,
    /// JSON pointers (RFC 6901) of the parameters that the catalog seals; no check looks at them.
    pub sealed: &'a [String],
    /// How the checks are set.
    pub settings: &'a Settings,
}

/// What data the catalog says an action touches, as far as checks care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Declared {
    /// Data about identifiable people.
    pub pii: bool,
    /// Money, accounts, invoices.
    pub financial: bool,
}

/// How the built-in checks are set; what a policy does not set is as strict as it can be.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What the organisation may say; the check can't run without.
    pub brand: Option<brand::Settings>,
    /// Whose consent is needed; the check can't run without.
    pub consent: Option<consent::Settings>,
    /// Personal data.
    pub pii: pii::Settings,
    /// Deceiving text.
    pub text: text::Settings,
}

/// Finds what is wrong with what is asked.
type Check = fn(&Asked<'_>) -> Vec<Problem>;

/// A check that is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// The name that catalogs use.
    pub name: &'static str,
    /// What it looks for, in a line.
    pub summary: &'static str,
    /// The worst it may find.
    pub level: Level,
    check: Check,
}

/// Every check that is part of the program.
const REGISTRY: &[BuiltIn] = &[
    BuiltIn {
        name: "brand",
        summary: "Wording, links, the way to unsubscribe, and the sender",
        level: Level::Deny,
        check: brand::check,
    },
    BuiltIn {
        name: "consent",
        summary: "People who are addressed and did not agree to it",
        level: Level::Deny,
        check: consent::check,
    },
    BuiltIn {
        name: "pii",
        summary: "Personal data that the action's `data` does not declare",
        level: Level::Deny,
        check: pii::check,
    },
    BuiltIn {
        name: "secrets",
        summary: "Tokens, keys and passwords in the payload",
        level: Level::Deny,
        check: secrets::check,
    },
    BuiltIn {
        name: "text",
        summary: "Text that does not show what it says, and look-alikes of known names",
        level: Level::Deny,
        check: text::check,
    },
];

/// The checks that are part of the program.
pub fn built_in() -> impl Iterator<Item = &'static BuiltIn> {
    REGISTRY.iter()
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// The check.
    pub check: CheckName,
    /// The worst of its findings.
    pub level: Level,
    /// What it found; empty when it passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing found.
    Pass,
    /// Shown to the approvers.
    Warn,
    /// Keeps the gate shut.
    Deny,
    /// The check could not run; keeps the gate shut. INVARIANT i10.
    Errored,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// Where: a JSON pointer (RFC 6901) into the proposal.
    pub at: String,
    /// What was found, in characters that are safe to show; never a personal value or a secret itself.
    pub found: String,
    /// What would satisfy the check; empty when nothing is to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl CheckResult {
    /// What a check found; its level is that of its worst finding.
    pub fn of(check: &CheckName, problems: Vec<Problem>) -> Self {
        let levels = problems.iter().map(|problem| problem.level);
        Self {
            check: check.clone(),
            level: levels.max().unwrap_or(Level::Pass),
            problems,
        }
    }
    /// A check that could not run, and why. INVARIANT i10.
    pub fn errored(check: &CheckName, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let problem = Problem {
            level: Level::Errored,
            at: String::new(),
            found: found.into(),
            remedy: remedy.into(),
        };
        Self::of(check, vec![problem])
    }
}

/// What a check without its settings finds. INVARIANT i10.
fn not_set(name: &str) -> Vec<Problem> {
    vec![Problem {
        level: Level::Errored,
        at: String::new(),
        found: format!("the check `{name}` is not set, so it can't run"),
        remedy: format!("add `checks/{name}.yaml` to the policy"),
    }]
}

/// Runs one check; a name without a check is an error, never a pass.
pub fn run(name: &CheckName, asked: &Asked<'_>) -> CheckResult {
    match REGISTRY.iter().find(|check| check.name == name.as_str()) {
        Some(built_in) => CheckResult::of(name, (built_in.check)(asked)),
        None => CheckResult::errored(
            name,
            format!("there is no check `{name}`"),
            "name a check that this version knows in the catalog",
        ),
    }
}
