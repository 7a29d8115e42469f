//! Check runs and commit statuses.
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::{Call, Caller};
use super::super::git;
use super::super::json::{field, node};
use super::super::state::{Access, CheckRun, Repo, State, Status};
use super::{At, number};

const CONCLUSIONS: &[&str] = &[
    "success",
    "failure",
    "neutral",
    "cancelled",
    "skipped",
    "timed_out",
    "action_required",
    "stale",
];
const LONGEST: usize = 65_535;

pub(super) fn runs(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("POST", []) => create(state, call, at),
        ("GET", [id]) => {
            let repo = state.repo(at.reach(state, call, "checks", Access::Read)?)?;
            let run = repo.check_runs.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(state.check_run_json(repo, run)))
        }
        ("PATCH", [id]) => update(state, call, at, number(id)?),
        ("GET", [id, "annotations"]) => {
            let repo = state.repo(at.reach(state, call, "checks", Access::Read)?)?;
            let run = repo.check_runs.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::list(call, run.annotations.clone()))
        }
        ("POST", [id, "rerequest"]) => {
            let repo = at.reach(state, call, "checks", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            state.rerequest(repo, number(id)?, actor)?;
            Ok(Answer::with(201, json!({})))
        }
        _ => Err(Refusal::not_found()),
    }
}

/// Only apps write check runs.
fn writer(state: &State, call: &Call) -> Result<u64, Refusal> {
    match call.caller {
        Caller::Installation { .. } => state
            .calling_app(&call.caller)
            .ok_or_else(Refusal::bad_credentials),
        Caller::Anonymous | Caller::User { .. } | Caller::App { .. } => {
            Err(Refusal::forbidden("You must authenticate via a GitHub App."))
        }
    }
}

fn create(state: &mut State, call: &Call, at: At<'_>) -> Routed {
    let id = at.reach(state, call, "checks", Access::Write)?;
    let app = writer(state, call)?;
    let name = call
        .text("name")
        .ok_or_else(|| invalid("For 'properties/name', nil is not a string."))?
        .to_owned();
    let sha = call
        .text("head_sha")
        .ok_or_else(|| invalid("For 'properties/head_sha', nil is not a string."))?;
    let git = state.open_git(state.repo(id)?)?;
    let known = git2::Oid::from_str(sha)
        .ok()
        .and_then(|oid| git.find_commit(oid).ok());
    known.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {sha}")))?;
    let now = state.now();
    let repo = state.repo(id)?;
    let suite = repo
        .check_runs
        .values()
        .find(|run| run.app == app && run.head_sha == sha)
        .map(|run| run.suite);
    let suite = suite.unwrap_or_else(|| state.id());
    let mut run = CheckRun {
        id: state.id(),
        suite,
        app,
        name,
        head_sha: sha.to_owned(),
        external_id: None,
        details_url: None,
        status: "queued".to_owned(),
        conclusion: None,
        started_at: now,
        completed_at: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
    };
    apply(&mut run, call, now)?;
    let run_id = run.id;
    let completed = run.conclusion.is_some();
    state.repo_mut(id)?.check_runs.insert(run_id, run);
    state.emit_check(id, run_id, "created")?;
    if completed {
        state.emit_check(id, run_id, "completed")?;
    }
    show(state, id, run_id, 201)
}

fn update(state: &mut State, call: &Call, at: At<'_>, run_id: u64) -> Routed {
    let id = at.reach(state, call, "checks", Access::Write)?;
    let app = writer(state, call)?;
    let now = state.now();
    let run = state
        .repo_mut(id)?
        .check_runs
        .get_mut(&run_id)
        .ok_or_else(Refusal::not_found)?;
    if run.app != app {
        return Err(Refusal::forbidden(
            "Invalid app_id - check run can only be modified by the GitHub App that created it.",
        ));
    }
    let mut next = run.clone();
    apply(&mut next, call, now)?;
    let completes = run.conclusion.is_none() && next.conclusion.is_some();
    *run = next;
    if completes {
        state.emit_check(id, run_id, "completed")?;
    }
    show(state, id, run_id, 200)
}

fn show(state: &State, id: u64, run: u64, status: u16) -> Routed {
    let repo = state.repo(id)?;
    let run = repo.check_runs.get(&run).ok_or_else(Refusal::not_found)?;
    Ok(Answer::with(status, state.check_run_json(repo, run)))
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(422, format!("Invalid request.\n\n{message}"))
}

fn apply(run: &mut CheckRun, call: &Call, now: Timestamp) -> Result<(), Refusal> {
    let time = |name: &str| call.text(name).and_then(|text| text.parse::<Timestamp>().ok());
    if let Some(name) = call.text("name") {
        name.clone_into(&mut run.name);
    }
    if let Some(id) = call.text("external_id") {
        run.external_id = Some(id.to_owned());
    }
    if let Some(url) = call.text("details_url") {
        run.details_url = Some(url.to_owned());
    }
    if let Some(status) = call.text("status") {
        if ![
            "queued",
            "in_progress",
            "completed",
            "waiting",
            "requested",
            "pending",
        ]
        .contains(&status)
        {
            return Err(invalid(&format!(
                "{status} is not a member of [\"queued\", \"in_progress\", \"completed\"]."
            )));
        }
        status.clone_into(&mut run.status);
        if status != "completed" {
            run.conclusion = None;
            run.completed_at = None;
        }
    }
    if let Some(at) = time("started_at") {
        run.started_at = at;
    }
    if let Some(conclusion) = call.text("conclusion") {
        if !CONCLUSIONS.contains(&conclusion) {
            return Err(invalid(&format!(
                "{conclusion} is not a member of {CONCLUSIONS:?}."
            )));
        }
        run.conclusion = Some(conclusion.to_owned());
        "completed".clone_into(&mut run.status);
        run.completed_at = Some(time("completed_at").unwrap_or(now));
    }
    if run.status == "completed" && run.conclusion.is_none() {
        return Err(invalid(
            "No subschema in \"anyOf\" matched: \"conclusion\" wasn't supplied.",
        ));
    }
    if let Some(actions) = field(&call.body, "actions").as_array() {
        check_actions(actions)?;
        run.actions.clone_from(actions);
    }
    if let Some(output) = call.body.get("output").filter(|output| output.is_object()) {
        check_output(output)?;
        let text = |name: &str| field(output, name).as_str().map(str::to_owned);
        run.title = text("title").or_else(|| run.title.take());
        run.summary = text("summary").or_else(|| run.summary.take());
        run.text = text("text").or_else(|| run.text.take());
        if let Some(annotations) = field(output, "annotations").as_array() {
            run.annotations.extend(annotations.iter().cloned());
        }
    }
    Ok(())
}

fn check_output(output: &Value) -> Result<(), Refusal> {
    for name in ["summary", "text"] {
        if field(output, name)
            .as_str()
            .is_some_and(|text| text.chars().count() > LONGEST)
        {
            return Err(invalid(&format!(
                "Only {LONGEST} characters are allowed; {name} is longer."
            )));
        }
    }
    if field(output, "annotations")
        .as_array()
        .is_some_and(|annotations| annotations.len() > 50)
    {
        return Err(invalid(
            "For 'properties/annotations', no more than 50 items are allowed.",
        ));
    }
    if field(output, "title").as_str().is_none() && field(output, "summary").as_str().is_some() {
        return Err(invalid("\"title\" wasn't supplied."));
    }
    Ok(())
}

fn check_actions(actions: &[Value]) -> Result<(), Refusal> {
    let long = |action: &Value, name: &str, most: usize| {
        field(action, name)
            .as_str()
            .is_none_or(|text| text.chars().count() > most)
    };
    let bad = actions.len() > 3
        || actions.iter().any(|action| {
            long(action, "label", 20) || long(action, "description", 40) || long(action, "identifier", 20)
        });
    if bad {
        Err(invalid("For 'properties/actions', limits are exceeded."))
    } else {
        Ok(())
    }
}

impl State {
    fn emit_check(&mut self, id: u64, run: u64, action: &str) -> Result<(), Refusal> {
        let repo = self.repo(id)?;
        let Some(run) = repo.check_runs.get(&run) else {
            return Ok(());
        };
        let sender = self
            .apps
            .get(&run.app)
            .map_or(super::super::state::GHOST, |app| app.bot);
        let app = run.app;
        let payload = json!({ "action": action, "check_run": self.check_run_event_json(repo, run) });
        self.emit_to(app, "check_run", id, sender, payload)
    }

    /// Someone pressed "re-run" on a check.
    pub(crate) fn rerequest(&mut self, id: u64, run: u64, actor: u64) -> Result<(), Refusal> {
        let repo = self.repo(id)?;
        let run = repo.check_runs.get(&run).ok_or_else(Refusal::not_found)?;
        let app = run.app;
        let payload = json!({ "action": "rerequested", "check_run": self.check_run_event_json(repo, run) });
        self.emit_to(app, "check_run", id, actor, payload)
    }

    /// Someone pressed one of the buttons that the check run offers.
    pub(crate) fn requested_action(
        &mut self,
        id: u64,
        run: u64,
        identifier: &str,
        actor: u64,
    ) -> Result<(), Refusal> {
        let repo = self.repo(id)?;
        let run = repo.check_runs.get(&run).ok_or_else(Refusal::not_found)?;
        let offered = run
            .actions
            .iter()
            .any(|action| field(action, "identifier").as_str() == Some(identifier));
        if !offered {
            return Err(Refusal::not_found());
        }
        let app = run.app;
        let payload = json!({
            "action": "requested_action",
            "check_run": self.check_run_event_json(repo, run),
            "requested_action": { "identifier": identifier },
        });
        self.emit_to(app, "check_run", id, actor, payload)
    }

    /// Someone pressed "re-run all checks" on an app's suite.
    pub(crate) fn rerequest_suite(&mut self, id: u64, run: u64, actor: u64) -> Result<(), Refusal> {
        let repo = self.repo(id)?;
        let run = repo.check_runs.get(&run).ok_or_else(Refusal::not_found)?;
        let app = run.app;
        let payload = json!({ "action": "rerequested", "check_suite": self.suite_json(repo, run) });
        self.emit_to(app, "check_suite", id, actor, payload)
    }

    fn check_run_event_json(&self, repo: &Repo, run: &CheckRun) -> Value {
        super::super::json::merged(
            self.check_run_json(repo, run),
            json!({ "check_suite": self.suite_json(repo, run) }),
        )
    }

    fn suite_json(&self, repo: &Repo, run: &CheckRun) -> Value {
        let url = format!("{}/check-suites/{}", self.repo_url(repo), run.suite);
        let shown = self.check_run_json(repo, run);
        let branch = repo
            .refs
            .iter()
            .find(|(name, sha)| **sha == run.head_sha && name.starts_with("refs/heads/"));
        let branch = branch.and_then(|(name, _)| name.strip_prefix("refs/heads/"));
        let commit = self.open_git(repo).ok().and_then(|git| {
            let commit = git.find_commit(git2::Oid::from_str(&run.head_sha).ok()?).ok()?;
            let full = self.commit_json(repo, &commit);
            Some(json!({
                "id": run.head_sha,
                "tree_id": commit.tree_id().to_string(),
                "message": field(&full, "commit/message"),
                "timestamp": field(&full, "commit/author/date"),
                "author": { "name": field(&full, "commit/author/name"), "email": field(&full, "commit/author/email") },
                "committer": { "name": field(&full, "commit/committer/name"), "email": field(&full, "commit/committer/email") },
            }))
        });
        json!({
            "id": run.suite,
            "node_id": node("CheckSuite", run.suite),
            "head_branch": branch,
            "head_sha": run.head_sha,
            "status": run.status,
            "conclusion": run.conclusion,
            "url": url,
            "before": null,
            "after": run.head_sha,
            "pull_requests": field(&shown, "pull_requests"),
            "app": field(&shown, "app"),
            "created_at": field(&shown, "started_at"),
            "updated_at": field(&shown, "started_at"),
            "head_commit": commit,
            "latest_check_runs_count": 1,
            "check_runs_url": format!("{url}/check-runs"),
            "rerequestable": true,
            "runs_rerequestable": true,
        })
    }
}

fn resolve(state: &State, repo: &Repo, reference: &str) -> Result<String, Refusal> {
    let git = state.open_git(repo)?;
    let found = git::resolve(&git, reference).map(|oid| oid.to_string());
    found.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {reference}")))
}

pub(super) fn for_ref(state: &State, call: &Call, at: At<'_>, reference: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "checks", Access::Read)?)?;
    let sha = resolve(state, repo, reference)?;
    let latest = call.param("filter") != Some("all");
    let mut found: Vec<&CheckRun> = repo
        .check_runs
        .values()
        .rev()
        .filter(|run| run.head_sha == sha)
        .filter(|run| call.param("check_name").is_none_or(|name| name == run.name))
        .filter(|run| call.number("app_id").is_none_or(|app| app == run.app))
        .filter(|run| call.param("status").is_none_or(|status| status == run.status))
        .collect();
    if latest {
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|run| seen.insert((run.app, run.name.clone())));
    }
    let items = found
        .into_iter()
        .map(|run| state.check_run_json(repo, run))
        .collect();
    Ok(Answer::counted(call, "check_runs", items))
}

pub(super) fn set_status(state: &mut State, call: &Call, at: At<'_>, sha: &str) -> Routed {
    let id = at.reach(state, call, "statuses", Access::Write)?;
    let creator = state.actor(&call.caller)?;
    let said = call.text("state").unwrap_or_default();
    if !["error", "failure", "pending", "success"].contains(&said) {
        return Err(Refusal::invalid("Status", "state", "invalid"));
    }
    let status = Status {
        id: state.id(),
        sha: resolve(state, state.repo(id)?, sha)?,
        state: said.to_owned(),
        context: call.text("context").unwrap_or("default").to_owned(),
        description: call.text("description").map(str::to_owned),
        target_url: call.text("target_url").map(str::to_owned),
        creator,
        app: state.calling_app(&call.caller),
        at: state.now(),
    };
    let json = state.status_json(state.repo(id)?, &status);
    state.repo_mut(id)?.statuses.push(status);
    Ok(Answer::created(json))
}

pub(super) fn statuses(state: &State, call: &Call, at: At<'_>, reference: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "statuses", Access::Read)?)?;
    let sha = resolve(state, repo, reference)?;
    let found = repo.statuses.iter().rev().filter(|status| status.sha == sha);
    Ok(Answer::list(
        call,
        found.map(|status| state.status_json(repo, status)).collect(),
    ))
}

pub(super) fn combined(state: &State, call: &Call, at: At<'_>, reference: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "statuses", Access::Read)?)?;
    let sha = resolve(state, repo, reference)?;
    let mut seen = std::collections::BTreeSet::new();
    let found: Vec<&Status> = repo
        .statuses
        .iter()
        .rev()
        .filter(|status| status.sha == sha)
        .filter(|status| seen.insert(status.context.clone()))
        .collect();
    let any = |wanted: &[&str]| found.iter().any(|status| wanted.contains(&status.state.as_str()));
    let overall = if any(&["error", "failure"]) {
        "failure"
    } else if found.is_empty() || any(&["pending"]) {
        "pending"
    } else {
        "success"
    };
    let items: Vec<Value> = found
        .iter()
        .map(|status| state.status_json(repo, status))
        .collect();
    let url = format!("{}/commits/{sha}", state.repo_url(repo));
    Ok(Answer::ok(json!({
        "state": overall,
        "sha": sha,
        "total_count": items.len(),
        "statuses": Answer::list(call, items).body,
        "repository": state.repo_json(repo),
        "commit_url": url,
        "url": format!("{url}/status"),
    })))
}
