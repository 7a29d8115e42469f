//! Webhooks: hints that something changed. Small shapes of our own; what is not known is nothing. INVARIANT i24.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

mod comment;
mod deployment;
mod group;
mod pull;
mod signature;

pub use comment::CommentEvent;
pub use pull::{PullAction, PullEvent};
pub use signature::{BadSignature, verify};

use super::{observe::review_state, shown::shown_digest, wire};
use crate::domain::{
    comment::one_line,
    ids::{AccountId, BranchName, DeliveryId, Digest, Login, PullNumber, RepoName, ReviewId, Sha, Timestamp},
    observation::ReviewState,
    workflow::RunId,
};

/// A payload that is not what GitHub documents for its event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of `{event}` can't be read: {because}")]
pub struct Malformed {
    event: String,
    because: String,
}

/// What a webhook hints at. Each names its repository, so that others' can be ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hint {
    /// A pull request changed.
    Pull(PullEvent),
    /// Somebody reviewed; to be recorded as it happened. INVARIANT i06.
    Review {
        /// The repository.
        repo: RepoName,
        /// The pull request.
        pull: PullNumber,
        /// What happened.
        event: Box<ReviewEvent>,
    },
    /// Somebody commented on a pull request.
    Comment {
        /// The repository.
        repo: RepoName,
        /// The pull request.
        pull: PullNumber,
        /// What was said.
        event: Box<CommentEvent>,
    },
    /// A branch moved.
    Push {
        /// The repository.
        repo: RepoName,
        /// The branch.
        branch: BranchName,
        /// Its head now; all zeros when it was deleted.
        after: Sha,
        /// Who moved it.
        sender: Option<AccountId>,
    },
    /// Somebody asked for a check to be made again.
    CheckRerequested {
        /// The repository.
        repo: RepoName,
        /// The app whose check it is.
        app: Option<u64>,
        /// The commit.
        head: Sha,
    },
    /// Protection or rulesets changed.
    Protection {
        /// The repository.
        repo: RepoName,
    },
    /// A merge queue asks for checks of a group.
    MergeGroup {
        /// The repository.
        repo: RepoName,
        /// The branch it goes into.
        base_ref: BranchName,
        /// That branch's head, which the group begins at.
        base: Sha,
        /// The group's head, which the check is reported on.
        head: Sha,
    },
    /// A run waits for the app's own deployment protection rule.
    Deployment {
        /// The repository.
        repo: RepoName,
        /// The run.
        run: RunId,
        /// The environment that it would enter.
        environment: String,
    },
    /// A run of a workflow went on.
    Run {
        /// The repository.
        repo: RepoName,
        /// The run.
        run: RunId,
    },
    /// Nothing the bot looks at.
    Nothing,
}

impl Hint {
    /// The repository it is about.
    pub const fn repo(&self) -> Option<&RepoName> {
        match self {
            Self::Pull(PullEvent { repo, .. })
            | Self::Review { repo, .. }
            | Self::Comment { repo, .. }
            | Self::Push { repo, .. }
            | Self::CheckRerequested { repo, .. }
            | Self::MergeGroup { repo, .. }
            | Self::Deployment { repo, .. }
            | Self::Run { repo, .. }
            | Self::Protection { repo } => Some(repo),
            Self::Nothing => None,
        }
    }
}

/// What happened to a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReviewAction {
    /// Submitted.
    Submitted,
    /// Its words were changed.
    Edited,
    /// Taken back.
    Dismissed,
}

/// A review at the time of its event, with the head and texts it was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewEvent {
    /// `X-GitHub-Delivery`.
    pub delivery: DeliveryId,
    /// The review.
    pub review: ReviewId,
    /// What happened to it.
    pub action: ReviewAction,
    /// Who made it; `None` for a deleted account.
    pub account: Option<AccountId>,
    /// The login at the time.
    pub login: Option<Login>,
    /// Whether a person made it.
    pub human: bool,
    /// What it says; `Edited` after an edit, whatever it said (INVARIANT i07).
    pub state: ReviewState,
    /// The commit it names.
    pub commit: Option<Sha>,
    /// The pull request's head.
    pub head: Sha,
    /// The pull request's base commit.
    pub base: Sha,
    /// The digest of the title it was made on.
    pub title: Digest,
    /// The digest of the body it was made on.
    pub body: Digest,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// What should change, where it asks for changes: one line of visible characters.
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    action: String,
    repository: Option<wire::Repository>,
    sender: Option<wire::Account>,
}

#[derive(Deserialize)]
struct OfReview {
    review: ReviewPart,
    pull_request: PullPart,
}

#[derive(Deserialize)]
struct PullPart {
    number: PullNumber,
    title: String,
    body: Option<String>,
    user: Option<wire::Account>,
    head: wire::Side,
    base: wire::Side,
    #[serde(default)]
    merged_at: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ReviewPart {
    id: ReviewId,
    user: Option<wire::Account>,
    state: String,
    commit_id: Option<Sha>,
    submitted_at: Timestamp,
    body: Option<String>,
}

#[derive(Deserialize)]
struct OfPush {
    #[serde(rename = "ref")]
    reference: String,
    after: Sha,
}

#[derive(Deserialize)]
struct OfCheckRun {
    check_run: CheckPart,
}

#[derive(Deserialize)]
struct OfCheckSuite {
    check_suite: CheckPart,
}

#[derive(Deserialize)]
struct CheckPart {
    head_sha: Sha,
    app: Option<wire::App>,
}

#[derive(Deserialize)]
struct OfRun {
    workflow_run: RunPart,
}

#[derive(Deserialize)]
struct RunPart {
    id: RunId,
}

/// Reads a payload whose signature is good.
///
/// # Errors
/// When an event that the bot looks at lacks what GitHub documents for it. Unknown events and actions are
/// [`Hint::Nothing`].
pub fn parse(event: &str, delivery: DeliveryId, raw: &[u8]) -> Result<Hint, Malformed> {
    let looked_at = matches!(
        event,
        "pull_request"
            | "pull_request_review"
            | "issue_comment"
            | "push"
            | "check_run"
            | "check_suite"
            | "branch_protection_rule"
            | "repository_ruleset"
            | "merge_group"
            | "deployment_protection_rule"
            | "workflow_run"
    );
    if !looked_at {
        return Ok(Hint::Nothing);
    }
    let envelope: Envelope = read(event, raw)?;
    let Some(repository) = envelope.repository else {
        return Ok(Hint::Nothing);
    };
    let repo: RepoName = repository.full_name.parse().map_err(|error| Malformed {
        event: event.to_owned(),
        because: format!("{error}"),
    })?;
    match event {
        "pull_request" => match pull::action(&envelope.action) {
            Some(action) => {
                let changed = (action, envelope.sender);
                Ok(pull::of_pull(repo, changed, delivery, read(event, raw)?))
            }
            None => Ok(Hint::Nothing),
        },
        "pull_request_review" => match review_action(&envelope.action) {
            Some(action) => of_review(repo, action, delivery, event, read(event, raw)?),
            None => Ok(Hint::Nothing),
        },
        "issue_comment" if envelope.action == "created" => {
            Ok(comment::of_comment(repo, delivery, read(event, raw)?))
        }
        "push" => {
            let push: OfPush = read(event, raw)?;
            let branch = push.reference.strip_prefix("refs/heads/").map(str::parse);
            Ok(match branch {
                Some(Ok(branch)) => Hint::Push {
                    repo,
                    branch,
                    after: push.after,
                    sender: wire::id_of(envelope.sender.as_ref()),
                },
                // A tag, or a branch whose name the bot would not write.
                Some(Err(_)) | None => Hint::Nothing,
            })
        }
        "check_run" if envelope.action == "rerequested" => {
            let part: OfCheckRun = read(event, raw)?;
            Ok(rerequested(repo, part.check_run))
        }
        "check_suite" if envelope.action == "rerequested" => {
            let part: OfCheckSuite = read(event, raw)?;
            Ok(rerequested(repo, part.check_suite))
        }
        "merge_group" if envelope.action == "checks_requested" => {
            Ok(group::of_group(repo, read(event, raw)?))
        }
        "deployment_protection_rule" if envelope.action == "requested" => {
            deployment::of_deployment(repo, event, read(event, raw)?)
        }
        "workflow_run" => {
            let part: OfRun = read(event, raw)?;
            let run = part.workflow_run.id;
            Ok(Hint::Run { repo, run })
        }
        "branch_protection_rule" | "repository_ruleset" => Ok(Hint::Protection { repo }),
        _ => Ok(Hint::Nothing),
    }
}

fn read<T: DeserializeOwned>(event: &str, raw: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(raw).map_err(|error| Malformed {
        event: event.to_owned(),
        because: error.to_string(),
    })
}

fn review_action(text: &str) -> Option<ReviewAction> {
    match text {
        "submitted" => Some(ReviewAction::Submitted),
        "edited" => Some(ReviewAction::Edited),
        "dismissed" => Some(ReviewAction::Dismissed),
        _ => None,
    }
}

fn of_review(
    repo: RepoName,
    action: ReviewAction,
    delivery: DeliveryId,
    event: &str,
    part: OfReview,
) -> Result<Hint, Malformed> {
    let OfReview {
        review,
        pull_request: pull,
    } = part;
    let said = review_state(&review.state).ok_or_else(|| Malformed {
        event: event.to_owned(),
        because: format!("`{}` is no state of a review", review.state.escape_debug()),
    })?;
    let state = match action {
        ReviewAction::Submitted => said,
        ReviewAction::Edited => ReviewState::Edited,
        ReviewAction::Dismissed => ReviewState::Dismissed,
    };
    let event = Box::new(ReviewEvent {
        delivery,
        review: review.id,
        action,
        account: wire::id_of(review.user.as_ref()),
        login: review.user.as_ref().and_then(wire::Account::login),
        human: review.user.as_ref().is_some_and(wire::Account::is_human),
        state,
        commit: review.commit_id,
        head: pull.head.sha,
        base: pull.base.sha,
        title: shown_digest(&pull.title),
        body: shown_digest(pull.body.as_deref().unwrap_or_default()),
        submitted_at: review.submitted_at,
        reason: match state {
            ReviewState::ChangesRequested => review.body.as_deref().and_then(one_line),
            ReviewState::Approved | ReviewState::Commented | ReviewState::Dismissed | ReviewState::Edited => {
                None
            }
        },
    });
    Ok(Hint::Review {
        repo,
        pull: pull.number,
        event,
    })
}

fn rerequested(repo: RepoName, part: CheckPart) -> Hint {
    Hint::CheckRerequested {
        repo,
        app: part.app.map(|app| app.id),
        head: part.head_sha,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use serde_json::{Value, json};

    const SHA: &str = "0123456789012345678901234567890123456789";

    fn secret() -> SecretString {
        SecretString::from("It's a Secret to Everybody")
    }

    fn hint(event: &str, payload: &Value) -> Result<Hint, Malformed> {
        parse(event, "d-1".parse().unwrap(), payload.to_string().as_bytes())
    }

    fn pull() -> Value {
        json!({
            "number": 7, "title": "Pay", "body": "a\r\nb", "user": { "id": 1, "login": "bot[bot]", "type": "Bot" },
            "head": { "sha": SHA, "ref": "proposals/1", "repo": { "full_name": "acme/ops" } },
            "base": { "sha": SHA, "ref": "main", "repo": { "full_name": "acme/ops" } },
        })
    }

    fn review(action: &str) -> Value {
        json!({
            "action": action, "repository": { "full_name": "acme/ops" }, "pull_request": pull(),
            "review": { "id": 9, "user": { "id": 42, "login": "alice", "type": "User" }, "state": "approved",
                        "commit_id": SHA, "submitted_at": "2026-11-22T15:33:08Z" },
        })
    }

    fn reviewed(payload: &Value) -> ReviewEvent {
        match hint("pull_request_review", payload).unwrap() {
            Hint::Review { event, .. } => *event,
            other => panic!("{other:?}"),
        }
    }

    /// The example of GitHub's documentation.
    #[test]
    fn i24_a_good_signature_is_accepted() {
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(verify(&secret(), b"Hello, World!", Some(header)), Ok(()));
    }

    #[test]
    fn i24_any_other_signature_is_refused() {
        let good = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        for header in [
            None,
            Some(String::new()),
            Some(good.to_owned()),
            Some(format!("sha1={good}")),
            Some(format!("sha256={}", good.split_at(62).0)),
            Some(format!("sha256={good}00")),
            Some("sha256=".to_owned()),
            Some(format!("sha256=8{}", good.split_at(1).1)),
            Some("sha256=zz".to_owned()),
        ] {
            assert_eq!(
                verify(&secret(), b"Hello, World!", header.as_deref()),
                Err(BadSignature),
                "{header:?}"
            );
        }
        let header = format!("sha256={good}");
        assert!(verify(&secret(), b"Hello, World! ", Some(&header)).is_err());
        assert!(verify(&SecretString::from("other"), b"Hello, World!", Some(&header)).is_err());
    }

    #[test]
    fn i06_a_review_is_read_with_the_head_and_texts_it_was_made_on() {
        let event = reviewed(&review("submitted"));
        assert_eq!(event.account, Some(AccountId(42)));
        assert!(event.human);
        assert_eq!(event.state, ReviewState::Approved);
        assert_eq!(event.head.to_string(), SHA);
        assert_eq!(event.body, Digest::of(b"a\nb"));
        assert_eq!(event.title, Digest::of(b"Pay"));
        assert_eq!(event.submitted_at.to_string(), "2026-11-22T15:33:08.000Z");
    }

    #[test]
    fn i07_edited_and_dismissed_reviews_no_longer_approve() {
        assert_eq!(reviewed(&review("edited")).state, ReviewState::Edited);
        assert_eq!(reviewed(&review("dismissed")).state, ReviewState::Dismissed);
    }

    #[test]
    fn i07_deleted_accounts_and_bots_are_told_apart_from_people() {
        let mut payload = review("submitted");
        payload["review"]["user"] = Value::Null;
        let event = reviewed(&payload);
        assert_eq!((event.account, event.human), (None, false));
        payload["review"]["user"] = json!({ "id": 3, "login": "ci[bot]", "type": "Bot" });
        assert!(!reviewed(&payload).human);
    }

    #[test]
    fn a_missing_body_is_an_empty_one() {
        let mut payload = review("submitted");
        payload["pull_request"]["body"] = Value::Null;
        assert_eq!(reviewed(&payload).body, Digest::of(b""));
    }

    #[test]
    fn what_is_unknown_is_nothing_and_what_is_broken_is_an_error() {
        assert_eq!(hint("star", &json!([])), Ok(Hint::Nothing));
        assert_eq!(
            hint("pull_request", &json!({ "action": "labeled" })),
            Ok(Hint::Nothing)
        );
        assert_eq!(
            hint(
                "pull_request_review",
                &json!({ "action": "new", "repository": { "full_name": "a/b" } })
            ),
            Ok(Hint::Nothing)
        );
        let mut payload = review("submitted");
        payload["review"]["state"] = json!("blessed");
        assert!(hint("pull_request_review", &payload).is_err());
        payload["pull_request"]["head"]["sha"] = json!("main");
        assert!(hint("pull_request_review", &payload).is_err());
        assert!(parse("push", "d-1".parse().unwrap(), b"{").is_err());
    }

    #[test]
    fn i25_a_fork_is_not_the_same_repository() {
        let mut payload = json!({
            "action": "opened", "repository": { "full_name": "acme/ops" }, "sender": { "id": 5 },
            "pull_request": pull(),
        });
        let event = |payload: &Value| match hint("pull_request", payload).unwrap() {
            Hint::Pull(event) => event,
            other => panic!("{other:?}"),
        };
        let opened = event(&payload);
        assert_eq!((opened.same_repo, opened.action), (true, PullAction::Opened));
        assert_eq!(opened.sender, Some(AccountId(5)));
        payload["pull_request"]["head"]["repo"] = json!({ "full_name": "mallory/ops" });
        assert!(!event(&payload).same_repo);
        payload["pull_request"]["head"]["repo"] = Value::Null;
        payload["pull_request"]["head"]["ref"] = json!("\u{202e}x");
        let odd = event(&payload);
        assert_eq!((odd.same_repo, odd.head_ref), (false, None));
    }

    #[test]
    fn pushes_to_branches_are_hints_and_tags_are_not() {
        let push = |reference: &str| {
            let payload =
                json!({ "ref": reference, "after": SHA, "repository": { "full_name": "acme/ops" } });
            hint("push", &payload).unwrap()
        };
        assert!(matches!(push("refs/heads/a/b"), Hint::Push { branch, .. } if branch.as_str() == "a/b"));
        assert_eq!(push("refs/tags/v1"), Hint::Nothing);
    }
}
