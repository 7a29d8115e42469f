//! Users, bots, organisations and teams.
use serde_json::{Value, json};

use super::{merged, node};
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{GHOST, Kind, Org, Permission, Repo, State, Team};

impl State {
    pub(crate) fn api(&self) -> String {
        format!("{}/api/v3", self.base)
    }

    /// A simple user; a deleted one shows as the ghost.
    pub(crate) fn user_json(&self, id: u64) -> Value {
        let account = self
            .account(id)
            .filter(|account| !account.deleted)
            .or_else(|| self.account(GHOST));
        let Some(account) = account else {
            return Value::Null;
        };
        let path = account.login.replace('[', "%5B").replace(']', "%5D");
        let url = format!("{}/users/{path}", self.api());
        let html = match account.login.strip_suffix("[bot]") {
            Some(slug) => format!("{}/apps/{slug}", self.base),
            None => format!("{}/{}", self.base, account.login),
        };
        json!({
            "login": account.login,
            "id": account.id,
            "node_id": node(account.kind.name(), account.id),
            "avatar_url": format!("{}/avatars/u/{}", self.base, account.id),
            "gravatar_id": "",
            "url": url,
            "html_url": html,
            "followers_url": format!("{url}/followers"),
            "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"),
            "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"),
            "organizations_url": format!("{url}/orgs"),
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"),
            "type": account.kind.name(),
            "user_view_type": "public",
            "site_admin": account.site_admin,
        })
    }

    /// A simple user, or null when the account is gone: what reviews and activity show.
    pub(crate) fn living_json(&self, id: u64) -> Value {
        match self.account(id) {
            Some(account) if !account.deleted => self.user_json(id),
            Some(_) | None => Value::Null,
        }
    }

    pub(crate) fn public_user_json(&self, id: u64) -> Value {
        let Some(account) = self.account(id) else {
            return Value::Null;
        };
        let repos = self
            .repos
            .values()
            .filter(|repo| repo.owner == id && !repo.private)
            .count();
        merged(
            self.user_json(id),
            json!({
                "name": account.name,
                "company": null,
                "blog": "",
                "location": null,
                "email": null,
                "hireable": null,
                "bio": null,
                "twitter_username": null,
                "public_repos": repos,
                "public_gists": 0,
                "followers": 0,
                "following": 0,
                "created_at": stamp(account.created_at),
                "updated_at": stamp(account.created_at),
            }),
        )
    }

    pub(crate) fn private_user_json(&self, id: u64) -> Value {
        merged(
            self.public_user_json(id),
            json!({
                "private_gists": 0,
                "total_private_repos": 0,
                "owned_private_repos": 0,
                "disk_usage": 0,
                "collaborators": 0,
                "two_factor_authentication": true,
            }),
        )
    }

    /// The short organisation of webhook payloads and memberships.
    pub(crate) fn org_simple_json(&self, id: u64) -> Value {
        let login = self.account(id).map_or("ghost", |account| account.login.as_str());
        let url = format!("{}/orgs/{login}", self.api());
        json!({
            "login": login,
            "id": id,
            "node_id": node("Organization", id),
            "url": url,
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events"),
            "hooks_url": format!("{url}/hooks"),
            "issues_url": format!("{url}/issues"),
            "members_url": format!("{url}/members{{/member}}"),
            "public_members_url": format!("{url}/public_members{{/member}}"),
            "avatar_url": format!("{}/avatars/u/{id}", self.base),
            "description": null,
        })
    }

    pub(crate) fn org_json(&self, id: u64) -> Value {
        let created = self
            .account(id)
            .map_or_else(|| self.now(), |account| account.created_at);
        let login = self.account(id).map_or("ghost", |account| account.login.as_str());
        let base = self.orgs.get(&id).map_or(Permission::None, |org: &Org| org.base);
        merged(
            self.org_simple_json(id),
            json!({
                "name": login,
                "has_organization_projects": true,
                "has_repository_projects": true,
                "public_repos": 0,
                "public_gists": 0,
                "followers": 0,
                "following": 0,
                "html_url": format!("{}/{login}", self.base),
                "created_at": stamp(created),
                "updated_at": stamp(created),
                "archived_at": null,
                "type": "Organization",
                "default_repository_permission": base.name(),
            }),
        )
    }

    fn team_urls(&self, team: &Team) -> Value {
        let org = self
            .account(team.org)
            .map_or("ghost", |account| account.login.as_str());
        let url = format!("{}/organizations/{}/team/{}", self.api(), team.org, team.id);
        json!({
            "name": team.name,
            "id": team.id,
            "node_id": node("Team", team.id),
            "slug": team.slug,
            "description": "",
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": "pull",
            "type": "organization",
            "organization_id": team.org,
            "url": url,
            "html_url": format!("{}/orgs/{org}/teams/{}", self.base, team.slug),
            "members_url": format!("{url}/members{{/member}}"),
            "repositories_url": format!("{url}/repos"),
        })
    }

    pub(crate) fn team_json(&self, team: &Team) -> Value {
        let parent = team.parent.and_then(|parent| self.teams.get(&parent));
        let parent = parent.map_or(Value::Null, |parent| self.team_urls(parent));
        merged(self.team_urls(team), json!({ "parent": parent }))
    }

    pub(crate) fn team_full_json(&self, team: &Team) -> Value {
        let repos = self
            .repos
            .values()
            .filter(|repo: &&Repo| repo.teams.contains_key(&team.id))
            .count();
        merged(
            self.team_json(team),
            json!({
                "members_count": team.members.len(),
                "repos_count": repos,
                "created_at": stamp(team.created_at),
                "updated_at": stamp(team.created_at),
                "organization": self.org_json(team.org),
            }),
        )
    }

    pub(crate) fn collaborator_json(&self, user: u64, permission: Permission) -> Value {
        merged(
            self.user_json(user),
            json!({
                "permissions": {
                    "pull": permission >= Permission::Read,
                    "triage": permission >= Permission::Triage,
                    "push": permission >= Permission::Write,
                    "maintain": permission >= Permission::Maintain,
                    "admin": permission >= Permission::Admin,
                },
                "role_name": permission.name(),
            }),
        )
    }

    /// How the author stands to the repository.
    pub(crate) fn association(&self, repo: &Repo, user: u64) -> &'static str {
        let kind = self.account(user).map(|account| account.kind);
        if repo.owner == user {
            "OWNER"
        } else if self.org_member(repo.owner, user) {
            "MEMBER"
        } else if repo.collaborators.contains_key(&user) {
            "COLLABORATOR"
        } else if kind == Some(Kind::Bot) {
            "CONTRIBUTOR"
        } else {
            "NONE"
        }
    }
}
