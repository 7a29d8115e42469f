//! Pull requests, reviews and comments.
use git2::Oid;
use serde_json::{Value, json};

use super::commit::totals;
use super::{merged, node};
use crate::sandbox::clock::stamp;
use crate::sandbox::git;
use crate::sandbox::state::{Comment, Pull, Repo, Review, State};

impl State {
    /// A pull request as lists show it.
    pub(crate) fn pull_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let url = format!("{}/pulls/{}", self.repo_url(repo), pull.number);
        let issue = format!("{}/issues/{}", self.repo_url(repo), pull.number);
        let html = format!("{}/pull/{}", self.repo_html(repo), pull.number);
        let statuses = format!("{}/statuses/{}", self.repo_url(repo), pull.head_sha);
        let owner = self
            .account(repo.owner)
            .map_or("ghost", |account| account.login.as_str());
        let repository = self.repo_json(repo);
        let side = |branch: &str, sha: &str| {
            json!({
                "label": format!("{owner}:{branch}"),
                "ref": branch,
                "sha": sha,
                "user": self.user_json(repo.owner),
                "repo": repository,
            })
        };
        let users: Vec<Value> = pull.wanted_users.iter().map(|id| self.user_json(*id)).collect();
        let teams: Vec<Value> = pull
            .wanted_teams
            .iter()
            .filter_map(|id| self.teams.get(id))
            .map(|team| self.team_json(team))
            .collect();
        let links = json!({
            "self": { "href": url },
            "html": { "href": html },
            "issue": { "href": issue },
            "comments": { "href": format!("{issue}/comments") },
            "review_comments": { "href": format!("{url}/comments") },
            "review_comment": { "href": format!("{}/pulls/comments{{/number}}", self.repo_url(repo)) },
            "commits": { "href": format!("{url}/commits") },
            "statuses": { "href": statuses },
        });
        json!({
            "id": pull.id,
            "node_id": node("PullRequest", pull.id),
            "number": pull.number,
            "url": url,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "issue_url": issue,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{}/pulls/comments{{/number}}", self.repo_url(repo)),
            "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses,
            "state": pull.state(),
            "locked": false,
            "title": pull.title,
            "user": self.user_json(pull.author),
            "body": pull.body,
            "labels": [],
            "milestone": null,
            "active_lock_reason": null,
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": pull.closed.map(stamp),
            "merged_at": pull.merged.as_ref().map(|merged| stamp(merged.at)),
            "merge_commit_sha": pull.merged.as_ref().map(|merged| merged.sha.clone()),
            "assignee": null,
            "assignees": [],
            "requested_reviewers": users,
            "requested_teams": teams,
            "head": side(&pull.head_ref, &pull.head_sha),
            "base": side(&pull.base_ref, &pull.base_sha),
            "_links": links,
            "author_association": self.association(repo, pull.author),
            "auto_merge": null,
            "draft": pull.draft,
        })
    }

    /// A pull request by itself, with what only a look at Git tells.
    pub(crate) fn pull_full_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let (commits, changes) = self.pull_contents(repo, pull).unwrap_or_default();
        let (additions, deletions) = totals(&changes);
        let mergeable = if pull.open() {
            self.mergeable(repo, pull)
        } else {
            None
        };
        let blocked = mergeable == Some(true) && !self.merge_blockers(repo, pull, None).is_empty();
        let comments = repo
            .comments
            .values()
            .filter(|comment| comment.number == pull.number)
            .count();
        merged(
            self.pull_json(repo, pull),
            json!({
                "merged": pull.merged.is_some(),
                "mergeable": mergeable,
                "rebaseable": mergeable,
                "mergeable_state": match mergeable {
                    None => "unknown",
                    Some(false) => "dirty",
                    Some(true) if pull.draft => "draft",
                    Some(true) if blocked => "blocked",
                    Some(true) => "clean",
                },
                "merged_by": pull.merged.as_ref().map_or(Value::Null, |merged| self.living_json(merged.by)),
                "comments": comments,
                "review_comments": 0,
                "maintainer_can_modify": false,
                "commits": commits.len(),
                "additions": additions,
                "deletions": deletions,
                "changed_files": changes.len(),
            }),
        )
    }

    /// The commits and changed files of a pull request, against the merge base.
    pub(crate) fn pull_contents(
        &self,
        repo: &Repo,
        pull: &Pull,
    ) -> Result<(Vec<Oid>, Vec<git::FileChange>), crate::sandbox::answer::Refusal> {
        let git = self.open_git(repo)?;
        let head = Oid::from_str(&pull.head_sha)?;
        let base = Oid::from_str(&pull.base_sha)?;
        let commits = git::between(&git, base, head)?;
        let from = git.merge_base(base, head).ok();
        let old = from
            .map(|oid| git.find_commit(oid).and_then(|commit| commit.tree()))
            .transpose()?;
        let changes = git::diff(&git, old.as_ref(), Some(&git.find_commit(head)?.tree()?))?;
        Ok((commits, changes))
    }

    /// Whether the head merges into the base branch as it is now, without conflicts.
    pub(crate) fn mergeable(&self, repo: &Repo, pull: &Pull) -> Option<bool> {
        let git = self.open_git(repo).ok()?;
        let base = Oid::from_str(&git::branch_head(&git, &pull.base_ref)?).ok()?;
        let head = Oid::from_str(&pull.head_sha).ok()?;
        git::merge_tree(&git, base, head).ok().map(|tree| tree.is_some())
    }

    pub(crate) fn review_json(&self, repo: &Repo, pull: &Pull, review: &Review) -> Value {
        let html = format!(
            "{}/pull/{}#pullrequestreview-{}",
            self.repo_html(repo),
            pull.number,
            review.id
        );
        let url = format!("{}/pulls/{}", self.repo_url(repo), pull.number);
        let mut json = json!({
            "id": review.id,
            "node_id": node("PullRequestReview", review.id),
            "user": self.living_json(review.author),
            "body": review.body,
            "state": review.verdict.name(),
            "html_url": html,
            "pull_request_url": url,
            "author_association": self.association(repo, review.author),
            "_links": { "html": { "href": html }, "pull_request": { "href": url } },
            "commit_id": review.commit,
        });
        if let (Some(at), Some(fields)) = (review.submitted_at, json.as_object_mut()) {
            fields.insert("submitted_at".to_owned(), Value::String(stamp(at)));
        }
        json
    }

    pub(crate) fn comment_json(&self, repo: &Repo, comment: &Comment) -> Value {
        let html = format!(
            "{}/pull/{}#issuecomment-{}",
            self.repo_html(repo),
            comment.number,
            comment.id
        );
        json!({
            "id": comment.id,
            "node_id": node("IssueComment", comment.id),
            "url": format!("{}/issues/comments/{}", self.repo_url(repo), comment.id),
            "html_url": html,
            "issue_url": format!("{}/issues/{}", self.repo_url(repo), comment.number),
            "user": self.user_json(comment.author),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "author_association": self.association(repo, comment.author),
            "body": comment.body,
            "performed_via_github_app": self.app_or_null(comment.app),
            "reactions": self.reactions_json(&format!("{}/issues/comments/{}", self.repo_url(repo), comment.id)),
        })
    }

    pub(super) fn reactions_json(&self, url: &str) -> Value {
        json!({
            "url": format!("{url}/reactions"),
            "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
        })
    }

    /// The issue that every pull request also is, as comment events carry it.
    pub(crate) fn issue_json(&self, repo: &Repo, pull: &Pull) -> Value {
        let url = format!("{}/issues/{}", self.repo_url(repo), pull.number);
        let html = format!("{}/pull/{}", self.repo_html(repo), pull.number);
        let comments = repo
            .comments
            .values()
            .filter(|comment| comment.number == pull.number)
            .count();
        json!({
            "id": pull.id,
            "node_id": node("PullRequest", pull.id),
            "number": pull.number,
            "url": url,
            "repository_url": self.repo_url(repo),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"),
            "html_url": html,
            "title": pull.title,
            "user": self.user_json(pull.author),
            "labels": [],
            "state": pull.state(),
            "locked": false,
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "comments": comments,
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": pull.closed.map(stamp),
            "closed_by": pull.closed_by.map(|account| self.user_json(account)),
            "author_association": self.association(repo, pull.author),
            "active_lock_reason": null,
            "draft": pull.draft,
            "body": pull.body,
            "performed_via_github_app": null,
            "state_reason": null,
            "reactions": self.reactions_json(&url),
            "pull_request": {
                "url": format!("{}/pulls/{}", self.repo_url(repo), pull.number),
                "html_url": html,
                "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"),
                "merged_at": pull.merged.as_ref().map(|merged| stamp(merged.at)),
            },
        })
    }
}
