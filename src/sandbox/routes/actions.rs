//! Workflows, their runs, and the environments that runs wait for.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::json::field;
use super::super::state::{Access, State};
use super::{At, number};

pub(super) fn workflows(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", [file]) => {
            let repo = at.reach(state, call, "actions", Access::Read)?;
            let id = state.workflow_id(repo, file)?;
            let repo = state.repo(repo)?;
            let (_, workflow) = state.workflow_file(repo, file, &repo.default_branch)?;
            let path = format!(".github/workflows/{file}");
            let name = workflow.name.unwrap_or_else(|| path.clone());
            Ok(Answer::ok(state.workflow_json(repo, id, &path, &name)))
        }
        ("GET", [file, "runs"]) => {
            let repo = at.reach(state, call, "actions", Access::Read)?;
            let id = state.workflow_id(repo, file)?;
            let repo = state.repo(repo)?;
            let newest = repo
                .actions
                .runs
                .values()
                .rev()
                .filter_map(|attempts| attempts.last());
            let mine = newest.filter(|run| run.workflow == id);
            let runs: Result<Vec<Value>, Refusal> = mine.map(|run| state.run_json(repo, run)).collect();
            Ok(Answer::counted(call, "workflow_runs", runs?))
        }
        ("POST", [file, "dispatches"]) => dispatch(state, call, at, file),
        _ => Err(Refusal::not_found()),
    }
}

fn dispatch(state: &mut State, call: &Call, at: At<'_>, file: &str) -> Routed {
    let repo = at.reach(state, call, "actions", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let branch = call
        .text("ref")
        .ok_or_else(|| Refusal::new(422, "ref is missing"))?;
    let given = field(&call.body, "inputs").as_object().into_iter().flatten();
    let inputs: BTreeMap<String, String> = given
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
        .collect();
    let id = state.dispatch(repo, actor, file, branch, inputs)?;
    if field(&call.body, "return_run_details") != true {
        return Ok(Answer::empty(204));
    }
    let repo = state.repo(repo)?;
    Ok(Answer::ok(json!({
        "workflow_run_id": id,
        "run_url": format!("{}/actions/runs/{id}", state.repo_url(repo)),
        "html_url": format!("{}/actions/runs/{id}", state.repo_html(repo)),
    })))
}

pub(super) fn runs(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", [id]) => {
            let repo = state.repo(at.reach(state, call, "actions", Access::Read)?)?;
            let run = repo.actions.newest(number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(state.run_json(repo, run)?))
        }
        ("GET", [id, "attempts", attempt]) => {
            let repo = state.repo(at.reach(state, call, "actions", Access::Read)?)?;
            let (attempts, wanted) = (repo.actions.runs.get(&number(id)?), number(attempt)?);
            let mut attempts = attempts.into_iter().flatten();
            let run = attempts.find(|run| u64::from(run.attempt) == wanted);
            Ok(Answer::ok(
                state.run_json(repo, run.ok_or_else(Refusal::not_found)?)?,
            ))
        }
        ("GET", [id, "pending_deployments"]) => {
            let repo = state.repo(at.reach(state, call, "actions", Access::Read)?)?;
            let run = repo.actions.newest(number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(state.pending_json(repo, run)))
        }
        ("POST", [id, "deployment_protection_rule"]) => answer(state, call, at, number(id)?),
        ("POST", [id, "cancel"]) => {
            let repo = at.reach(state, call, "actions", Access::Write)?;
            let id = number(id)?;
            let run = state
                .repo(repo)?
                .actions
                .newest(id)
                .ok_or_else(Refusal::not_found)?;
            if run.status == "completed" {
                return Err(Refusal::new(
                    409,
                    "Cannot cancel a workflow run that is completed.",
                ));
            }
            state.end_run(repo, id, "cancelled")?;
            Ok(Answer::with(202, json!({})))
        }
        ("POST", [id, "rerun"]) => {
            let repo = at.reach(state, call, "actions", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            state.rerun(repo, actor, number(id)?)?;
            Ok(Answer::with(201, json!({})))
        }
        _ => Err(Refusal::not_found()),
    }
}

/// An app answers its own rule only, and only while the run waits for it.
fn answer(state: &mut State, call: &Call, at: At<'_>, id: u64) -> Routed {
    let repo = at.reach(state, call, "deployments", Access::Write)?;
    let app = state.calling_app(&call.caller);
    let app = app.ok_or_else(|| Refusal::forbidden("You must authenticate via a GitHub App."))?;
    let name = call.text("environment_name").unwrap_or_default();
    let said = call.text("state").unwrap_or_default().to_owned();
    let comment = call.text("comment").unwrap_or_default().to_owned();
    let run = state
        .repo(repo)?
        .actions
        .newest(id)
        .ok_or_else(Refusal::not_found)?;
    let of_it = run
        .environment
        .as_deref()
        .is_some_and(|known| known.eq_ignore_ascii_case(name));
    if !of_it || !run.waiting.contains(&app) || !matches!(said.as_str(), "approved" | "rejected") {
        return Err(Refusal::new(
            422,
            "No pending deployment protection rule to review",
        ));
    }
    state.answer_rule(repo, id, app, &said, &comment)?;
    Ok(Answer::empty(204))
}

pub(super) fn environment(state: &State, call: &Call, at: At<'_>, rest: &[&str]) -> Routed {
    match rest {
        [name, "deployment_protection_rules"] => {
            let repo = state.repo(at.reach(state, call, "actions", Access::Read)?)?;
            let environment = repo.actions.environment(name).ok_or_else(Refusal::not_found)?;
            let rules = environment
                .rules
                .iter()
                .map(|(rule, (app, enabled))| state.rule_json(repo, environment, *rule, *app, *enabled));
            Ok(Answer::counted(
                call,
                "custom_deployment_protection_rules",
                rules.collect(),
            ))
        }
        _ => Err(Refusal::not_found()),
    }
}
