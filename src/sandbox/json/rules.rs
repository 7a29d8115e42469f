//! Rulesets and branch protection.
use serde_json::{Value, json};

use super::{merged, node};
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{Protection, Repo, Restrictions, Ruleset, State};

impl State {
    /// A ruleset as lists show it.
    pub(crate) fn ruleset_json(&self, repo: &Repo, ruleset: &Ruleset) -> Value {
        json!({
            "id": ruleset.id,
            "name": ruleset.name,
            "target": ruleset.target,
            "source_type": "Repository",
            "source": self.full_name(repo),
            "enforcement": ruleset.enforcement,
            "node_id": node("RepositoryRuleset", ruleset.id),
            "_links": {
                "self": { "href": format!("{}/rulesets/{}", self.repo_url(repo), ruleset.id) },
                "html": { "href": format!("{}/rules/{}", self.repo_html(repo), ruleset.id) },
            },
            "created_at": stamp(ruleset.created_at),
            "updated_at": stamp(ruleset.updated_at),
        })
    }

    /// A ruleset by itself; `writer` may see who bypasses it.
    pub(crate) fn ruleset_full_json(
        &self,
        repo: &Repo,
        ruleset: &Ruleset,
        bypass: &str,
        writer: bool,
    ) -> Value {
        let mut full = merged(
            self.ruleset_json(repo, ruleset),
            json!({
                "conditions": { "ref_name": { "include": ruleset.include, "exclude": ruleset.exclude } },
                "rules": ruleset.rules,
                "current_user_can_bypass": bypass,
            }),
        );
        if let (true, Some(fields)) = (writer, full.as_object_mut()) {
            fields.insert("bypass_actors".to_owned(), Value::Array(ruleset.bypass.clone()));
        }
        full
    }

    pub(crate) fn protection_json(&self, repo: &Repo, branch: &str, protection: &Protection) -> Value {
        let url = format!("{}/branches/{branch}/protection", self.repo_url(repo));
        let mut json = json!({
            "url": url,
            "enforce_admins": { "url": format!("{url}/enforce_admins"), "enabled": protection.enforce_admins },
            "required_linear_history": { "enabled": protection.linear_history },
            "allow_force_pushes": { "enabled": protection.allow_force_pushes },
            "allow_deletions": { "enabled": protection.allow_deletions },
            "block_creations": { "enabled": false },
            "required_conversation_resolution": { "enabled": protection.conversation_resolution },
            "lock_branch": { "enabled": protection.lock_branch },
            "allow_fork_syncing": { "enabled": false },
            "required_signatures": { "url": format!("{url}/required_signatures"), "enabled": false },
        });
        let Some(fields) = json.as_object_mut() else {
            return Value::Null;
        };
        if let Some(checks) = &protection.checks {
            let contexts: Vec<&str> = checks.iter().map(|check| check.context.as_str()).collect();
            let checks: Vec<Value> = checks
                .iter()
                .map(|check| json!({ "context": check.context, "app_id": check.app_id }))
                .collect();
            let checks_url = format!("{url}/required_status_checks");
            fields.insert(
                "required_status_checks".to_owned(),
                json!({
                    "url": checks_url,
                    "strict": protection.strict,
                    "contexts": contexts,
                    "contexts_url": format!("{checks_url}/contexts"),
                    "checks": checks,
                }),
            );
        }
        if let Some(reviews) = protection.reviews {
            fields.insert(
                "required_pull_request_reviews".to_owned(),
                json!({
                    "url": format!("{url}/required_pull_request_reviews"),
                    "dismiss_stale_reviews": reviews.dismiss_stale,
                    "require_code_owner_reviews": reviews.code_owners,
                    "require_last_push_approval": reviews.last_push,
                    "required_approving_review_count": reviews.count,
                }),
            );
        }
        if let Some(restrictions) = &protection.restrictions {
            fields.insert(
                "restrictions".to_owned(),
                self.restrictions_json(&url, restrictions),
            );
        }
        json
    }

    fn restrictions_json(&self, url: &str, restrictions: &Restrictions) -> Value {
        let users: Vec<Value> = restrictions.users.iter().map(|id| self.user_json(*id)).collect();
        let teams: Vec<Value> = restrictions
            .teams
            .iter()
            .filter_map(|id| self.teams.get(id))
            .map(|team| self.team_json(team))
            .collect();
        let apps: Vec<Value> = restrictions
            .apps
            .iter()
            .filter_map(|id| self.apps.get(id))
            .map(|app| self.app_json(app))
            .collect();
        let url = format!("{url}/restrictions");
        json!({
            "url": url,
            "users_url": format!("{url}/users"),
            "teams_url": format!("{url}/teams"),
            "apps_url": format!("{url}/apps"),
            "users": users,
            "teams": teams,
            "apps": apps,
        })
    }
}
