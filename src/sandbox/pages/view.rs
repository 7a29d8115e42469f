//! What each page shows.
use std::collections::BTreeMap;

use axum::http::StatusCode;
use git2::Oid;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::clock::stamp;
use super::super::git;
use super::super::state::{ActivityKind, CheckRun, Pull, Repo, Review, State, Verdict};
use super::{Page, diff, markdown};

fn page(template: &'static str, context: Value) -> Page {
    Page {
        status: StatusCode::OK,
        template,
        context,
    }
}

fn when(at: Timestamp) -> Value {
    json!({ "iso": stamp(at), "text": at.strftime("%-d %b %Y, %H:%M UTC").to_string() })
}

fn login(state: &State, id: u64) -> &str {
    state
        .account(id)
        .filter(|account| !account.deleted)
        .map_or("ghost", |account| account.login.as_str())
}

fn find<'a>(state: &'a State, owner: &str, name: &str) -> Result<&'a Repo, Refusal> {
    state.repo_named(owner, name).ok_or_else(Refusal::not_found)
}

pub(super) fn home(state: &State) -> Page {
    let repos: Vec<Value> = state
        .repos
        .values()
        .map(|repo| {
            let open = repo.pulls.values().filter(|pull| pull.open()).count();
            json!({ "name": state.full_name(repo), "open": open })
        })
        .collect();
    page("home.html", json!({ "repos": repos }))
}

fn pull_state(pull: &Pull) -> &'static str {
    match (&pull.merged, pull.open(), pull.draft) {
        (Some(_), _, _) => "merged",
        (None, true, true) => "draft",
        (None, true, false) => "open",
        (None, false, _) => "closed",
    }
}

fn summary(state: &State, repo: &Repo, pull: &Pull) -> Value {
    let check = newest_runs(repo, &pull.head_sha).into_iter().next();
    let check =
        check.map(|run| json!({ "tone": tone(run), "text": run.title.as_ref().unwrap_or(&run.name) }));
    json!({
        "number": pull.number,
        "title": pull.title,
        "author": login(state, pull.author),
        "at": when(pull.created_at),
        "state": pull_state(pull),
        "check": check,
    })
}

pub(super) fn pulls(state: &State, owner: &str, name: &str, closed: bool) -> Result<Page, Refusal> {
    let repo = find(state, owner, name)?;
    let shown: Vec<Value> = repo
        .pulls
        .values()
        .rev()
        .filter(|pull| pull.open() != closed)
        .map(|pull| summary(state, repo, pull))
        .collect();
    let open = repo.pulls.values().filter(|pull| pull.open()).count();
    let branches: Vec<&str> = ["main", "ledger"]
        .into_iter()
        .filter(|branch| repo.refs.contains_key(&format!("refs/heads/{branch}")))
        .collect();
    Ok(page(
        "pulls.html",
        json!({
            "repo": state.full_name(repo),
            "pulls": shown,
            "closed": closed,
            "open_count": open,
            "closed_count": repo.pulls.len() - open,
            "branches": branches,
        }),
    ))
}

/// The newest run of each name and app.
fn newest_runs<'a>(repo: &'a Repo, sha: &str) -> Vec<&'a CheckRun> {
    let mut newest: BTreeMap<(u64, &str), &CheckRun> = BTreeMap::new();
    for run in repo.check_runs.values().filter(|run| run.head_sha == sha) {
        newest.insert((run.app, run.name.as_str()), run);
    }
    newest.into_values().collect()
}

fn tone(run: &CheckRun) -> &'static str {
    match run.conclusion.as_deref() {
        None => "warn",
        Some("success" | "neutral" | "skipped") => "ok",
        Some("action_required") => "warn",
        Some(_) => "bad",
    }
}

fn said(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Approved => ("ok", "approved"),
        Verdict::ChangesRequested => ("bad", "requested changes"),
        Verdict::Commented => ("", "commented"),
        Verdict::Dismissed => ("warn", "reviewed; dismissed since"),
        Verdict::Pending => ("", "is writing a review"),
    }
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

struct Item {
    at: Timestamp,
    id: u64,
    json: Value,
}

fn item(state: &State, at: Timestamp, id: u64, who: u64, tone: &str, what: &str, text: &str) -> Item {
    let html = if text.is_empty() {
        None
    } else {
        Some(markdown(text))
    };
    let json = json!({
        "who": login(state, who), "tone": tone, "what": what, "at": when(at), "html": html, "anchor": format!("event-{id}"),
    });
    Item { at, id, json }
}

fn timeline(state: &State, repo: &Repo, pull: &Pull) -> Vec<Value> {
    let mut items = Vec::new();
    for review in pull
        .reviews
        .iter()
        .filter(|review| review.verdict != Verdict::Pending)
    {
        let (tone, what) = said(review.verdict);
        let at = review.submitted_at.unwrap_or(review.updated_at);
        let what = format!("{what} at {}", short(&review.commit));
        items.push(item(
            state,
            at,
            review.id,
            review.author,
            tone,
            &what,
            &review.body,
        ));
    }
    for comment in repo
        .comments
        .values()
        .filter(|comment| comment.number == pull.number)
    {
        items.push(item(
            state,
            comment.created_at,
            comment.id,
            comment.author,
            "",
            "commented",
            &comment.body,
        ));
    }
    let branch = format!("refs/heads/{}", pull.head_ref);
    for change in repo
        .activity
        .iter()
        .filter(|change| change.reference == branch && change.id > pull.id)
    {
        let (tone, what) = match change.kind {
            ActivityKind::ForcePush => (
                "bad",
                format!(
                    "force-pushed from {} to {}",
                    short(&change.before),
                    short(&change.after)
                ),
            ),
            ActivityKind::Push => ("", format!("pushed {}", short(&change.after))),
            ActivityKind::BranchDeletion => ("", "deleted the branch".to_owned()),
            ActivityKind::BranchCreation | ActivityKind::PrMerge => continue,
        };
        items.push(item(state, change.at, change.id, change.actor, tone, &what, ""));
    }
    if let Some(merged) = &pull.merged {
        let what = format!("merged this as {}", short(&merged.sha));
        items.push(item(state, merged.at, u64::MAX, merged.by, "ok", &what, ""));
    } else if let Some(at) = pull.closed {
        items.push(item(
            state,
            at,
            u64::MAX,
            pull.author,
            "bad",
            "closed this without merging",
            "",
        ));
    }
    items.sort_by_key(|item| (item.at, item.id));
    items.into_iter().map(|item| item.json).collect()
}

fn reviewers(state: &State, pull: &Pull) -> Vec<Value> {
    let mut latest: BTreeMap<u64, &Review> = BTreeMap::new();
    for review in pull
        .reviews
        .iter()
        .filter(|review| review.verdict != Verdict::Pending)
    {
        let keeps = review.verdict == Verdict::Commented && latest.contains_key(&review.author);
        if !keeps {
            latest.insert(review.author, review);
        }
    }
    let judged = latest.into_values().map(|review| {
        let (tone, what) = said(review.verdict);
        json!({ "who": login(state, review.author), "tone": tone, "what": what })
    });
    let people = pull
        .wanted_users
        .iter()
        .map(|user| login(state, *user).to_owned());
    let teams = pull
        .wanted_teams
        .iter()
        .filter_map(|team| state.teams.get(team))
        .map(|team| format!("team {}", team.slug));
    let wanted = people
        .chain(teams)
        .map(|who| json!({ "who": who, "tone": "warn", "what": "asked" }));
    judged.chain(wanted).collect()
}

fn merge_box(state: &State, repo: &Repo, pull: &Pull) -> Value {
    if pull.merged.is_some() {
        return json!({ "tone": "done", "title": "Merged", "reasons": [] });
    }
    if !pull.open() {
        return json!({ "tone": "done", "title": "Closed", "reasons": [] });
    }
    let mut reasons = state.merge_blockers(repo, pull, None);
    if state.mergeable(repo, pull) == Some(false) {
        reasons.push("This branch has conflicts with the base branch.".to_owned());
    }
    if pull.draft {
        reasons.push("This is still a draft.".to_owned());
    }
    if reasons.is_empty() {
        json!({ "tone": "", "title": "Nothing keeps this from being merged", "reasons": [] })
    } else {
        json!({ "tone": "blocked", "title": "Merging is blocked", "reasons": reasons })
    }
}

pub(super) fn pull(state: &State, owner: &str, name: &str, n: &str) -> Result<Page, Refusal> {
    let repo = find(state, owner, name)?;
    let pull = state.pull(repo.id, n.parse().map_err(|_| Refusal::not_found())?)?;
    let full = state.full_name(repo);
    let (commits, changes) = state.pull_contents(repo, pull)?;
    let git = state.open_git(repo)?;
    let commits = commits
        .iter()
        .map(|oid| commit_json(state, &git, *oid))
        .collect::<Result<Vec<_>, _>>()?;
    let checks: Vec<Value> = newest_runs(repo, &pull.head_sha)
        .into_iter()
        .map(|run| {
            let app = state.apps.get(&run.app).map_or("ghost", |app| app.slug.as_str());
            json!({
                "name": run.name,
                "app": app,
                "tone": tone(run),
                "state": run.conclusion.as_ref().unwrap_or(&run.status).replace('_', " "),
                "title": run.title,
                "summary": markdown(run.summary.as_deref().unwrap_or_default()),
                "text": markdown(run.text.as_deref().unwrap_or_default()),
            })
        })
        .collect();
    Ok(page(
        "pull.html",
        json!({
            "repo": full,
            "pull": summary(state, repo, pull),
            "body": pull.body.as_deref().map(markdown),
            "base": pull.base_ref,
            "head": pull.head_ref,
            "head_sha": pull.head_sha,
            "commits": commits,
            "files": diff::files(&full, &pull.head_sha, &changes),
            "timeline": timeline(state, repo, pull),
            "checks": checks,
            "merge": merge_box(state, repo, pull),
            "reviewers": reviewers(state, pull),
        }),
    ))
}

fn commit_json(state: &State, git: &git2::Repository, oid: Oid) -> Result<Value, Refusal> {
    let commit = git.find_commit(oid)?;
    let author = commit.author();
    let known = author
        .email()
        .ok()
        .and_then(|email| state.account_by_email(email));
    let author = known.map_or_else(
        || author.name().unwrap_or_default().to_owned(),
        |account| account.login.clone(),
    );
    let at = Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
    let sha = oid.to_string();
    Ok(json!({
        "sha": sha,
        "short": short(&sha),
        "subject": commit.summary().ok().flatten().unwrap_or_default(),
        "author": author,
        "at": when(at),
    }))
}

pub(super) fn commits(state: &State, owner: &str, name: &str, branch: &str) -> Result<Page, Refusal> {
    let repo = find(state, owner, name)?;
    let git = state.open_git(repo)?;
    let mut walk = git.revwalk()?;
    walk.set_sorting(git2::Sort::TOPOLOGICAL)?;
    walk.push(git::resolve(&git, branch).ok_or_else(Refusal::not_found)?)?;
    let mut shown = Vec::new();
    for oid in walk.take(200) {
        shown.push(commit_json(state, &git, oid?)?);
    }
    Ok(page(
        "commits.html",
        json!({ "repo": state.full_name(repo), "branch": branch, "commits": shown }),
    ))
}

pub(super) fn commit(state: &State, owner: &str, name: &str, sha: &str) -> Result<Page, Refusal> {
    let repo = find(state, owner, name)?;
    let git = state.open_git(repo)?;
    let oid = git::resolve(&git, sha).ok_or_else(Refusal::not_found)?;
    let commit = git.find_commit(oid)?;
    let parent = commit.parent(0).ok().and_then(|parent| parent.tree().ok());
    let changes = git::diff(&git, parent.as_ref(), Some(&commit.tree()?))?;
    let full = state.full_name(repo);
    let files = diff::files(&full, &oid.to_string(), &changes);
    let message = commit.body().ok().flatten().map(str::to_owned);
    let rest = json!({ "repo": full, "message": message, "files": files });
    Ok(page(
        "commit.html",
        super::super::json::merged(commit_json(state, &git, oid)?, rest),
    ))
}

pub(super) fn blob(
    state: &State,
    owner: &str,
    name: &str,
    reference: &str,
    path: &str,
) -> Result<Page, Refusal> {
    let repo = find(state, owner, name)?;
    let git = state.open_git(repo)?;
    let commit = git.find_commit(git::resolve(&git, reference).ok_or_else(Refusal::not_found)?)?;
    let entry = commit.tree()?.get_path(std::path::Path::new(path))?;
    let blob = git.find_blob(entry.id())?;
    let text = String::from_utf8_lossy(blob.content()).into_owned();
    let rendered = path
        .to_ascii_lowercase()
        .ends_with(".md")
        .then(|| markdown(&text));
    Ok(page(
        "blob.html",
        json!({ "repo": state.full_name(repo), "path": path, "reference": reference, "html": rendered, "text": text }),
    ))
}
