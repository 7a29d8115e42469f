//! Check runs, suites and statuses.
use serde_json::{Value, json};

use super::node;
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{CheckRun, Repo, State, Status};

impl State {
    pub(crate) fn check_run_json(&self, repo: &Repo, run: &CheckRun) -> Value {
        let url = format!("{}/check-runs/{}", self.repo_url(repo), run.id);
        let html = format!("{}/runs/{}", self.repo_html(repo), run.id);
        let pulls: Vec<Value> = repo
            .pulls
            .values()
            .filter(|pull| pull.open() && pull.head_sha == run.head_sha)
            .map(|pull| {
                let short = json!({ "id": repo.id, "url": self.repo_url(repo), "name": repo.name });
                json!({
                    "id": pull.id,
                    "number": pull.number,
                    "url": format!("{}/pulls/{}", self.repo_url(repo), pull.number),
                    "head": { "ref": pull.head_ref, "sha": pull.head_sha, "repo": short },
                    "base": { "ref": pull.base_ref, "sha": pull.base_sha, "repo": short },
                })
            })
            .collect();
        json!({
            "id": run.id,
            "node_id": node("CheckRun", run.id),
            "name": run.name,
            "head_sha": run.head_sha,
            "external_id": run.external_id.clone().unwrap_or_default(),
            "url": url,
            "html_url": html,
            "details_url": run.details_url.clone().unwrap_or(html.clone()),
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": stamp(run.started_at),
            "completed_at": run.completed_at.map(stamp),
            "output": {
                "title": run.title,
                "summary": run.summary,
                "text": run.text,
                "annotations_count": run.annotations.len(),
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": { "id": run.suite },
            "app": self.app_or_null(Some(run.app)),
            "pull_requests": pulls,
        })
    }

    pub(crate) fn status_json(&self, repo: &Repo, status: &Status) -> Value {
        json!({
            "id": status.id,
            "node_id": node("StatusContext", status.id),
            "url": format!("{}/statuses/{}", self.repo_url(repo), status.sha),
            "avatar_url": format!("{}/avatars/u/{}", self.base, status.creator),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": stamp(status.at),
            "updated_at": stamp(status.at),
            "creator": self.living_json(status.creator),
        })
    }
}
