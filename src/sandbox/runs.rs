//! How runs of workflows go on: asked for, kept waiting by rules, let in, ended.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::Refusal;
use super::git;
use super::state::{Attempt, Environment, Repo, Runners, State, Workflow};

/// Where GitHub looks for workflows.
const FOLDER: &str = ".github/workflows";
/// The most inputs of a run.
const MOST_INPUTS: usize = 25;
/// The most characters of all inputs of a run.
const LONGEST: usize = 65_535;

impl State {
    /// A workflow's file on a branch, with its commit.
    pub(crate) fn workflow_file(
        &self,
        repo: &Repo,
        file: &str,
        branch: &str,
    ) -> Result<(String, Workflow), Refusal> {
        let git = self.open_git(repo)?;
        let none = || Refusal::new(422, format!("No ref found for: {branch}"));
        let head = git::branch_head(&git, branch).ok_or_else(none)?;
        let tree = git.find_commit(git2::Oid::from_str(&head)?)?.tree()?;
        let entry = tree.get_path(format!("{FOLDER}/{file}").as_ref())?;
        let blob = git.find_blob(entry.id())?;
        let text = String::from_utf8_lossy(blob.content()).into_owned();
        Ok((head, Workflow::read(&text)))
    }

    /// The number of a workflow that the default branch has.
    pub(crate) fn workflow_id(&mut self, repo: u64, file: &str) -> Result<u64, Refusal> {
        let found = self.repo(repo)?;
        self.workflow_file(found, file, &found.default_branch.clone())?;
        let new = self.id();
        let known = &mut self.repo_mut(repo)?.actions.workflows;
        Ok(*known.entry(file.to_owned()).or_insert(new))
    }

    /// Asks for a run.
    pub(crate) fn dispatch(
        &mut self,
        repo: u64,
        actor: u64,
        file: &str,
        branch: &str,
        inputs: BTreeMap<String, String>,
    ) -> Result<u64, Refusal> {
        let workflow_id = self.workflow_id(repo, file)?;
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        let (head, workflow) = self.workflow_file(self.repo(repo)?, file, branch)?;
        let no = |why: String| Err(Refusal::new(422, why));
        if !workflow.dispatched {
            return no("Workflow does not have 'workflow_dispatch' trigger".to_owned());
        }
        let unexpected: Vec<&String> = inputs
            .keys()
            .filter(|name| !workflow.inputs.contains_key(*name))
            .collect();
        if !unexpected.is_empty() {
            return no(format!("Unexpected inputs provided: {unexpected:?}"));
        }
        let mut required = workflow.inputs.iter().filter(|(_, required)| **required);
        if let Some((name, _)) = required.find(|(name, _)| !inputs.contains_key(*name)) {
            return no(format!("Required input '{name}' not provided"));
        }
        let long = json!(inputs).to_string().chars().count();
        if inputs.len() > MOST_INPUTS || long > LONGEST {
            return no("inputs are too large.".to_owned());
        }
        let (id, now) = (self.id(), self.now());
        let name = workflow
            .name
            .clone()
            .unwrap_or_else(|| format!("{FOLDER}/{file}"));
        let title = workflow.title(&inputs).unwrap_or_else(|| name.clone());
        let actions = &mut self.repo_mut(repo)?.actions;
        let number = u64::try_from(actions.runs.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let run = Attempt {
            id,
            number,
            attempt: 1,
            workflow: workflow_id,
            path: format!("{FOLDER}/{file}"),
            name,
            title,
            event: "workflow_dispatch".to_owned(),
            actor,
            triggering: actor,
            branch: branch.to_owned(),
            head,
            environment: workflow.environment,
            inputs,
            status: "queued",
            conclusion: None,
            waiting: Vec::new(),
            entered: false,
            said: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        actions.runs.insert(id, vec![run]);
        self.begin_run(repo, id)?;
        Ok(id)
    }

    /// Runs a run again that has ended.
    pub(crate) fn rerun(&mut self, repo: u64, actor: u64, id: u64) -> Result<(), Refusal> {
        let now = self.now();
        let attempts = self.repo_mut(repo)?.actions.runs.get_mut(&id);
        let attempts = attempts.ok_or_else(Refusal::not_found)?;
        let last = attempts.last().ok_or_else(Refusal::not_found)?;
        if last.status != "completed" {
            return Err(Refusal::forbidden("This workflow is already running"));
        }
        let next = Attempt {
            attempt: last.attempt + 1,
            triggering: actor,
            status: "queued",
            conclusion: None,
            waiting: Vec::new(),
            entered: false,
            said: Vec::new(),
            updated_at: now,
            ..last.clone()
        };
        attempts.push(next);
        self.begin_run(repo, id)
    }

    fn begin_run(&mut self, repo: u64, id: u64) -> Result<(), Refusal> {
        self.emit_run(repo, id, "requested")?;
        match self.repo(repo)?.actions.runners {
            Runners::Away => Ok(()),
            Runners::End(_) | Runners::Hold => self.start_run(repo, id),
        }
    }

    /// Lets a queued run go on, up to what it waits for.
    pub(crate) fn start_run(&mut self, repo: u64, id: u64) -> Result<(), Refusal> {
        let actions = &self.repo(repo)?.actions;
        let run = actions.newest(id).ok_or_else(Refusal::not_found)?;
        let environment = run
            .environment
            .as_deref()
            .and_then(|name| actions.environment(name));
        let Some(environment) = environment.cloned() else {
            return self.enter(repo, id);
        };
        let rules = environment.rules.values().filter(|(_, enabled)| *enabled);
        let waiting: Vec<u64> = rules.map(|(app, _)| *app).collect();
        if waiting.is_empty() {
            return self.enter(repo, id);
        }
        self.change_run(repo, id, |run| {
            run.status = "waiting";
            run.waiting.clone_from(&waiting);
        })?;
        for app in waiting {
            self.emit_rule(repo, id, &environment, app)?;
        }
        Ok(())
    }

    /// Takes what an app's rule says; the last one lets the run in.
    pub(crate) fn answer_rule(
        &mut self,
        repo: u64,
        id: u64,
        app: u64,
        state: &str,
        comment: &str,
    ) -> Result<(), Refusal> {
        let mut last = false;
        self.change_run(repo, id, |run| {
            run.said.push((app, state.to_owned(), comment.to_owned()));
            run.waiting.retain(|other| *other != app);
            last = run.waiting.is_empty();
        })?;
        match state {
            "approved" if last => self.enter(repo, id),
            "approved" => Ok(()),
            _ => self.end_run(repo, id, "failure"),
        }
    }

    fn enter(&mut self, repo: u64, id: u64) -> Result<(), Refusal> {
        self.change_run(repo, id, |run| {
            run.status = "in_progress";
            run.entered = true;
        })?;
        self.emit_run(repo, id, "in_progress")?;
        match self.repo(repo)?.actions.runners.clone() {
            Runners::End(conclusion) => self.end_run(repo, id, &conclusion),
            Runners::Hold | Runners::Away => Ok(()),
        }
    }

    pub(crate) fn end_run(&mut self, repo: u64, id: u64, conclusion: &str) -> Result<(), Refusal> {
        self.change_run(repo, id, |run| {
            run.status = "completed";
            run.conclusion = Some(conclusion.to_owned());
            run.waiting.clear();
        })?;
        self.emit_run(repo, id, "completed")
    }

    fn change_run(&mut self, repo: u64, id: u64, change: impl FnOnce(&mut Attempt)) -> Result<(), Refusal> {
        let now = self.now();
        let run = self.repo_mut(repo)?.actions.newest_mut(id);
        let run = run.ok_or_else(Refusal::not_found)?;
        change(run);
        run.updated_at = now;
        Ok(())
    }

    pub(crate) fn emit_run(&mut self, repo: u64, id: u64, action: &str) -> Result<(), Refusal> {
        let found = self.repo(repo)?;
        let run = found.actions.newest(id).ok_or_else(Refusal::not_found)?;
        let sender = run.triggering;
        let payload = json!({
            "action": action,
            "workflow": self.workflow_json(found, run.workflow, &run.path, &run.name),
            "workflow_run": self.run_json(found, run)?,
        });
        self.emit("workflow_run", repo, sender, payload)
    }

    fn emit_rule(&mut self, repo: u64, id: u64, environment: &Environment, app: u64) -> Result<(), Refusal> {
        let found = self.repo(repo)?;
        let run = found.actions.newest(id).ok_or_else(Refusal::not_found)?;
        let sender = run.triggering;
        let callback = format!(
            "{}/actions/runs/{id}/deployment_protection_rule",
            self.repo_url(found)
        );
        let payload: Value = json!({
            "action": "requested",
            "environment": environment.name,
            "event": run.event,
            "deployment_callback_url": callback,
            "deployment": self.deployment_json(found, run, environment),
            "pull_requests": [],
        });
        self.emit_to(app, "deployment_protection_rule", repo, sender, payload)
    }
}
