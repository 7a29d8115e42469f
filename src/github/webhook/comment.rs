//! A comment on a pull request, which may hold a command to the bot.

use serde::{Deserialize, Serialize};

use super::Hint;
use crate::{
    domain::ids::{AccountId, CommentId, DeliveryId, Digest, PullNumber, RepoName, Timestamp},
    github::{shown::shown_digest, wire},
};

/// A comment as it was made; what it is edited to later says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentEvent {
    /// `X-GitHub-Delivery`.
    pub delivery: DeliveryId,
    /// The account of the person who made it.
    pub account: AccountId,
    /// The comment.
    pub comment: CommentId,
    /// When it was made.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
    /// The digest of the pull request's title at the time.
    pub title: Digest,
    /// The digest of the pull request's body at the time.
    pub body: Digest,
}

#[derive(Deserialize)]
pub(super) struct OfComment {
    issue: IssuePart,
    comment: CommentPart,
}

#[derive(Deserialize)]
struct IssuePart {
    number: PullNumber,
    title: String,
    #[serde(default)]
    body: Option<String>,
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct CommentPart {
    id: CommentId,
    created_at: Timestamp,
    user: Option<wire::Account>,
    #[serde(default)]
    body: Option<String>,
}

/// Commands are written by people, below pull requests, and begin with `/`; everything else is nothing.
pub(super) fn of_comment(repo: RepoName, delivery: DeliveryId, part: OfComment) -> Hint {
    let OfComment { issue, comment } = part;
    let human = comment.user.as_ref().filter(|user| user.is_human());
    let text = comment.body.filter(|text| text.trim_start().starts_with('/'));
    match (issue.pull_request, wire::id_of(human), text) {
        (Some(_), Some(account), Some(text)) => Hint::Comment {
            repo,
            pull: issue.number,
            event: Box::new(CommentEvent {
                delivery,
                account,
                comment: comment.id,
                at: comment.created_at,
                text,
                title: shown_digest(&issue.title),
                body: shown_digest(issue.body.as_deref().unwrap_or_default()),
            }),
        },
        _ => Hint::Nothing,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected must stop"
)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::github::parse;

    fn payload() -> Value {
        json!({
            "action": "created", "repository": { "full_name": "acme/ops" }, "sender": { "id": 5 },
            "issue": {
                "number": 7, "title": "Pay ACME", "body": "a\r\nb", "pull_request": { "url": "https://x" },
            },
            "comment": { "id": 1, "created_at": "2026-11-22T10:00:00Z", "body": " /delegate @bob", "user": { "id": 5, "login": "ann", "type": "User" } },
        })
    }

    fn hint(payload: &Value) -> Hint {
        parse(
            "issue_comment",
            "d-1".parse().unwrap(),
            payload.to_string().as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn a_persons_command_below_a_pull_request_is_heard() {
        let Hint::Comment { pull, event, .. } = hint(&payload()) else {
            panic!("no comment");
        };
        assert_eq!((pull, event.account), (PullNumber(7), AccountId(5)));
        assert_eq!(event.text, " /delegate @bob");
        // With what it was said on, as the bot wrote it.
        assert_eq!(
            (event.comment, event.at.to_string()),
            (CommentId(1), "2026-11-22T10:00:00.000Z".into())
        );
        assert_eq!(
            (event.title, event.body),
            (Digest::of(b"Pay ACME"), Digest::of(b"a\nb"))
        );
    }

    #[test]
    fn i07_bots_edits_and_comments_elsewhere_are_nothing() {
        for (at, value) in [
            ("/action", json!("edited")),
            ("/action", json!("deleted")),
            ("/issue/pull_request", Value::Null),
            ("/comment/user/type", json!("Bot")),
            ("/comment/user", Value::Null),
            ("/comment/body", json!("thanks")),
            ("/comment/body", Value::Null),
        ] {
            let mut payload = payload();
            *payload.pointer_mut(at).unwrap() = value;
            assert_eq!(hint(&payload), Hint::Nothing, "{at}");
        }
    }
}
