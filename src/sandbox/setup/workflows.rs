//! Environments, runners and runs.
use std::collections::BTreeMap;

use serde_json::Value;

use super::super::answer::Refusal;
use super::super::error::Error;
use super::super::running::Running;
use super::super::state::{Environment, Runners};

impl Running {
    /// Makes an environment that these apps guard by rules of their own.
    pub fn add_environment(&self, repo: &str, name: &str, guarded_by: &[u64]) -> Result<(), Error> {
        let mut state = self.lock();
        let (repo, id) = (state.repo_id(repo)?, state.id());
        let rules = guarded_by.iter().map(|app| (state.id(), (*app, true))).collect();
        let environment = Environment {
            id,
            name: name.to_owned(),
            rules,
        };
        let known = &mut state.repo_mut(repo)?.actions.environments;
        known.insert(name.to_ascii_lowercase(), environment);
        Ok(())
    }

    /// Switches every rule of an environment on or off.
    pub fn enable_rules(&self, repo: &str, environment: &str, enabled: bool) -> Result<(), Error> {
        let mut state = self.lock();
        let repo = state.repo_id(repo)?;
        let known = &mut state.repo_mut(repo)?.actions.environments;
        let found = known.get_mut(&environment.to_ascii_lowercase());
        let found = found.ok_or_else(|| Error::unknown("environment", environment))?;
        found.rules.values_mut().for_each(|(_, on)| *on = enabled);
        Ok(())
    }

    /// What becomes of jobs from here on.
    pub fn set_runners(&self, repo: &str, runners: Runners) -> Result<(), Error> {
        let mut state = self.lock();
        let repo = state.repo_id(repo)?;
        state.repo_mut(repo)?.actions.runners = runners;
        Ok(())
    }

    /// Lets a queued run go on, whatever becomes of others.
    pub fn start_run(&self, repo: &str, run: u64) -> Result<(), Error> {
        let mut state = self.lock();
        let repo = state.repo_id(repo)?;
        Ok(state.start_run(repo, run)?)
    }

    /// Tells of a run once more, though nothing became of it.
    pub fn tell_of_run(&self, repo: &str, run: u64) -> Result<(), Error> {
        let mut state = self.lock();
        let repo = state.repo_id(repo)?;
        Ok(state.emit_run(repo, run, "in_progress")?)
    }

    /// Ends a run that goes on.
    pub fn finish_run(&self, repo: &str, run: u64, conclusion: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let repo = state.repo_id(repo)?;
        Ok(state.end_run(repo, run, conclusion)?)
    }

    /// All runs of workflows at their newest attempt, oldest first, in GitHub's JSON.
    pub fn workflow_runs(&self, repo: &str) -> Result<Vec<Value>, Error> {
        let state = self.lock();
        let repo = state.repo(state.repo_id(repo)?)?;
        let newest = repo.actions.runs.values().filter_map(|attempts| attempts.last());
        let runs: Result<Vec<Value>, Refusal> = newest.map(|run| state.run_json(repo, run)).collect();
        Ok(runs?)
    }

    /// The runs that began what stands behind their environment, once for every attempt that did.
    pub fn entered(&self, repo: &str) -> Result<Vec<u64>, Error> {
        let state = self.lock();
        let repo = state.repo(state.repo_id(repo)?)?;
        let attempts = repo.actions.runs.values().flatten();
        Ok(attempts.filter(|run| run.entered).map(|run| run.id).collect())
    }

    /// The inputs of a run.
    pub fn run_inputs(&self, repo: &str, run: u64) -> Result<BTreeMap<String, String>, Error> {
        let state = self.lock();
        let repo = state.repo(state.repo_id(repo)?)?;
        let found = repo.actions.newest(run);
        Ok(found.ok_or_else(Refusal::not_found)?.inputs.clone())
    }

    /// What rules said about the newest attempt at a run: state and comment.
    pub fn rules_said(&self, repo: &str, run: u64) -> Result<Vec<(String, String)>, Error> {
        let state = self.lock();
        let repo = state.repo(state.repo_id(repo)?)?;
        let found = repo.actions.newest(run).ok_or_else(Refusal::not_found)?;
        let said = found
            .said
            .iter()
            .map(|(_, state, comment)| (state.clone(), comment.clone()));
        Ok(said.collect())
    }
}
