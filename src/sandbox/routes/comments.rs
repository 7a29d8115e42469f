//! Comments on pull requests, which GitHub keeps with the issues.
use serde_json::json;

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::state::{Access, Comment, State};
use super::{At, number, pulls};

pub(super) fn issues(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", [n, "comments"]) => {
            let repo = state.repo(at.reach(state, call, "comment", Access::Read)?)?;
            let n = number(n)?;
            state.pull(repo.id, n)?;
            let mine = repo.comments.values().filter(|comment| comment.number == n);
            Ok(Answer::list(
                call,
                mine.map(|comment| state.comment_json(repo, comment)).collect(),
            ))
        }
        ("POST", [n, "comments"]) => create(state, call, at, number(n)?),
        ("GET", ["comments", id]) => {
            let repo = state.repo(at.reach(state, call, "comment", Access::Read)?)?;
            let comment = repo.comments.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(state.comment_json(repo, comment)))
        }
        ("PATCH", ["comments", id]) => edit(state, call, at, number(id)?),
        _ => Err(Refusal::not_found()),
    }
}

fn create(state: &mut State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let id = at.reach(state, call, "comment", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    pulls::check_body(call)?;
    let body = call.text("body").filter(|body| !body.trim().is_empty());
    let body = body
        .ok_or_else(|| Refusal::invalid("IssueComment", "body", "missing_field"))?
        .to_owned();
    state.pull(id, n)?;
    let now = state.now();
    let comment = Comment {
        id: state.id(),
        number: n,
        author: actor,
        app: state.calling_app(&call.caller),
        body,
        created_at: now,
        updated_at: now,
    };
    let comment_id = comment.id;
    state.repo_mut(id)?.comments.insert(comment_id, comment);
    state.pull_mut(id, n)?.updated_at = now;
    emit(state, id, comment_id, "created", actor, json!({}))?;
    let repo = state.repo(id)?;
    let comment = repo.comments.get(&comment_id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::created(state.comment_json(repo, comment)))
}

fn edit(state: &mut State, call: &Call, at: At<'_>, comment_id: u64) -> Routed {
    let id = at.reach(state, call, "comment", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    pulls::check_body(call)?;
    let now = state.now();
    let repo = state.repo_mut(id)?;
    let comment = repo
        .comments
        .get_mut(&comment_id)
        .ok_or_else(Refusal::not_found)?;
    let author = comment.author;
    if author != actor {
        at.reach(state, call, "comment_of_others", Access::Write)?;
    }
    let repo = state.repo_mut(id)?;
    let comment = repo
        .comments
        .get_mut(&comment_id)
        .ok_or_else(Refusal::not_found)?;
    let from = std::mem::replace(
        &mut comment.body,
        call.text("body").unwrap_or_default().to_owned(),
    );
    comment.updated_at = now;
    emit(
        state,
        id,
        comment_id,
        "edited",
        actor,
        json!({ "changes": { "body": { "from": from } } }),
    )?;
    let repo = state.repo(id)?;
    let comment = repo.comments.get(&comment_id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(state.comment_json(repo, comment)))
}

fn emit(
    state: &mut State,
    id: u64,
    comment: u64,
    action: &str,
    actor: u64,
    more: serde_json::Value,
) -> Result<(), Refusal> {
    let repo = state.repo(id)?;
    let comment = repo.comments.get(&comment).ok_or_else(Refusal::not_found)?;
    let pull = state.pull(id, comment.number)?;
    let payload = json!({
        "action": action,
        "issue": state.issue_json(repo, pull),
        "comment": state.comment_json(repo, comment),
    });
    state.emit(
        "issue_comment",
        id,
        actor,
        super::super::json::merged(payload, more),
    )
}
