//! Workflows as their files tell, environments with protection rules, and runs.
use std::collections::BTreeMap;

use jiff::Timestamp;

/// What the sandbox understands of a workflow's file: a line each of what it needs, and no more of YAML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Workflow {
    pub(crate) name: Option<String>,
    pub(crate) run_name: Option<String>,
    /// Whether it is run by hand or by the API.
    pub(crate) dispatched: bool,
    /// Inputs, and whether they must be given.
    pub(crate) inputs: BTreeMap<String, bool>,
    /// The environment that its jobs name.
    pub(crate) environment: Option<String>,
}

impl Workflow {
    pub(crate) fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut inputs_at = None;
        let mut input: Option<(usize, String)> = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            let Some((key, value)) = line.trim().split_once(':') else {
                continue;
            };
            let value = value.trim().trim_matches(['"', '\'']);
            let text = (!value.is_empty()).then(|| value.to_owned());
            if inputs_at.is_some_and(|at| indent <= at) {
                inputs_at = None;
            }
            match (key, inputs_at) {
                ("required", Some(_)) => {
                    if let Some((_, name)) = &input {
                        found.inputs.insert(name.clone(), value == "true");
                    }
                }
                (name, Some(_)) if input.as_ref().is_none_or(|(at, _)| indent <= *at) => {
                    found.inputs.insert(name.to_owned(), false);
                    input = Some((indent, name.to_owned()));
                }
                (_, Some(_)) => {}
                ("name", None) if indent == 0 => found.name = text,
                ("run-name", None) => found.run_name = text,
                ("workflow_dispatch", None) => found.dispatched = true,
                ("inputs", None) => (inputs_at, input) = (Some(indent), None),
                ("environment", None) => found.environment = text,
                (_, None) => {}
            }
        }
        found
    }

    /// The run's name: every `${{ inputs.x }}` replaced once, whatever the values hold.
    pub(crate) fn title(&self, inputs: &BTreeMap<String, String>) -> Option<String> {
        let mut rest = self.run_name.as_deref()?;
        let mut title = String::new();
        while let Some((before, after)) = rest.split_once("${{") {
            title.push_str(before);
            let Some((name, tail)) = after.split_once("}}") else {
                break;
            };
            let name = name.trim().strip_prefix("inputs.").unwrap_or_default();
            title.push_str(inputs.get(name).map_or("", String::as_str));
            rest = tail;
        }
        title.push_str(rest);
        Some(title)
    }
}

/// An environment, and the apps whose rules it has.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Rules by number: app, and whether the rule is enabled.
    pub(crate) rules: BTreeMap<u64, (u64, bool)>,
}

/// What becomes of jobs that may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runners {
    /// They end at once, with this conclusion.
    End(String),
    /// They go on until [`finish_run`](crate::sandbox::Running::finish_run).
    Hold,
    /// No runner takes them.
    Away,
}

/// One attempt at a run.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) attempt: u32,
    pub(crate) workflow: u64,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) event: String,
    pub(crate) actor: u64,
    pub(crate) triggering: u64,
    pub(crate) branch: String,
    pub(crate) head: String,
    pub(crate) environment: Option<String>,
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) status: &'static str,
    pub(crate) conclusion: Option<String>,
    /// Rules that have not answered.
    pub(crate) waiting: Vec<u64>,
    /// Whether it began what stands behind its environment.
    pub(crate) entered: bool,
    /// What rules said: app, state, comment.
    pub(crate) said: Vec<(u64, String, String)>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A repository's workflows.
#[derive(Debug, Clone)]
pub(crate) struct Actions {
    /// Numbers of workflow files.
    pub(crate) workflows: BTreeMap<String, u64>,
    pub(crate) environments: BTreeMap<String, Environment>,
    /// Attempts at each run, oldest first.
    pub(crate) runs: BTreeMap<u64, Vec<Attempt>>,
    pub(crate) runners: Runners,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            workflows: BTreeMap::new(),
            environments: BTreeMap::new(),
            runs: BTreeMap::new(),
            runners: Runners::End("success".to_owned()),
        }
    }
}

impl Actions {
    pub(crate) fn newest(&self, id: u64) -> Option<&Attempt> {
        self.runs.get(&id)?.last()
    }
    pub(crate) fn newest_mut(&mut self, id: u64) -> Option<&mut Attempt> {
        self.runs.get_mut(&id)?.last_mut()
    }
    /// An environment, by its name in any case.
    pub(crate) fn environment(&self, name: &str) -> Option<&Environment> {
        let mut all = self.environments.values();
        all.find(|one| one.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_read_as_far_as_it_is_needed() {
        let text = "name: Deploy\nrun-name: \"${{ inputs.nonce }} x\"\non:\n  workflow_dispatch:\n    inputs:\n      version:\n        \
                    required: true\n        type: string\n      nonce:\n        type: string\npermissions: {}\njobs:\n  go:\n    \
                    runs-on: ubuntu-latest\n    environment: production\n    steps:\n      - name: Go\n        run: ./go\n";
        let read = Workflow::read(text);
        assert_eq!(read.name.as_deref(), Some("Deploy"));
        assert_eq!(read.environment.as_deref(), Some("production"));
        assert!(read.dispatched);
        let inputs = [("version".to_owned(), true), ("nonce".to_owned(), false)];
        assert_eq!(read.inputs, inputs.into());
        let given = [("nonce".to_owned(), "${{ inputs.version }}".to_owned())];
        assert_eq!(read.title(&given.into()).unwrap(), "${{ inputs.version }} x");
    }
}
