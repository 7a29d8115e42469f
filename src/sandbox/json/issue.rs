//! Issues that are no pull requests.
use serde_json::{Value, json};

use super::node;
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{Issue, Label, Repo, State};

impl State {
    pub(crate) fn plain_issue_json(&self, repo: &Repo, issue: &Issue) -> Value {
        let url = format!("{}/issues/{}", self.repo_url(repo), issue.number);
        let label = |label: &Label| {
            json!({
                "id": label.id,
                "node_id": node("Label", label.id),
                "url": format!("{}/labels/{}", self.repo_url(repo), label.name),
                "name": label.name,
                "description": null,
                "color": "ededed",
                "default": false,
            })
        };
        json!({
            "id": issue.id,
            "node_id": node("Issue", issue.id),
            "number": issue.number,
            "url": url,
            "repository_url": self.repo_url(repo),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"),
            "html_url": format!("{}/issues/{}", self.repo_html(repo), issue.number),
            "title": issue.title,
            "user": self.user_json(issue.author),
            "labels": issue.labels.iter().map(label).collect::<Vec<Value>>(),
            "state": "open",
            "locked": false,
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "comments": 0,
            "created_at": stamp(issue.created_at),
            "updated_at": stamp(issue.created_at),
            "closed_at": null,
            "author_association": self.association(repo, issue.author),
            "active_lock_reason": null,
            "body": issue.body,
            "performed_via_github_app": self.app_or_null(issue.app),
            "state_reason": null,
            "reactions": self.reactions_json(&url),
        })
    }
}
