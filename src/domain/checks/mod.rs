//! Automatic checks: one file a check, one flat registry.

pub mod text;

use serde::{Deserialize, Serialize};

use super::{ids::CheckName, matter::Matter};

/// Finds what is wrong with what is asked.
type Check = fn(&Matter<'_>) -> Vec<Problem>;

/// Every check by its name.
const REGISTRY: &[(&str, Check)] = &[("text", text::check)];

/// The names that a catalog may use.
pub fn known() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name)
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// What was found, in characters that are safe to show.
    pub found: String,
    /// What would satisfy the check.
    pub remedy: String,
}

/// Runs one check; a name without a check is an error, never a pass.
pub fn run(name: &CheckName, matter: &Matter<'_>) -> CheckResult {
    let Some((_, check)) = REGISTRY.iter().find(|(known, _)| *known == name.as_str()) else {
        let problem = Problem {
            level: Level::Errored,
            at: String::new(),
            found: format!("there is no check `{name}`"),
            remedy: "name a check that this version knows in the catalog".into(),
        };
        return CheckResult {
            check: name.clone(),
            level: Level::Errored,
            problems: vec![problem],
        };
    };
    let problems = check(matter);
    let level = problems
        .iter()
        .map(|problem| problem.level)
        .max()
        .unwrap_or(Level::Pass);
    CheckResult {
        check: name.clone(),
        level,
        problems,
    }
}
