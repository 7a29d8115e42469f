//! Issues: those of their own, and those that pull requests are too. Nobody is told of new ones: no app of ours subscribes.
use serde_json::Value;

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::state::{Access, Issue, Label, Repo, State};
use super::{At, comments, number, pulls};

pub(super) fn issues(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", []) => list(state, call, at),
        ("POST", []) => create(state, call, at),
        ("GET", [n]) => get(state, call, at, number(n)?),
        _ => comments::issues(state, call, at, method, rest),
    }
}

fn get(state: &State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let repo = state.repo(at.reach(state, call, "comment", Access::Read)?)?;
    Ok(Answer::ok(match repo.issues.get(&n) {
        Some(issue) => state.plain_issue_json(repo, issue),
        None => state.issue_json(repo, state.pull(repo.id, n)?),
    }))
}

fn list(state: &State, call: &Call, at: At<'_>) -> Routed {
    let repo = state.repo(at.reach(state, call, "issues", Access::Read)?)?;
    let open = call.param("state").unwrap_or("open");
    let labels: Vec<&str> = call
        .param("labels")
        .map_or_else(Vec::new, |names| names.split(',').collect());
    let by = |author: u64| {
        call.param("creator").is_none_or(|login| {
            state
                .account(author)
                .is_some_and(|account| account.login == login)
        })
    };
    let mut found: Vec<(u64, Value)> = plain(repo, &labels)
        .filter(|issue| open != "closed" && by(issue.author))
        .map(|issue| (issue.number, state.plain_issue_json(repo, issue)))
        .collect();
    if labels.is_empty() {
        let pulls = repo.pulls.values();
        let shown = pulls.filter(|pull| (open == "all" || open == pull.state()) && by(pull.author));
        found.extend(shown.map(|pull| (pull.number, state.issue_json(repo, pull))));
    }
    found.sort_by_key(|(number, _)| *number);
    if call.param("direction") != Some("asc") {
        found.reverse();
    }
    Ok(Answer::list(
        call,
        found.into_iter().map(|(_, json)| json).collect(),
    ))
}

fn plain<'a>(repo: &'a Repo, labels: &'a [&str]) -> impl Iterator<Item = &'a Issue> {
    repo.issues.values().filter(move |issue| {
        labels
            .iter()
            .all(|name| issue.labels.iter().any(|label| label.name == *name))
    })
}

fn create(state: &mut State, call: &Call, at: At<'_>) -> Routed {
    let id = at.reach(state, call, "issues", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    pulls::check_body(call)?;
    let title = call
        .text("title")
        .map(str::trim)
        .filter(|title| !title.is_empty());
    let title = title
        .ok_or_else(|| Refusal::invalid("Issue", "title", "missing_field"))?
        .to_owned();
    let names = call.body.get("labels").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let labels: Vec<Label> = names
        .map(|name| Label {
            id: state.id(),
            name: name.to_owned(),
        })
        .collect();
    let issue_id = state.id();
    let (now, app) = (state.now(), state.calling_app(&call.caller));
    let repo = state.repo_mut(id)?;
    let number = repo.next_number;
    repo.next_number += 1;
    let issue = Issue {
        id: issue_id,
        number,
        author: actor,
        app,
        title,
        body: call.text("body").map(str::to_owned),
        labels,
        created_at: now,
    };
    repo.issues.insert(number, issue.clone());
    Ok(Answer::created(state.plain_issue_json(state.repo(id)?, &issue)))
}
