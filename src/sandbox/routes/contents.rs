//! Contents, commits and comparisons.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git2::{ObjectType, Oid};
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::git;
use super::super::guard::Change;
use super::super::json::{field, merged};
use super::super::state::{Access, Repo, State};
use super::At;

/// Base64 in lines of 60, as GitHub answers.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, c) in STANDARD.encode(bytes).chars().enumerate() {
        if at > 0 && at % 60 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push('\n');
    text
}

fn entry(
    state: &State,
    repo: &Repo,
    reference: &str,
    path: &str,
    kind: &str,
    sha: Oid,
    size: usize,
) -> Value {
    let url = format!("{}/contents/{path}?ref={reference}", state.repo_url(repo));
    let store = if kind == "dir" { "trees" } else { "blobs" };
    let git_url = format!("{}/git/{store}/{sha}", state.repo_url(repo));
    let view = if kind == "dir" { "tree" } else { "blob" };
    let html = format!("{}/{view}/{reference}/{path}", state.repo_html(repo));
    let raw = (kind != "dir").then(|| format!("{}/raw/{reference}/{path}", state.repo_html(repo)));
    json!({
        "type": kind,
        "name": path.rsplit('/').next().unwrap_or(path),
        "path": path,
        "sha": sha.to_string(),
        "size": size,
        "url": url,
        "git_url": git_url,
        "html_url": html,
        "download_url": raw,
        "_links": { "self": url, "git": git_url, "html": html },
    })
}

pub(super) fn get(state: &State, call: &Call, at: At<'_>, path: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let reference = call.param("ref").unwrap_or(&repo.default_branch);
    let missing = || Refusal::new(404, format!("No commit found for the ref {reference}"));
    let commit = git.find_commit(git::resolve(&git, reference).ok_or_else(missing)?)?;
    let tree = commit.tree()?;
    let (id, kind) = if path.is_empty() {
        (tree.id(), ObjectType::Tree)
    } else {
        let found = tree.get_path(std::path::Path::new(path))?;
        (found.id(), found.kind().unwrap_or(ObjectType::Any))
    };
    if kind == ObjectType::Tree {
        let mut items = Vec::new();
        for child in &git.find_tree(id)? {
            let name = child.name().unwrap_or_default();
            let path = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            let dir = child.kind() == Some(ObjectType::Tree);
            let size = if dir {
                0
            } else {
                git.find_blob(child.id()).map_or(0, |blob| blob.size())
            };
            items.push(entry(
                state,
                repo,
                reference,
                &path,
                if dir { "dir" } else { "file" },
                child.id(),
                size,
            ));
        }
        return Ok(Answer::ok(Value::Array(items)));
    }
    let blob = git.find_blob(id)?;
    if call.accept.contains("raw") {
        return Ok(Answer::raw("application/octet-stream", blob.content().to_vec()));
    }
    let file = entry(state, repo, reference, path, "file", id, blob.size());
    Ok(Answer::ok(merged(
        file,
        json!({ "encoding": "base64", "content": encode(blob.content()) }),
    )))
}

pub(super) fn put(state: &mut State, call: &Call, at: At<'_>, path: &str) -> Routed {
    let id = at.reach(state, call, "contents", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let repo = state.repo(id)?;
    let branch = call.text("branch").unwrap_or(&repo.default_branch).to_owned();
    let reference = format!("refs/heads/{branch}");
    let git = state.open_git(repo)?;
    let parent = git::branch_head(&git, &branch)
        .ok_or_else(|| Refusal::new(404, format!("Branch {branch} not found")))?;
    let parent = Oid::from_str(&parent)?;
    let existing = git
        .find_commit(parent)?
        .tree()?
        .get_path(std::path::Path::new(path))
        .ok()
        .map(|entry| entry.id());
    match (existing, call.text("sha")) {
        (Some(has), Some(sha)) if has.to_string() != sha => {
            return Err(Refusal::new(409, format!("{path} does not match {sha}")));
        }
        (Some(_), None) => {
            return Err(Refusal::new(422, "Invalid request.\n\n\"sha\" wasn't supplied."));
        }
        (Some(_) | None, _) => {}
    }
    let content: String = call
        .text("content")
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let bytes = STANDARD
        .decode(content)
        .map_err(|_| Refusal::new(422, "content is not valid Base64"))?;
    let message = call.text("message").unwrap_or("Update");
    let who = state.commit_signature(actor)?;
    let oid = git::commit_files(&git, Some(parent), &[(path, Some(&bytes))], message, &who, &who)?;
    let sha = oid.to_string();
    state
        .guard(&call.caller, repo, &reference, Change::Update { to: &sha })
        .check(false)?;
    let blob = git
        .find_commit(oid)?
        .tree()?
        .get_path(std::path::Path::new(path))?
        .id();
    state.move_ref(id, actor, &reference, Some(&sha), None)?;
    let repo = state.repo(id)?;
    let commit = git.find_commit(oid)?;
    let full = state.commit_json(repo, &commit);
    let body = json!({
        "content": entry(state, repo, &branch, path, "file", blob, bytes.len()),
        "commit": merged(field(&full, "commit").clone(), json!({
            "sha": sha, "node_id": field(&full, "node_id"), "html_url": field(&full, "html_url"), "parents": field(&full, "parents"),
        })),
    });
    Ok(Answer::with(if existing.is_some() { 200 } else { 201 }, body))
}

pub(super) fn commit(state: &State, call: &Call, at: At<'_>, reference: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let missing = || Refusal::new(422, format!("No commit found for SHA: {reference}"));
    let oid = git::resolve(&git, reference).ok_or_else(missing)?;
    if call.accept.contains("sha") {
        return Ok(Answer::raw(
            "application/vnd.github.sha",
            oid.to_string().into_bytes(),
        ));
    }
    Ok(Answer::ok(state.commit_full_json(repo, &git, oid)?))
}

pub(super) fn commits(state: &State, call: &Call, at: At<'_>) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let from = call.param("sha").unwrap_or(&repo.default_branch);
    let head = git::resolve(&git, from).ok_or_else(Refusal::not_found)?;
    let mut walk = git.revwalk()?;
    walk.set_sorting(git2::Sort::TIME | git2::Sort::TOPOLOGICAL)?;
    walk.push(head)?;
    let mut oids = Vec::new();
    for oid in walk {
        let oid = oid?;
        let wanted = match call.param("path") {
            None => true,
            Some(path) => touches(&git, oid, path)?,
        };
        if wanted {
            oids.push(oid);
        }
    }
    Ok(Answer::list(call, state.commits_json(repo, &git, &oids)?))
}

fn touches(git: &git2::Repository, oid: Oid, path: &str) -> Result<bool, git2::Error> {
    let commit = git.find_commit(oid)?;
    let path = std::path::Path::new(path);
    let here = commit.tree()?.get_path(path).ok().map(|entry| entry.id());
    let before = match commit.parent(0) {
        Ok(parent) => parent.tree()?.get_path(path).ok().map(|entry| entry.id()),
        Err(_) => None,
    };
    Ok(here != before)
}

pub(super) fn compare(state: &State, call: &Call, at: At<'_>, range: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "contents", Access::Read)?)?;
    let git = state.open_git(repo)?;
    let (base, head) = range.split_once("...").ok_or_else(Refusal::not_found)?;
    let find = |name: &str| {
        let name = name.rsplit_once(':').map_or(name, |(_, branch)| branch);
        git::resolve(&git, name).ok_or_else(Refusal::not_found)
    };
    let (base, head) = (find(base)?, find(head)?);
    let merge_base = git
        .merge_base(base, head)
        .map_err(|_| Refusal::new(404, "No common ancestor between the two commits."))?;
    let (ahead, behind) = git.graph_ahead_behind(head, base)?;
    let commits = git::between(&git, base, head)?;
    let changes = git::diff(
        &git,
        Some(&git.find_commit(merge_base)?.tree()?),
        Some(&git.find_commit(head)?.tree()?),
    )?;
    let url = format!("{}/compare/{range}", state.repo_url(repo));
    let html = format!("{}/compare/{range}", state.repo_html(repo));
    let files: Vec<Value> = changes
        .iter()
        .map(|change| state.file_json(repo, &head.to_string(), change))
        .collect();
    let page = Answer::list(call, state.commits_json(repo, &git, &commits)?);
    Ok(Answer {
        status: 200,
        body: Some(json!({
            "url": url,
            "html_url": html,
            "permalink_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "base_commit": state.commit_json(repo, &git.find_commit(base)?),
            "merge_base_commit": state.commit_json(repo, &git.find_commit(merge_base)?),
            "status": match (ahead, behind) {
                (0, 0) => "identical",
                (_, 0) => "ahead",
                (0, _) => "behind",
                (_, _) => "diverged",
            },
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": commits.len(),
            "commits": page.body,
            "files": files,
        })),
        link: page.link,
        raw: None,
    })
}
