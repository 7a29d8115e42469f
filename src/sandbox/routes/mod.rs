//! The REST API: one table from method and path to what answers.
mod actions;
mod apps;
mod checks;
mod comments;
mod contents;
mod issues;
mod merge;
mod orgs;
mod pulls;
mod refs;
mod repos;
mod reviews;
mod rules;

use serde_json::json;

use super::answer::{Answer, Refusal, Routed};
use super::call::Call;
use super::limits::Budget;
use super::state::State;

/// Answers one request; `budget` is the caller's rate limit after it.
pub(crate) fn route(state: &mut State, call: &Call, budget: Budget) -> Routed {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(Answer::ok(root(state))),
        ("GET", ["meta"]) => Ok(Answer::ok(json!({
            "verifiable_password_authentication": false,
            "installed_version": "3.19.0",
        }))),
        ("GET", ["rate_limit"]) => Ok(Answer::ok(rate_limit(budget))),
        ("POST", ["markdown"]) => {
            let html = super::pages::markdown(call.text("text").unwrap_or_default());
            Ok(Answer::raw("text/html; charset=utf-8", html.into_bytes()))
        }
        (method, ["app", rest @ ..]) => apps::app(state, call, method, rest),
        ("GET", ["apps", slug]) => apps::by_slug(state, slug),
        ("GET", ["installation", "repositories"]) => apps::repositories(state, call),
        ("DELETE", ["installation", "token"]) => apps::revoke(state, call),
        ("GET", ["user"]) => orgs::myself(state, call),
        ("GET", ["user", id]) => orgs::user_by_id(state, id),
        ("GET", ["users", login]) => orgs::user(state, login),
        ("GET", ["users", login, "installation"]) => apps::installation_of_account(state, call, login),
        ("GET", ["orgs", org, "installation"]) => apps::installation_of_account(state, call, org),
        (method, ["orgs", org, rest @ ..]) => orgs::org(state, call, method, org, rest),
        (_, ["organizations" | "repositories", ..]) => by_id(state, call, budget, &segments),
        (method, ["repos", owner, name, rest @ ..]) => repository(state, call, method, owner, name, rest),
        _ => Err(Refusal::not_found()),
    }
}

/// The addresses by id that answers hold and clients follow: the same as by name.
fn by_id(state: &mut State, call: &Call, budget: Budget, segments: &[&str]) -> Routed {
    let named = match segments {
        ["organizations", org, "team", team, rest @ ..] => {
            let org = state.account(number(org)?).ok_or_else(Refusal::not_found)?;
            let team = state.teams.get(&number(team)?).filter(|team| team.org == org.id);
            let slug = &team.ok_or_else(Refusal::not_found)?.slug;
            [&["orgs", org.login.as_str(), "teams", slug], rest].concat()
        }
        ["repositories", id, rest @ ..] => {
            let repo = state.repo(number(id)?)?;
            let owner = state.account(repo.owner).ok_or_else(Refusal::not_found)?;
            [&["repos", owner.login.as_str(), repo.name.as_str()], rest].concat()
        }
        _ => return Err(Refusal::not_found()),
    };
    let segments = named.into_iter().map(str::to_owned).collect();
    route(
        state,
        &Call {
            segments,
            ..call.clone()
        },
        budget,
    )
}

fn repository(
    state: &mut State,
    call: &Call,
    method: &str,
    owner: &str,
    name: &str,
    rest: &[&str],
) -> Routed {
    let at = At { owner, name };
    match (method, rest) {
        ("GET", []) => repos::get(state, call, at),
        ("PATCH", []) => repos::edit(state, call, at),
        ("GET", ["installation"]) => apps::installation_of_repo(state, call, at),
        ("GET", ["activity"]) => repos::activity(state, call, at),
        ("GET", ["collaborators", login, "permission"]) => repos::permission(state, call, at, login),
        ("GET", ["branches"]) => repos::branches(state, call, at),
        (_, ["branches", branch @ .., "protection"]) => {
            rules::protection(state, call, at, method, &branch.join("/"))
        }
        ("GET", ["branches", branch @ ..]) => repos::branch(state, call, at, &branch.join("/")),
        ("GET", ["rules", "branches", branch @ ..]) => rules::for_branch(state, call, at, &branch.join("/")),
        (_, ["rulesets", rest @ ..]) => rules::rulesets(state, call, at, method, rest),
        (_, ["git", rest @ ..]) => refs::git(state, call, at, method, rest),
        ("GET", ["contents", path @ ..]) => contents::get(state, call, at, &path.join("/")),
        ("PUT", ["contents", path @ ..]) => contents::put(state, call, at, &path.join("/")),
        ("GET", ["commits"]) => contents::commits(state, call, at),
        ("GET", ["commits", reference @ .., "check-runs"]) => {
            checks::for_ref(state, call, at, &reference.join("/"))
        }
        ("GET", ["commits", reference @ .., "status"]) => {
            checks::combined(state, call, at, &reference.join("/"))
        }
        ("GET", ["commits", reference @ .., "statuses"]) => {
            checks::statuses(state, call, at, &reference.join("/"))
        }
        ("GET", ["commits", reference @ .., "pulls"]) => {
            pulls::of_commit(state, call, at, &reference.join("/"))
        }
        ("GET", ["commits", reference @ ..]) => contents::commit(state, call, at, &reference.join("/")),
        ("GET", ["compare", range @ ..]) => contents::compare(state, call, at, &range.join("/")),
        ("POST", ["statuses", sha]) => checks::set_status(state, call, at, sha),
        (_, ["actions", "workflows", rest @ ..]) => actions::workflows(state, call, at, method, rest),
        (_, ["actions", "runs", rest @ ..]) => actions::runs(state, call, at, method, rest),
        ("GET", ["environments", rest @ ..]) => actions::environment(state, call, at, rest),
        (_, ["check-runs", rest @ ..]) => checks::runs(state, call, at, method, rest),
        (_, ["pulls", rest @ ..]) => pulls::pulls(state, call, at, method, rest),
        (_, ["issues", rest @ ..]) => issues::issues(state, call, at, method, rest),
        _ => Err(Refusal::not_found()),
    }
}

/// The repository a path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    owner: &'a str,
    name: &'a str,
}

impl At<'_> {
    /// The repository's id, if the caller may do this to it.
    fn reach(
        self,
        state: &State,
        call: &Call,
        permission: &str,
        access: super::state::Access,
    ) -> Result<u64, Refusal> {
        state.reach(&call.caller, self.owner, self.name, permission, access)
    }
}

/// A number in a path.
fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}

fn root(state: &State) -> serde_json::Value {
    let api = state.api();
    json!({
        "current_user_url": format!("{api}/user"),
        "repository_url": format!("{api}/repos/{{owner}}/{{repo}}"),
        "rate_limit_url": format!("{api}/rate_limit"),
        "user_url": format!("{api}/users/{{user}}"),
    })
}

fn rate_limit(budget: Budget) -> serde_json::Value {
    let rate = json!({ "limit": budget.limit, "used": budget.used, "remaining": budget.remaining(), "reset": budget.reset });
    json!({ "resources": { "core": rate, "search": rate, "graphql": rate }, "rate": rate })
}
