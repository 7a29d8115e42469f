//! Workflows, runs and what they wait for.
use serde_json::{Value, json};

use super::node;
use crate::sandbox::answer::Refusal;
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{Attempt, Environment, Repo, State};

impl State {
    pub(crate) fn workflow_json(&self, repo: &Repo, id: u64, path: &str, name: &str) -> Value {
        let (url, html) = (self.repo_url(repo), self.repo_html(repo));
        let at = stamp(repo.created_at);
        json!({
            "id": id,
            "node_id": node("Workflow", id),
            "name": name,
            "path": path,
            "state": "active",
            "created_at": at,
            "updated_at": at,
            "url": format!("{url}/actions/workflows/{id}"),
            "html_url": format!("{html}/blob/{}/{path}", repo.default_branch),
            "badge_url": format!("{html}/workflows/{id}/badge.svg"),
        })
    }

    pub(crate) fn run_json(&self, repo: &Repo, run: &Attempt) -> Result<Value, Refusal> {
        let url = format!("{}/actions/runs/{}", self.repo_url(repo), run.id);
        let git = self.open_git(repo)?;
        let commit = git.find_commit(git2::Oid::from_str(&run.head)?)?;
        let who = |signature: &git2::Signature<'_>| json!({ "name": signature.name().unwrap_or_default(), "email": signature.email().unwrap_or_default() });
        let at = jiff::Timestamp::from_second(commit.time().seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let earlier = (run.attempt > 1).then(|| format!("{url}/attempts/{}", run.attempt - 1));
        Ok(json!({
            "id": run.id,
            "name": run.name,
            "node_id": node("WorkflowRun", run.id),
            "check_suite_id": run.id,
            "check_suite_node_id": node("CheckSuite", run.id),
            "check_suite_url": format!("{}/check-suites/{}", self.repo_url(repo), run.id),
            "head_branch": run.branch,
            "head_sha": run.head,
            "path": run.path,
            "display_title": run.title,
            "run_number": run.number,
            "run_attempt": run.attempt,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": run.workflow,
            "referenced_workflows": [],
            "url": url,
            "html_url": format!("{}/actions/runs/{}", self.repo_html(repo), run.id),
            "pull_requests": [],
            "created_at": stamp(run.created_at),
            "updated_at": stamp(run.updated_at),
            "run_started_at": stamp(run.created_at),
            "actor": self.user_json(run.actor),
            "triggering_actor": self.user_json(run.triggering),
            "jobs_url": format!("{url}/jobs"),
            "logs_url": format!("{url}/logs"),
            "artifacts_url": format!("{url}/artifacts"),
            "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"),
            "previous_attempt_url": earlier,
            "workflow_url": format!("{}/actions/workflows/{}", self.repo_url(repo), run.workflow),
            "head_commit": {
                "id": run.head,
                "tree_id": commit.tree_id().to_string(),
                "message": commit.message().unwrap_or_default().trim_end(),
                "timestamp": stamp(at),
                "author": who(&commit.author()),
                "committer": who(&commit.committer()),
            },
            "repository": self.repo_json(repo),
            "head_repository": self.repo_json(repo),
        }))
    }

    pub(crate) fn rule_json(
        &self,
        repo: &Repo,
        environment: &Environment,
        rule: u64,
        app: u64,
        enabled: bool,
    ) -> Value {
        let slug = self.apps.get(&app).map_or("ghost", |app| app.slug.as_str());
        json!({
            "id": rule,
            "node_id": node("GateRule", rule),
            "enabled": enabled,
            "app": {
                "id": app,
                "slug": slug,
                "integration_url": format!("{}/apps/{slug}", self.api()),
                "node_id": node("Integration", app),
            },
            "environment_url": format!("{}/environments/{}", self.repo_url(repo), environment.id),
        })
    }

    /// What a run waits for, as a list of environments.
    pub(crate) fn pending_json(&self, repo: &Repo, run: &Attempt) -> Value {
        let name = run.environment.as_deref().filter(|_| !run.waiting.is_empty());
        let waits = name.and_then(|name| repo.actions.environment(name));
        let waits = waits.into_iter().map(|environment| {
            json!({
                "environment": {
                    "id": environment.id,
                    "node_id": node("Environment", environment.id),
                    "name": environment.name,
                    "url": format!("{}/environments/{}", self.repo_url(repo), environment.name),
                    "html_url": format!("{}/deployments/activity_log", self.repo_html(repo)),
                },
                "wait_timer": 0,
                "wait_timer_started_at": null,
                "current_user_can_approve": false,
                "reviewers": [],
            })
        });
        waits.collect()
    }

    /// A deployment as an app is told of that is to let it through.
    pub(crate) fn deployment_json(&self, repo: &Repo, run: &Attempt, environment: &Environment) -> Value {
        let url = format!("{}/deployments/{}", self.repo_url(repo), run.id);
        json!({
            "id": run.id,
            "node_id": node("Deployment", run.id),
            "url": url,
            "sha": run.head,
            "ref": run.branch,
            "task": "deploy",
            "payload": {},
            "original_environment": environment.name,
            "environment": environment.name,
            "description": null,
            "creator": self.user_json(run.actor),
            "created_at": stamp(run.created_at),
            "updated_at": stamp(run.updated_at),
            "statuses_url": format!("{url}/statuses"),
            "repository_url": self.repo_url(repo),
            "transient_environment": false,
            "production_environment": true,
            "performed_via_github_app": null,
        })
    }
}
