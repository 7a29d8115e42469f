//! Reviews.
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::state::{Access, Review, State, Verdict};
use super::{At, number};

pub(super) fn reviews(
    state: &mut State,
    call: &Call,
    at: At<'_>,
    method: &str,
    n: u64,
    rest: &[&str],
) -> Routed {
    match (method, rest) {
        ("GET", []) => list(state, call, at, n),
        ("POST", []) => create(state, call, at, n),
        ("GET", [id]) => {
            let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
            let pull = state.pull(repo.id, n)?;
            let id = number(id)?;
            let review = pull
                .reviews
                .iter()
                .find(|review| review.id == id)
                .ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(state.review_json(repo, pull, review)))
        }
        ("PUT", [id]) => edit(state, call, at, n, number(id)?),
        ("DELETE", [id]) => delete(state, call, at, n, number(id)?),
        ("POST", [id, "events"]) => submit(state, call, at, n, number(id)?),
        ("PUT", [id, "dismissals"]) => dismiss(state, call, at, n, number(id)?),
        _ => Err(Refusal::not_found()),
    }
}

fn list(state: &State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let repo = state.repo(at.reach(state, call, "pull_requests", Access::Read)?)?;
    let me = state.actor(&call.caller).ok();
    let pull = state.pull(repo.id, n)?;
    let seen = pull
        .reviews
        .iter()
        .filter(|review| review.verdict != Verdict::Pending || Some(review.author) == me);
    Ok(Answer::list(
        call,
        seen.map(|review| state.review_json(repo, pull, review)).collect(),
    ))
}

/// What a submitted review says; `None` leaves it pending.
fn verdict(event: Option<&str>) -> Result<Option<Verdict>, Refusal> {
    match event {
        None | Some("PENDING" | "") => Ok(None),
        Some("APPROVE") => Ok(Some(Verdict::Approved)),
        Some("REQUEST_CHANGES") => Ok(Some(Verdict::ChangesRequested)),
        Some("COMMENT") => Ok(Some(Verdict::Commented)),
        Some(other) => Err(Refusal::unprocessable(format!(
            "Variable $event of type PullRequestReviewEvent was provided invalid value `{other}`"
        ))),
    }
}

/// Refuses what GitHub refuses: judging one's own pull request, and words that are missing.
fn check(
    state: &State,
    id: u64,
    n: u64,
    actor: u64,
    verdict: Option<Verdict>,
    body: &str,
) -> Result<(), Refusal> {
    let pull = state.pull(id, n)?;
    match verdict {
        Some(Verdict::Approved) if pull.author == actor => {
            Err(Refusal::unprocessable("Can not approve your own pull request"))
        }
        Some(Verdict::ChangesRequested) if pull.author == actor => Err(Refusal::unprocessable(
            "Can not request changes on your own pull request",
        )),
        Some(Verdict::ChangesRequested | Verdict::Commented) if body.trim().is_empty() => {
            Err(Refusal::unprocessable("Body can't be blank"))
        }
        Some(_) | None => Ok(()),
    }
}

fn create(state: &mut State, call: &Call, at: At<'_>, n: u64) -> Routed {
    let id = at.reach(state, call, "review", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let verdict = verdict(call.text("event"))?;
    let body = call.text("body").unwrap_or_default().to_owned();
    check(state, id, n, actor, verdict, &body)?;
    let pull = state.pull(id, n)?;
    if verdict.is_none()
        && pull
            .reviews
            .iter()
            .any(|one| one.author == actor && one.verdict == Verdict::Pending)
    {
        return Err(Refusal::unprocessable(
            "User can only have one pending review per pull request",
        ));
    }
    let commit = match call.text("commit_id") {
        None => pull.head_sha.clone(),
        Some(sha) => {
            let (commits, _) = state.pull_contents(state.repo(id)?, pull)?;
            if !commits.iter().any(|commit| commit.to_string() == sha) {
                return Err(Refusal::unprocessable("Commit is not part of the pull request"));
            }
            sha.to_owned()
        }
    };
    let now = state.now();
    let review = Review {
        id: state.id(),
        author: actor,
        body,
        verdict: verdict.unwrap_or(Verdict::Pending),
        commit,
        submitted_at: verdict.map(|_| now),
        updated_at: now,
    };
    let review_id = review.id;
    let pull = state.pull_mut(id, n)?;
    if verdict.is_some() {
        pull.updated_at = now;
        pull.wanted_users.remove(&actor);
    }
    pull.reviews.push(review);
    if verdict.is_some() {
        state.emit_review(id, n, review_id, "submitted", actor)?;
    }
    show(state, id, n, review_id)
}

fn show(state: &State, id: u64, n: u64, review: u64) -> Routed {
    let pull = state.pull(id, n)?;
    let review = pull
        .reviews
        .iter()
        .find(|one| one.id == review)
        .ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(state.review_json(state.repo(id)?, pull, review)))
}

fn review_mut(state: &mut State, id: u64, n: u64, review: u64) -> Result<&mut Review, Refusal> {
    let pull = state.pull_mut(id, n)?;
    pull.reviews
        .iter_mut()
        .find(|one| one.id == review)
        .ok_or_else(Refusal::not_found)
}

fn edit(state: &mut State, call: &Call, at: At<'_>, n: u64, review: u64) -> Routed {
    let id = at.reach(state, call, "review", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let now = state.now();
    let found = review_mut(state, id, n, review)?;
    if found.author != actor {
        return Err(Refusal::forbidden(
            "You must be the author of the review to edit it.",
        ));
    }
    let from = std::mem::replace(&mut found.body, call.text("body").unwrap_or_default().to_owned());
    found.updated_at = now;
    let submitted = found.submitted_at.is_some();
    if submitted {
        let changes = json!({ "changes": { "body": { "from": from } } });
        state.emit_review_with(id, n, review, "edited", actor, changes)?;
    }
    show(state, id, n, review)
}

fn delete(state: &mut State, call: &Call, at: At<'_>, n: u64, review: u64) -> Routed {
    let id = at.reach(state, call, "review", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let found = review_mut(state, id, n, review)?;
    if found.author != actor {
        return Err(Refusal::not_found());
    }
    if found.verdict != Verdict::Pending {
        return Err(Refusal::unprocessable(
            "Can not delete a non-pending pull request review",
        ));
    }
    let answer = show(state, id, n, review)?;
    state.pull_mut(id, n)?.reviews.retain(|one| one.id != review);
    Ok(answer)
}

fn submit(state: &mut State, call: &Call, at: At<'_>, n: u64, review: u64) -> Routed {
    let id = at.reach(state, call, "review", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    let said = verdict(call.text("event"))?;
    let said = said.ok_or_else(|| Refusal::unprocessable("Event can't be blank"))?;
    let found = review_mut(state, id, n, review)?;
    if found.author != actor {
        return Err(Refusal::not_found());
    }
    if found.verdict != Verdict::Pending {
        return Err(Refusal::unprocessable("Review has already been submitted"));
    }
    let body = call
        .text("body")
        .map_or_else(|| found.body.clone(), str::to_owned);
    check(state, id, n, actor, Some(said), &body)?;
    let now = state.now();
    let found = review_mut(state, id, n, review)?;
    found.verdict = said;
    found.body = body;
    found.submitted_at = Some(now);
    found.updated_at = now;
    state.emit_review(id, n, review, "submitted", actor)?;
    show(state, id, n, review)
}

fn dismiss(state: &mut State, call: &Call, at: At<'_>, n: u64, review: u64) -> Routed {
    let id = at.reach(state, call, "pull_requests", Access::Write)?;
    let actor = state.actor(&call.caller)?;
    if call.text("message").is_none_or(str::is_empty) {
        return Err(Refusal::new(
            422,
            "Invalid request.\n\n\"message\" wasn't supplied.",
        ));
    }
    let now = state.now();
    let found = review_mut(state, id, n, review)?;
    match found.verdict {
        Verdict::Approved | Verdict::ChangesRequested => found.verdict = Verdict::Dismissed,
        Verdict::Commented | Verdict::Dismissed | Verdict::Pending => {
            return Err(Refusal::unprocessable(
                "Can not dismiss a commented or already dismissed pull request review",
            ));
        }
    }
    found.updated_at = now;
    state.emit_review_with(
        id,
        n,
        review,
        "dismissed",
        actor,
        Value::Object(Default::default()),
    )?;
    show(state, id, n, review)
}
