//! How the bot acts by having a workflow run on GitHub's runners: declared in the catalog, never by an agent. INVARIANT
//! i23.
//!
//! What an agent proposes reaches the workflow as the text of its inputs and nowhere else: which workflow of which branch
//! runs, and behind which environment, are literals.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    body::{BodyError, BodyTemplate, Filling},
    param::ParamPath,
};
use crate::domain::{
    ids::{BranchName, RepoName, Span},
    source::{Fault, Kind, Node, is_visible},
};

/// The most inputs that GitHub takes for one run.
pub const MAX_INPUTS: usize = 25;
/// The most characters that GitHub takes for all inputs of one run, their names and JSON's own included.
pub const MAX_INPUT_CHARS: usize = 65_535;
/// How long a run may take unless the catalog says otherwise.
const WITHIN: Span = Span::seconds(30 * 60);
/// The longest that a run may take: as long as a job of a hosted runner.
const MOST: Span = Span::seconds(6 * 3600);

/// How the bot acts by having a workflow run.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowExecute {
    repository: Option<RepoName>,
    workflow: String,
    branch: BranchName,
    inputs: Option<BodyTemplate>,
    nonce: Option<String>,
    environment: String,
    within: Span,
}

/// Why the inputs of a workflow can't be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A parameter is missing.
    #[error(transparent)]
    Missing(#[from] BodyError),
    /// A value that has no one text.
    #[error("input `{0}` takes text, a number, `true` or `false`; give it another parameter")]
    NotText(String),
    /// More than GitHub takes.
    #[error("the inputs are {0} characters long; GitHub takes {MAX_INPUT_CHARS} for all of them")]
    TooLong(usize),
}

impl WorkflowExecute {
    /// The repository that holds the workflow; the bot's own without one.
    pub fn repository(&self) -> Option<&RepoName> {
        self.repository.as_ref()
    }
    /// The workflow's file, below `.github/workflows/`.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }
    /// The branch whose workflow runs.
    pub fn branch(&self) -> &BranchName {
        &self.branch
    }
    /// The environment whose protection rule is the bot.
    pub fn environment(&self) -> &str {
        &self.environment
    }
    /// How long the run may take, from being asked for to its end.
    pub fn within(&self) -> Span {
        self.within
    }
    /// The input that the run's name shows, so that a run whose answer got lost is found again. INVARIANT i21.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }
    /// The parameters put into the inputs.
    pub(super) fn params(&self) -> Vec<&ParamPath> {
        self.inputs.as_ref().map(BodyTemplate::params).unwrap_or_default()
    }

    /// The inputs for these values; `own` is the call's name, which the nonce carries. Errors: a missing parameter, a
    /// value that is no text, more than GitHub takes.
    pub fn fill(&self, with: Filling<'_>, own: &str) -> Result<BTreeMap<String, String>, InputError> {
        let filled = self.inputs.as_ref().map(|inputs| inputs.fill(with)).transpose()?;
        let mut inputs = BTreeMap::new();
        for (name, value) in filled.as_ref().and_then(Value::as_object).into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(InputError::NotText(name.clone()));
                }
            };
            inputs.insert(name.clone(), text);
        }
        if let Some(nonce) = &self.nonce {
            inputs.insert(nonce.clone(), own.to_owned());
        }
        let written = Value::from_iter(inputs.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let long = written.to_string().chars().count();
        if long > MAX_INPUT_CHARS {
            return Err(InputError::TooLong(long));
        }
        Ok(inputs)
    }

    /// Reads what stands under `actions`.
    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let raw: RawWorkflow = node.decode().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let mut add = |at: &str, message: String| faults.push(Fault::new(node.mark_at(at), message));
        if !is_file(&raw.workflow) {
            let shown = shown(&raw.workflow);
            add(
                "/workflow",
                format!(
                    "`{shown}` is not a workflow's file; write its name below `.github/workflows/`, as in `deploy.yml`"
                ),
            );
        }
        if raw.branch.as_str().contains("${") || raw.branch.as_str().contains("{{") {
            let message = "`ref` is literal: what an agent proposes can't choose it";
            add("/ref", message.to_owned());
        }
        if !is_environment(&raw.environment) {
            let shown = shown(&raw.environment);
            add(
                "/environment",
                format!(
                    "`{shown}` is not an environment's name; write it as its page shows it, without places to fill"
                ),
            );
        }
        let within = raw.within.unwrap_or(WITHIN);
        let least = Span::seconds(60);
        if within < least || within > MOST {
            add(
                "/within",
                format!("`within` is `{within}`; between {least} and {MOST}"),
            );
        }
        if let Some(nonce) = raw.nonce.as_deref().filter(|nonce| !is_input(nonce)) {
            add("/nonce", no_input(nonce));
        }
        let inputs = match node
            .get("inputs")
            .map(|inputs| read_inputs(inputs, raw.nonce.as_deref()))
        {
            None => None,
            Some(Ok(inputs)) => Some(inputs),
            Some(Err(wrong)) => {
                faults.extend(wrong);
                None
            }
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            repository: raw.repository,
            workflow: raw.workflow,
            branch: raw.branch,
            inputs,
            nonce: raw.nonce,
            environment: raw.environment,
            within,
        })
    }
}

/// The workflow that carries an action out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorkflow {
    /// The repository that holds the workflow, as `owner/name`; the bot's own unless stated.
    repository: Option<RepoName>,
    /// The workflow's file below `.github/workflows/`, as in `deploy.yml`.
    workflow: String,
    /// The branch whose workflow runs.
    #[serde(rename = "ref")]
    branch: BranchName,
    /// Its inputs by name, 25 at most: texts, numbers, `true` and `false`; a value that is exactly `${params.x}` is replaced.
    #[serde(rename = "inputs")]
    #[schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>")]
    _inputs: Option<IgnoredAny>,
    /// The environment that its jobs name, and whose deployment protection rule is the bot.
    environment: String,
    /// How long the run may take; 30m unless stated, 6h at most.
    within: Option<Span>,
    /// The input that the workflow's `run-name` shows, and nothing else: then a run whose answer got lost is found again.
    nonce: Option<String>,
}

fn read_inputs(node: &Node, nonce: Option<&str>) -> Result<BodyTemplate, Vec<Fault>> {
    let Kind::Map(entries) = node.kind() else {
        let message =
            "`inputs` is a mapping from names to values, as in `{ version: \"${params.version}\" }`";
        return Err(vec![Fault::new(node.mark(), message)]);
    };
    let mut faults = Vec::new();
    if entries.len() + usize::from(nonce.is_some()) > MAX_INPUTS {
        let message = format!("a workflow takes {MAX_INPUTS} inputs at most, the nonce included");
        faults.push(Fault::new(node.mark(), message));
    }
    let mut names = BTreeSet::new();
    for (key, value) in entries {
        let name = key.text();
        if !is_input(name) {
            faults.push(Fault::new(key.mark(), no_input(name)));
        } else if nonce == Some(name) {
            let message = format!("`{name}` is the nonce, which the bot fills; remove it here");
            faults.push(Fault::new(key.mark(), message));
        }
        // GitHub takes names in any case.
        if !names.insert(name.to_ascii_lowercase()) {
            faults.push(Fault::new(
                key.mark(),
                format!("the input `{name}` appears twice"),
            ));
        }
        match value.kind() {
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                let message =
                    format!("input `{name}` takes text, a number, `true`, `false` or `${{params.x}}`");
                faults.push(Fault::new(value.mark().or(key.mark()), message));
            }
        }
    }
    match BodyTemplate::read(node) {
        Ok(inputs) if faults.is_empty() => Ok(inputs),
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

fn is_file(name: &str) -> bool {
    let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= 200
        && stem.is_some_and(|stem| !stem.is_empty())
        && name.chars().all(plain)
        && !name.starts_with('.')
}

/// As GitHub takes the name of an input.
fn is_input(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && name.len() <= 100 && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn is_environment(name: &str) -> bool {
    let good = |c: char| is_visible(c) && !matches!(c, '\'' | '"' | '`' | ',' | ';' | '\\');
    !name.is_empty()
        && name.len() <= 255
        && name.trim() == name
        && name.chars().all(good)
        && !name.contains("${")
        && !name.contains("{{")
}

fn no_input(name: &str) -> String {
    let shown = shown(name);
    format!("`{shown}` is not the name of an input: a letter or `_`, then letters, digits, `-` and `_`")
}

fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
