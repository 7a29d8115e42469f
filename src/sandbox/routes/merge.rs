//! Merging, and bringing a branch up to date.
use git2::{Oid, Repository, Signature};
use serde_json::json;

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::git;
use super::super::json::field;
use super::super::state::{Access, ActivityKind, Merged, State};
use super::At;

impl State {
    /// The account as an author of commits, now.
    pub(crate) fn commit_signature(&self, account: u64) -> Result<Signature<'static>, Refusal> {
        let account = self.account(account).ok_or_else(Refusal::not_found)?;
        let name = account.name.as_ref().unwrap_or(&account.login);
        let email = account
            .emails
            .first()
            .cloned()
            .unwrap_or_else(|| account.noreply());
        Ok(git::signature(name, &email, self.now())?)
    }

    /// GitHub as the committer of what it makes itself.
    fn web_flow(&self) -> Result<Signature<'static>, Refusal> {
        Ok(git::signature("GitHub", "noreply@github.com", self.now())?)
    }
}

pub(super) fn merge(state: &mut State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let id = at.reach(state, call, "contents", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let repo = state.repo(id)?;
    let pull = state.pull(id, n)?.clone();
    let no = |message: &str| Refusal::new(405, message);
    if pull.merged.is_some() || !pull.open() {
        return Err(no("Pull Request is not mergeable"));
    }
    if call.text("sha").is_some_and(|sha| sha != pull.head_sha) {
        return Err(Refusal::new(
            409,
            "Head branch was modified. Review and try the merge again.",
        ));
    }
    if pull.draft {
        return Err(no("Pull Request is still a draft"));
    }
    let method = call.text("merge_method").unwrap_or("merge");
    if let Some(refused) = state.method_refused(repo, &pull.base_ref, method) {
        return Err(no(refused));
    }
    let blockers = state.merge_blockers(repo, &pull, Some(&call.caller));
    if !blockers.is_empty() {
        return Err(no(&blockers.join(" ")));
    }
    let git = state.open_git(repo)?;
    let base = git::branch_head(&git, &pull.base_ref).ok_or_else(|| no("Base branch was modified"))?;
    let (base, head) = (Oid::from_str(&base)?, Oid::from_str(&pull.head_sha)?);
    let author = state.commit_signature(actor)?;
    let committer = state.web_flow()?;
    let conflict = || no("Pull Request is not mergeable");
    let title = call.text("commit_title").map(str::to_owned);
    let message = call.text("commit_message").map(str::to_owned);
    let sha = match method {
        "merge" => {
            let tree = git::merge_tree(&git, base, head)?.ok_or_else(conflict)?;
            let title = title
                .unwrap_or_else(|| format!("Merge pull request #{n} from {}/{}", at.owner, pull.head_ref));
            let text = compose(&title, &message.unwrap_or_else(|| pull.title.clone()));
            write(&git, tree, &[base, head], &text, &author, &committer)?
        }
        "squash" => {
            let tree = git::merge_tree(&git, base, head)?.ok_or_else(conflict)?;
            let title = title.unwrap_or_else(|| format!("{} (#{n})", pull.title));
            write(
                &git,
                tree,
                &[base],
                &compose(&title, &message.unwrap_or_default()),
                &author,
                &committer,
            )?
        }
        "rebase" => git::rebase(&git, base, head, &committer)?.ok_or_else(conflict)?,
        _ => return Err(Refusal::invalid("PullRequest", "merge_method", "invalid")),
    };
    let sha = sha.to_string();
    let now = state.now();
    let pull_state = state.pull_mut(id, n)?;
    pull_state.merged = Some(Merged {
        at: now,
        by: actor,
        sha: sha.clone(),
    });
    pull_state.closed = Some(now);
    pull_state.closed_by = Some(actor);
    pull_state.updated_at = now;
    let reference = format!("refs/heads/{}", pull.base_ref);
    state.move_ref(id, actor, &reference, Some(&sha), Some(ActivityKind::PrMerge))?;
    state.emit_pull(id, n, "closed", actor, json!({}))?;
    Ok(Answer::ok(
        json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" }),
    ))
}

fn compose(title: &str, message: &str) -> String {
    if message.is_empty() {
        title.to_owned()
    } else {
        format!("{title}\n\n{message}")
    }
}

fn write(
    git: &Repository,
    tree: Oid,
    parents: &[Oid],
    message: &str,
    author: &Signature<'_>,
    committer: &Signature<'_>,
) -> Result<Oid, git2::Error> {
    let parents = parents
        .iter()
        .map(|oid| git.find_commit(*oid))
        .collect::<Result<Vec<_>, _>>()?;
    let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
    git.commit(None, author, committer, message, &git.find_tree(tree)?, &parents)
}

pub(super) fn update_branch(state: &mut State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let id = at.reach(state, call, "pull_requests", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let pull = state.pull(id, n)?.clone();
    if call
        .text("expected_head_sha")
        .is_some_and(|sha| sha != pull.head_sha)
    {
        return Err(Refusal::new(
            422,
            "expected head sha didn't match current head ref.",
        ));
    }
    let repo = state.repo(id)?;
    let git = state.open_git(repo)?;
    let base = git::branch_head(&git, &pull.base_ref).ok_or_else(Refusal::not_found)?;
    if git::is_ancestor(&git, &base, &pull.head_sha) {
        return Err(Refusal::new(422, "There are no new commits on the base branch."));
    }
    let (base, head) = (Oid::from_str(&base)?, Oid::from_str(&pull.head_sha)?);
    let tree = git::merge_tree(&git, head, base)?
        .ok_or_else(|| Refusal::new(422, "merge conflict between base and head"))?;
    let message = format!("Merge branch '{}' into {}", pull.base_ref, pull.head_ref);
    let sha = write(
        &git,
        tree,
        &[head, base],
        &message,
        &state.commit_signature(actor)?,
        &state.web_flow()?,
    )?;
    let reference = format!("refs/heads/{}", pull.head_ref);
    let sha = sha.to_string();
    state
        .guard(
            &call.caller,
            repo,
            &reference,
            super::super::guard::Change::Update { to: &sha },
        )
        .check(false)?;
    state.move_ref(id, actor, &reference, Some(&sha), None)?;
    let url = field(&state.pull_json(state.repo(id)?, state.pull(id, n)?), "url").clone();
    Ok(Answer::with(
        202,
        json!({ "message": "Updating pull request branch.", "url": url }),
    ))
}
