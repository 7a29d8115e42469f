//! Organisations, teams and users.
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::{Call, Caller};
use super::super::json::field;
use super::super::state::{Access, Kind, Permission, Standing, State, Team};
use super::number;

pub(super) fn myself(state: &State, call: &Call) -> Routed {
    match &call.caller {
        Caller::User { id } => Ok(Answer::ok(state.private_user_json(*id))),
        Caller::Installation { .. } | Caller::App { .. } => Err(Refusal::integration()),
        Caller::Anonymous => Err(Refusal::unauthenticated()),
    }
}

pub(super) fn user(state: &State, login: &str) -> Routed {
    let account = state.account_named(login).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(state.public_user_json(account.id)))
}

pub(super) fn user_by_id(state: &State, id: &str) -> Routed {
    let account = state
        .account(number(id)?)
        .filter(|account| !account.deleted)
        .ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(state.public_user_json(account.id)))
}

pub(super) fn org(state: &mut State, call: &Call, method: &str, org: &str, rest: &[&str]) -> Routed {
    let account = state
        .account_named(org)
        .filter(|account| account.kind == Kind::Organization);
    let id = account.ok_or_else(Refusal::not_found)?.id;
    match (method, rest) {
        ("GET", []) => Ok(Answer::ok(state.org_json(id))),
        ("GET", ["members"]) => {
            state.may_org(&call.caller, id, "members", Access::Read)?;
            let members = state.orgs.get(&id).into_iter().flat_map(|org| org.members.iter());
            let active = members.filter(|(_, membership)| membership.standing == Standing::Active);
            Ok(Answer::list(
                call,
                active.map(|(user, _)| state.user_json(*user)).collect(),
            ))
        }
        ("GET", ["members", login]) => {
            state.may_org(&call.caller, id, "members", Access::Read)?;
            let member = state
                .account_named(login)
                .is_some_and(|account| state.org_member(id, account.id));
            if member {
                Ok(Answer::empty(204))
            } else {
                Err(Refusal::not_found())
            }
        }
        ("GET", ["memberships", login]) => membership(state, call, id, login),
        ("GET", ["teams"]) => {
            state.may_org(&call.caller, id, "members", Access::Read)?;
            let teams = state.teams.values().filter(|team| team.org == id);
            Ok(Answer::list(
                call,
                teams.map(|team| state.team_json(team)).collect(),
            ))
        }
        ("GET", ["teams", slug]) => Ok(Answer::ok(state.team_full_json(team(state, call, id, slug)?))),
        ("GET", ["teams", slug, "members"]) => {
            let team = team(state, call, id, slug)?.id;
            let members: std::collections::BTreeSet<u64> = state
                .team_tree(team)
                .iter()
                .filter_map(|id| state.teams.get(id))
                .flat_map(|team| team.members.iter())
                .filter(|(_, membership)| membership.standing == Standing::Active)
                .map(|(user, _)| *user)
                .collect();
            Ok(Answer::list(
                call,
                members.into_iter().map(|user| state.user_json(user)).collect(),
            ))
        }
        ("GET", ["teams", slug, "teams"]) => {
            let parent = team(state, call, id, slug)?.id;
            let children = state.teams.values().filter(|team| team.parent == Some(parent));
            Ok(Answer::list(
                call,
                children.map(|team| state.team_json(team)).collect(),
            ))
        }
        ("GET", ["teams", slug, "memberships", login]) => {
            let team = team(state, call, id, slug)?;
            let user = state.account_named(login).ok_or_else(Refusal::not_found)?;
            let (standing, leads) = state
                .team_membership(team.id, user.id)
                .ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(json!({
                "url": format!("{}/organizations/{id}/team/{}/memberships/{}", state.api(), team.id, user.login),
                "role": if leads { "maintainer" } else { "member" },
                "state": standing.name(),
            })))
        }
        ("GET", ["teams", slug, "repos", owner, name]) => {
            let team = team(state, call, id, slug)?;
            let repo = state.repo_named(owner, name).ok_or_else(Refusal::not_found)?;
            let permission = repo.teams.get(&team.id).copied().unwrap_or(Permission::None);
            if permission == Permission::None {
                Err(Refusal::not_found())
            } else {
                Ok(Answer::empty(204))
            }
        }
        _ => Err(Refusal::not_found()),
    }
}

fn team<'a>(state: &'a State, call: &Call, org: u64, slug: &str) -> Result<&'a Team, Refusal> {
    state.may_org(&call.caller, org, "members", Access::Read)?;
    state.team_named(org, slug).ok_or_else(Refusal::not_found)
}

fn membership(state: &State, call: &Call, org: u64, login: &str) -> Routed {
    state.may_org(&call.caller, org, "members", Access::Read)?;
    let user = state.account_named(login).ok_or_else(Refusal::not_found)?;
    let membership = state.orgs.get(&org).and_then(|org| org.members.get(&user.id));
    let membership = membership.ok_or_else(Refusal::not_found)?;
    let url = field(&state.org_simple_json(org), "url").clone();
    Ok(Answer::ok(json!({
        "url": format!("{}/memberships/{}", url.as_str().unwrap_or_default(), user.login),
        "state": membership.standing.name(),
        "role": if membership.leads { "admin" } else { "member" },
        "organization_url": url,
        "organization": state.org_simple_json(org),
        "user": state.user_json(user.id),
    })))
}

impl State {
    /// Tells installations about a membership of the organisation that began or ended.
    pub(crate) fn emit_membership(&mut self, team: u64, user: u64, added: bool, sender: u64) {
        let Some(found) = self.teams.get(&team) else {
            return;
        };
        let org = found.org;
        let payload = json!({
            "action": if added { "added" } else { "removed" },
            "scope": "team",
            "member": self.user_json(user),
            "team": self.team_json(found),
        });
        self.emit_org("membership", org, sender, payload);
    }

    /// Tells installations about a team that was made or changed.
    pub(crate) fn emit_team(&mut self, team: u64, action: &str, sender: u64, more: Value) {
        let Some(found) = self.teams.get(&team) else {
            return;
        };
        let org = found.org;
        let payload = json!({ "action": action, "team": self.team_json(found) });
        self.emit_org("team", org, sender, super::super::json::merged(payload, more));
    }
}
