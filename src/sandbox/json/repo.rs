//! Repositories and their activity.
use serde_json::{Map, Value, json};

use super::{merged, node};
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{Activity, Repo, State};

/// The URL fields that are the repository's address and a path.
const PATHS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

impl State {
    pub(crate) fn repo_url(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.api(), self.full_name(repo))
    }

    pub(crate) fn repo_html(&self, repo: &Repo) -> String {
        format!("{}/{}", self.base, self.full_name(repo))
    }

    pub(crate) fn repo_json(&self, repo: &Repo) -> Value {
        let url = self.repo_url(repo);
        let html = self.repo_html(repo);
        let host = self.base.trim_start_matches("http://");
        let full = self.full_name(repo);
        let open = repo.pulls.values().filter(|pull| pull.open()).count();
        let mut fields: Map<String, Value> = PATHS
            .iter()
            .map(|(name, path)| ((*name).to_owned(), Value::String(format!("{url}{path}"))))
            .collect();
        let rest = json!({
            "id": repo.id,
            "node_id": node("Repository", repo.id),
            "name": repo.name,
            "full_name": full,
            "private": repo.private,
            "visibility": if repo.private { "private" } else { "public" },
            "owner": self.user_json(repo.owner),
            "html_url": html,
            "description": null,
            "fork": false,
            "url": url,
            "git_url": format!("git://{host}/{full}.git"),
            "ssh_url": format!("git@{host}:{full}.git"),
            "clone_url": format!("{html}.git"),
            "svn_url": html,
            "mirror_url": null,
            "homepage": null,
            "language": null,
            "license": null,
        });
        let counts = json!({
            "forks_count": 0, "forks": 0,
            "stargazers_count": 0,
            "watchers_count": 0, "watchers": 0,
            "open_issues_count": open, "open_issues": open,
            "size": 1,
            "default_branch": repo.default_branch,
            "has_issues": true,
            "has_projects": false,
            "has_wiki": false,
            "has_pages": false,
            "has_downloads": true,
            "has_discussions": false,
            "archived": false,
            "disabled": false,
            "is_template": false,
            "allow_forking": false,
            "web_commit_signoff_required": false,
            "topics": [],
            "pushed_at": stamp(repo.pushed_at),
            "created_at": stamp(repo.created_at),
            "updated_at": stamp(repo.pushed_at),
        });
        for more in [rest, counts] {
            if let Value::Object(more) = more {
                fields.extend(more);
            }
        }
        Value::Object(fields)
    }

    pub(crate) fn repo_full_json(&self, repo: &Repo) -> Value {
        merged(
            self.repo_json(repo),
            json!({
                "subscribers_count": 0,
                "network_count": 0,
                "allow_squash_merge": repo.merging.squash,
                "allow_merge_commit": repo.merging.merge,
                "allow_rebase_merge": repo.merging.rebase,
                "allow_auto_merge": false,
                "delete_branch_on_merge": repo.merging.deletes_branches,
                "allow_update_branch": true,
            }),
        )
    }

    pub(crate) fn activity_json(&self, activity: &Activity) -> Value {
        json!({
            "id": activity.id,
            "node_id": node("Push", activity.id),
            "before": activity.before,
            "after": activity.after,
            "ref": activity.reference,
            "timestamp": stamp(activity.at),
            "activity_type": activity.kind.name(),
            "actor": self.living_json(activity.actor),
        })
    }
}
