//! The Git database: refs, commits and blobs.
use git2::Oid;
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::git;
use super::super::guard::Change;
use super::super::json::{field, node};
use super::super::state::{Access, State};
use super::At;

pub(super) fn git(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", ["ref", name @ ..]) => read(state, call, at, &name.join("/")),
        ("GET", ["matching-refs", name @ ..]) => matching(state, call, at, &name.join("/")),
        ("POST", ["refs"]) => create(state, call, at),
        ("PATCH", ["refs", name @ ..]) => update(state, call, at, &name.join("/")),
        ("DELETE", ["refs", name @ ..]) => delete(state, call, at, &name.join("/")),
        ("GET", ["commits", sha]) => commit(state, call, at, sha),
        ("GET", ["blobs", sha]) => blob(state, call, at, sha),
        _ => Err(Refusal::not_found()),
    }
}

fn read(state: &State, call: &Call, at: At<'_>, name: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let name = format!("refs/{name}");
    let sha = repo.refs.get(&name).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(state.ref_json(repo, &name, sha)))
}

fn matching(state: &State, call: &Call, at: At<'_>, prefix: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let prefix = format!("refs/{prefix}");
    let found = repo.refs.iter().filter(|(name, _)| name.starts_with(&prefix));
    Ok(Answer::ok(
        found.map(|(name, sha)| state.ref_json(repo, name, sha)).collect(),
    ))
}

fn existing(state: &State, repo: u64, sha: &str) -> Result<(), Refusal> {
    let git = state.open_git(state.repo(repo)?)?;
    let found = Oid::from_str(sha).ok().and_then(|oid| git.find_commit(oid).ok());
    found
        .map(|_| ())
        .ok_or_else(|| Refusal::new(422, "Object does not exist"))
}

fn create(state: &mut State, call: &Call, at: At<'_>) -> Routed {
    let id = at.reach(state, call, "contents", Access::Write)?;
    let name = call
        .text("ref")
        .ok_or_else(|| Refusal::new(422, "Invalid request.\n\n\"ref\" wasn't supplied."))?;
    let sha = call
        .text("sha")
        .ok_or_else(|| Refusal::new(422, "Invalid request.\n\n\"sha\" wasn't supplied."))?;
    if !git2::Reference::is_valid_name(name) || name.split('/').count() < 3 {
        return Err(Refusal::new(
            422,
            "Reference name must start with 'refs/' and contain at least two slashes",
        ));
    }
    existing(state, id, sha)?;
    let repo = state.repo(id)?;
    if repo.refs.contains_key(name) {
        return Err(Refusal::new(422, "Reference already exists"));
    }
    state
        .guard(&call.caller, repo, name, Change::Create { to: sha })
        .check(false)?;
    let actor = state.actor(&call.caller)?;
    state.move_ref(id, actor, name, Some(sha), None)?;
    Ok(Answer::created(state.ref_json(state.repo(id)?, name, sha)))
}

fn update(state: &mut State, call: &Call, at: At<'_>, name: &str) -> Routed {
    let id = at.reach(state, call, "contents", Access::Write)?;
    let sha = call
        .text("sha")
        .ok_or_else(|| Refusal::new(422, "Invalid request.\n\n\"sha\" wasn't supplied."))?;
    let name = format!("refs/{name}");
    existing(state, id, sha)?;
    let repo = state.repo(id)?;
    let before = repo
        .refs
        .get(&name)
        .ok_or_else(|| Refusal::new(422, "Reference does not exist"))?;
    let forced = !git::is_ancestor(&state.open_git(repo)?, before, sha);
    if forced && !field(&call.body, "force").as_bool().unwrap_or(false) {
        return Err(Refusal::new(422, "Update is not a fast forward"));
    }
    state
        .guard(&call.caller, repo, &name, Change::Update { to: sha })
        .check(forced)?;
    let actor = state.actor(&call.caller)?;
    if before != sha {
        state.move_ref(id, actor, &name, Some(sha), None)?;
    }
    Ok(Answer::ok(state.ref_json(state.repo(id)?, &name, sha)))
}

fn delete(state: &mut State, call: &Call, at: At<'_>, name: &str) -> Routed {
    let id = at.reach(state, call, "contents", Access::Write)?;
    let name = format!("refs/{name}");
    let repo = state.repo(id)?;
    if !repo.refs.contains_key(&name) {
        return Err(Refusal::new(422, "Reference does not exist"));
    }
    state
        .guard(&call.caller, repo, &name, Change::Delete)
        .check(false)?;
    let actor = state.actor(&call.caller)?;
    state.move_ref(id, actor, &name, None, None)?;
    Ok(Answer::empty(204))
}

fn commit(state: &State, call: &Call, at: At<'_>, sha: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let commit = git.find_commit(Oid::from_str(sha).map_err(|_| Refusal::not_found())?)?;
    let full = state.commit_json(repo, &commit);
    let parents: Vec<Value> = field(&full, "parents").as_array().cloned().unwrap_or_default();
    Ok(Answer::ok(json!({
        "sha": sha,
        "node_id": node("Commit", sha),
        "url": field(&full, "commit/url"),
        "html_url": field(&full, "html_url"),
        "author": field(&full, "commit/author"),
        "committer": field(&full, "commit/committer"),
        "tree": field(&full, "commit/tree"),
        "message": field(&full, "commit/message"),
        "parents": parents,
        "verification": field(&full, "commit/verification"),
    })))
}

fn blob(state: &State, call: &Call, at: At<'_>, sha: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let blob = git.find_blob(Oid::from_str(sha).map_err(|_| Refusal::not_found())?)?;
    Ok(Answer::ok(json!({
        "sha": sha,
        "node_id": node("Blob", sha),
        "size": blob.size(),
        "url": format!("{}/git/blobs/{sha}", state.repo_url(repo)),
        "content": super::contents::encode(blob.content()),
        "encoding": "base64",
    })))
}
