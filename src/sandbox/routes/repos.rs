//! Repositories, branches, activity, collaborators.
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::git;
use super::super::json::{field, merged};
use super::super::state::{Access, Merging, State};
use super::At;

pub(super) fn get(state: &State, call: &Call, at: At<'_>) -> Routed {
    let id = at.reach(state, call, "metadata", Access::Read)?;
    Ok(Answer::ok(state.repo_full_json(state.repo(id)?)))
}

pub(super) fn edit(state: &mut State, call: &Call, at: At<'_>) -> Routed {
    let id = at.reach(state, call, "administration", Access::Write)?;
    let flag = |name: &str, now: bool| field(&call.body, name).as_bool().unwrap_or(now);
    let merging = &mut state.repo_mut(id)?.merging;
    *merging = Merging {
        merge: flag("allow_merge_commit", merging.merge),
        squash: flag("allow_squash_merge", merging.squash),
        rebase: flag("allow_rebase_merge", merging.rebase),
        deletes_branches: flag("delete_branch_on_merge", merging.deletes_branches),
    };
    if !(merging.merge || merging.squash || merging.rebase) {
        return Err(Refusal::new(
            422,
            "Sorry, you need to allow at least one merge strategy.",
        ));
    }
    Ok(Answer::ok(state.repo_full_json(state.repo(id)?)))
}

pub(super) fn activity(state: &State, call: &Call, at: At<'_>) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let reference = call.param("ref").map(|name| {
        if name.starts_with("refs/") {
            name.to_owned()
        } else {
            format!("refs/heads/{name}")
        }
    });
    let mut found: Vec<&super::super::state::Activity> = repo
        .activity
        .iter()
        .filter(|activity| reference.as_ref().is_none_or(|name| *name == activity.reference))
        .filter(|activity| {
            call.param("activity_type")
                .is_none_or(|kind| kind == activity.kind.name())
        })
        .filter(|activity| {
            call.param("actor").is_none_or(|login| {
                state
                    .account(activity.actor)
                    .is_some_and(|account| account.login.eq_ignore_ascii_case(login))
            })
        })
        .collect();
    if call.param("direction") != Some("asc") {
        found.reverse();
    }
    if let Some(after) = call.number("after") {
        found = found
            .into_iter()
            .skip_while(|activity| activity.id != after)
            .skip(1)
            .collect();
    }
    let per_page = usize::try_from(call.number("per_page").unwrap_or(30).clamp(1, 100)).unwrap_or(30);
    let more = found.len() > per_page;
    found.truncate(per_page);
    let mut answer = Answer::ok(
        found
            .iter()
            .map(|activity| state.activity_json(activity))
            .collect(),
    );
    if let (true, Some(last)) = (more, found.last()) {
        answer.link = Some(format!("<{}>; rel=\"next\"", call.with("after", last.id)));
    }
    Ok(answer)
}

pub(super) fn permission(state: &State, call: &Call, at: At<'_>, login: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "metadata", Access::Read)?)?;
    let user = state.account_named(login).ok_or_else(Refusal::not_found)?.id;
    let permission = state.permission(repo, user);
    Ok(Answer::ok(json!({
        "permission": permission.legacy(),
        "role_name": permission.name(),
        "user": state.collaborator_json(user, permission),
    })))
}

pub(super) fn branches(state: &State, call: &Call, at: At<'_>) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let items = repo
        .refs
        .iter()
        .filter_map(|(name, sha)| name.strip_prefix("refs/heads/").map(|branch| (branch, sha)))
        .map(|(branch, sha)| {
            json!({
                "name": branch,
                "commit": { "sha": sha, "url": format!("{}/commits/{sha}", state.repo_url(repo)) },
                "protected": state.is_protected(repo, branch),
            })
        })
        .collect();
    Ok(Answer::list(call, items))
}

pub(super) fn branch(state: &State, call: &Call, at: At<'_>, branch: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let head = git::branch_head(&git, branch).ok_or_else(|| Refusal::new(404, "Branch not found"))?;
    let commit = git.find_commit(git2::Oid::from_str(&head)?)?;
    let url = format!("{}/branches/{branch}", state.repo_url(repo));
    let protection = repo.protections.get(branch);
    let contexts: Vec<&str> = protection
        .and_then(|protection| protection.checks.as_ref())
        .map(|checks| checks.iter().map(|check| check.context.as_str()).collect())
        .unwrap_or_default();
    let checks: Vec<Value> = protection
        .and_then(|protection| protection.checks.as_ref())
        .map(|checks| {
            checks
                .iter()
                .map(|check| json!({ "context": check.context, "app_id": check.app_id }))
                .collect()
        })
        .unwrap_or_default();
    Ok(Answer::ok(merged(
        json!({ "name": branch, "commit": state.commit_json(repo, &commit) }),
        json!({
            "_links": { "self": url, "html": format!("{}/tree/{branch}", state.repo_html(repo)) },
            "protected": state.is_protected(repo, branch),
            "protection": {
                "enabled": protection.is_some(),
                "required_status_checks": {
                    "enforcement_level": if contexts.is_empty() { "off" } else { "everyone" },
                    "contexts": contexts,
                    "checks": checks,
                },
            },
            "protection_url": format!("{url}/protection"),
        }),
    )))
}
