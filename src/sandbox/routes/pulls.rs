//! Pull requests and who is asked to review them.
use super::super::json::field;
use git2::Oid;
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::git;
use super::super::state::{Access, Permission, Pull, State};
use super::{At, merge, number, reviews};

pub(super) fn pulls(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", []) => list(state, call, at),
        ("POST", []) => create(state, call, at),
        ("GET", [n]) => get(state, call, at, number(n)?),
        ("PATCH", [n]) => edit(state, call, at, number(n)?),
        ("GET", [n, "files"]) => files(state, call, at, number(n)?),
        ("GET", [n, "commits"]) => commits(state, call, at, number(n)?),
        ("GET", [n, "comments"]) => {
            let id = at.reach(state, call, "pull_requests", Access::Read)?;
            state.pull(id, number(n)?)?;
            Ok(Answer::list(call, Vec::new()))
        }
        ("GET", [n, "merge"]) => {
            let id = at.reach(state, call, "pull_requests", Access::Read)?;
            let merged = state.pull(id, number(n)?)?.merged.is_some();
            if merged {
                Ok(Answer::empty(204))
            } else {
                Err(Refusal::not_found())
            }
        }
        ("PUT", [n, "merge"]) => merge::merge(state, call, at, number(n)?),
        ("PUT", [n, "update-branch"]) => merge::update_branch(state, call, at, number(n)?),
        ("GET", [n, "requested_reviewers"]) => requested(state, call, at, number(n)?),
        ("POST" | "DELETE", [n, "requested_reviewers"]) => {
            request(state, call, at, number(n)?, method == "POST")
        }
        (_, [n, "reviews", rest @ ..]) => reviews::reviews(state, call, at, method, number(n)?, rest),
        _ => Err(Refusal::not_found()),
    }
}

fn list(state: &State, call: &Call, at: At<'_>) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let wanted = call.param("state").unwrap_or("open");
    let head = call
        .param("head")
        .map(|head| head.rsplit_once(':').map_or(head, |(_, branch)| branch));
    let mut found: Vec<&Pull> = repo
        .pulls
        .values()
        .filter(|pull| wanted == "all" || wanted == pull.state())
        .filter(|pull| head.is_none_or(|head| head == pull.head_ref))
        .filter(|pull| call.param("base").is_none_or(|base| base == pull.base_ref))
        .collect();
    if call.param("sort") == Some("updated") {
        found.sort_by_key(|pull| (pull.updated_at, pull.number));
    }
    if call.param("direction") != Some("asc") {
        found.reverse();
    }
    Ok(Answer::list(
        call,
        found
            .into_iter()
            .map(|pull| state.pull_json(repo, pull))
            .collect(),
    ))
}

pub(super) fn of_commit(state: &State, call: &Call, at: At<'_>, sha: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let of = |pull: &&Pull| {
        pull.merged.as_ref().is_some_and(|merged| merged.sha == sha)
            || state
                .pull_contents(repo, pull)
                .is_ok_and(|(commits, _)| commits.iter().any(|commit| commit.to_string() == sha))
    };
    Ok(Answer::list(
        call,
        repo.pulls
            .values()
            .filter(of)
            .map(|pull| state.pull_json(repo, pull))
            .collect(),
    ))
}

fn create(state: &mut State, call: &Call, at: At<'_>) -> Routed {
    let id = at.reach(
        state,
        call,
        "pull_requests",
        if call.caller_is_user() {
            Access::Read
        } else {
            Access::Write
        },
    )?;
    let actor = state.actor(&call.caller)?;
    let repo = state.repo(id)?;
    let git = state.open_git(repo)?;
    let base = call.text("base").unwrap_or_default().to_owned();
    let head = call.text("head").unwrap_or_default();
    let head = head
        .rsplit_once(':')
        .map_or(head, |(_, branch)| branch)
        .to_owned();
    let base_sha =
        git::branch_head(&git, &base).ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
    let head_sha =
        git::branch_head(&git, &head).ok_or_else(|| Refusal::invalid("PullRequest", "head", "invalid"))?;
    let title = call
        .text("title")
        .map(str::trim)
        .filter(|title| !title.is_empty());
    let title = title
        .ok_or_else(|| Refusal::invalid("PullRequest", "title", "missing_field"))?
        .to_owned();
    check_body(call)?;
    let taken = repo
        .pulls
        .values()
        .any(|pull| pull.open() && pull.head_ref == head && pull.base_ref == base);
    if taken {
        let owner = at.owner;
        return Err(Refusal::custom(
            "PullRequest",
            format!("A pull request already exists for {owner}:{head}."),
        ));
    }
    if git::between(&git, Oid::from_str(&base_sha)?, Oid::from_str(&head_sha)?)?.is_empty() {
        return Err(Refusal::custom(
            "PullRequest",
            format!("No commits between {base} and {head}"),
        ));
    }
    let now = state.now();
    let pull_id = state.id();
    let repo = state.repo_mut(id)?;
    let number = repo.next_number;
    repo.next_number += 1;
    let pull = Pull {
        id: pull_id,
        number,
        author: actor,
        title,
        body: call.text("body").map(str::to_owned),
        head_ref: head,
        head_sha,
        base_ref: base,
        base_sha,
        draft: field(&call.body, "draft").as_bool().unwrap_or(false),
        closed: None,
        closed_by: None,
        merged: None,
        created_at: now,
        updated_at: now,
        reviews: Vec::new(),
        wanted_users: Default::default(),
        wanted_teams: Default::default(),
    };
    repo.pulls.insert(number, pull);
    state.keep_pull_ref(id, number)?;
    state.emit_pull(id, number, "opened", actor, json!({}))?;
    Ok(Answer::created(
        state.pull_full_json(state.repo(id)?, state.pull(id, number)?),
    ))
}

/// GitHub's limit on bodies of pull requests and comments.
pub(super) fn check_body(call: &Call) -> Result<(), Refusal> {
    match call.text("body") {
        Some(body) if body.chars().count() > 65_536 => Err(Refusal::custom(
            "PullRequest",
            "body is too long (maximum is 65536 characters)",
        )),
        Some(_) | None => Ok(()),
    }
}

fn get(state: &State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let pull = state.pull(repo.id, n)?;
    if call.accept.contains("diff") {
        let (_, changes) = state.pull_contents(repo, pull)?;
        let text: String = changes
            .iter()
            .map(|change| {
                format!(
                    "diff --git a/{0} b/{0}\n{1}\n",
                    change.path,
                    change.patch.as_deref().unwrap_or_default()
                )
            })
            .collect();
        return Ok(Answer::raw(
            "application/vnd.github.diff; charset=utf-8",
            text.into_bytes(),
        ));
    }
    Ok(Answer::ok(state.pull_full_json(repo, pull)))
}

fn edit(state: &mut State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let id = at.reach(state, call, "pull_requests", Access::Read)?;
    let actor = state.actor(&call.caller)?;
    let author = state.pull(id, n)?.author;
    if actor != author || !call.caller_is_user() {
        at.reach(state, call, "pull_requests", Access::Write)?;
    }
    check_body(call)?;
    let now = state.now();
    let mut changes = serde_json::Map::new();
    let new_base = call.text("base").map(str::to_owned);
    if let Some(base) = &new_base {
        let git = state.open_git(state.repo(id)?)?;
        let sha = git::branch_head(&git, base);
        let sha = sha.ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
        let pull = state.pull_mut(id, n)?;
        if *base != pull.base_ref {
            let from = json!({ "ref": { "from": pull.base_ref }, "sha": { "from": pull.base_sha } });
            changes.insert("base".to_owned(), from);
            pull.base_ref.clone_from(base);
            pull.base_sha = sha;
        }
    }
    let pull = state.pull_mut(id, n)?;
    if let Some(title) = call.text("title").filter(|title| *title != pull.title) {
        changes.insert("title".to_owned(), json!({ "from": pull.title }));
        title.clone_into(&mut pull.title);
    }
    if call.body.get("body").is_some() {
        let body = call.text("body").map(str::to_owned);
        if body != pull.body {
            changes.insert(
                "body".to_owned(),
                json!({ "from": pull.body.clone().unwrap_or_default() }),
            );
            pull.body = body;
        }
    }
    if !changes.is_empty() {
        pull.updated_at = now;
        state.emit_pull(
            id,
            n,
            "edited",
            actor,
            json!({ "changes": Value::Object(changes) }),
        )?;
    }
    match call.text("state") {
        Some("closed") => close(state, id, n, actor)?,
        Some("open") => reopen(state, id, n, actor)?,
        Some(_) => return Err(Refusal::invalid("PullRequest", "state", "invalid")),
        None => {}
    }
    Ok(Answer::ok(
        state.pull_full_json(state.repo(id)?, state.pull(id, n)?),
    ))
}

fn close(state: &mut State, id: u64, n: u64, actor: u64) -> Result<(), Refusal> {
    let now = state.now();
    let pull = state.pull_mut(id, n)?;
    if pull.open() {
        pull.closed = Some(now);
        pull.closed_by = Some(actor);
        pull.updated_at = now;
        state.emit_pull(id, n, "closed", actor, json!({}))?;
    }
    Ok(())
}

fn reopen(state: &mut State, id: u64, n: u64, actor: u64) -> Result<(), Refusal> {
    let now = state.now();
    let git = state.open_git(state.repo(id)?)?;
    let pull = state.pull_mut(id, n)?;
    if pull.open() {
        return Ok(());
    }
    let head = git::branch_head(&git, &pull.head_ref);
    let Some(head) = head.filter(|_| pull.merged.is_none()) else {
        return Err(Refusal::custom(
            "PullRequest",
            "state cannot be changed. The branch was merged or deleted.",
        ));
    };
    pull.head_sha = head;
    pull.closed = None;
    pull.closed_by = None;
    pull.updated_at = now;
    state.keep_pull_ref(id, n)?;
    state.emit_pull(id, n, "reopened", actor, json!({}))
}

impl State {
    /// Turns a pull request into a draft or out of it, as the web page does.
    pub(crate) fn set_draft(&mut self, id: u64, n: u64, actor: u64, draft: bool) -> Result<(), Refusal> {
        let pull = self.pull_mut(id, n)?;
        if pull.draft == draft {
            return Ok(());
        }
        pull.draft = draft;
        self.emit_pull(
            id,
            n,
            if draft {
                "converted_to_draft"
            } else {
                "ready_for_review"
            },
            actor,
            json!({}),
        )
    }
}

fn files(state: &State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let pull = state.pull(repo.id, n)?;
    let (_, changes) = state.pull_contents(repo, pull)?;
    Ok(Answer::list(
        call,
        changes
            .iter()
            .map(|change| state.file_json(repo, &pull.head_sha, change))
            .collect(),
    ))
}

fn commits(state: &State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let (mut commits, _) = state.pull_contents(repo, state.pull(repo.id, n)?)?;
    commits.truncate(250);
    let git = state.open_git(repo)?;
    Ok(Answer::list(call, state.commits_json(repo, &git, &commits)?))
}

fn requested(state: &State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let pull = state.pull_json(repo, state.pull(repo.id, n)?);
    Ok(Answer::ok(
        json!({ "users": field(&pull, "requested_reviewers"), "teams": field(&pull, "requested_teams") }),
    ))
}

fn request(state: &mut State, call: &Call, at: At<'_>, n: u64, adding: bool) -> Routed {
    let id = at.reach(state, call, "pull_requests", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let repo = state.repo(id)?;
    let author = state.pull(id, n)?.author;
    let mut users = Vec::new();
    for login in call.texts("reviewers") {
        let user = state.account_named(&login).map(|account| account.id);
        let user = user.filter(|user| state.permission(repo, *user) >= Permission::Read);
        let outsider = || {
            Refusal::new(
                422,
                format!(
                    "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the {}/{} repository.",
                    at.owner, at.name
                ),
            )
        };
        let user = user.ok_or_else(outsider)?;
        if user == author && adding {
            return Err(Refusal::new(
                422,
                "Review cannot be requested from pull request author.",
            ));
        }
        users.push(user);
    }
    let mut teams = Vec::new();
    for slug in call.texts("team_reviewers") {
        let team = state.team_named(repo.owner, &slug).map(|team| team.id);
        let team = team.filter(|team| repo.teams.contains_key(team));
        teams.push(team.ok_or_else(|| {
            Refusal::new(
                422,
                format!("Could not resolve to a node with the global id of '{slug}'."),
            )
        })?);
    }
    let pull = state.pull_mut(id, n)?;
    let mut fresh: Vec<(&str, u64)> = Vec::new();
    for user in users {
        let changed = if adding {
            pull.wanted_users.insert(user)
        } else {
            pull.wanted_users.remove(&user)
        };
        if changed {
            fresh.push(("requested_reviewer", user));
        }
    }
    for team in teams {
        let changed = if adding {
            pull.wanted_teams.insert(team)
        } else {
            pull.wanted_teams.remove(&team)
        };
        if changed {
            fresh.push(("requested_team", team));
        }
    }
    let action = if adding {
        "review_requested"
    } else {
        "review_request_removed"
    };
    for (field, whom) in fresh {
        let shown = if field == "requested_team" {
            state
                .teams
                .get(&whom)
                .map_or(Value::Null, |team| state.team_json(team))
        } else {
            state.user_json(whom)
        };
        state.emit_pull(id, n, action, actor, json!({ field: shown }))?;
    }
    let json = state.pull_json(state.repo(id)?, state.pull(id, n)?);
    Ok(Answer::with(if adding { 201 } else { 200 }, json))
}
