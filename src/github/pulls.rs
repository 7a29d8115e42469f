//! Pull requests beside the one that counts: the agents' inbox, answers, files at a commit. INVARIANT i25.

use base64::Engine as _;
use http::Method;
use serde_json::json;

use super::{
    client::{GitHub, segment},
    error::Error,
    shown::unix,
    wire,
};
use crate::domain::ids::{AccountId, BranchName, CommentId, PullNumber, Sha, Timestamp};

/// The largest file that is read, in bytes.
const LARGEST_FILE: usize = 1024 * 1024;

/// A pull request in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullBrief {
    /// Its number.
    pub number: PullNumber,
    /// Who opened it; `None` for a deleted account.
    pub author: Option<AccountId>,
    /// Its branch; `None` when the name is not one the bot would write.
    pub head_ref: Option<BranchName>,
    /// Its head commit.
    pub head: Sha,
    /// The branch it goes into.
    pub base_ref: Option<BranchName>,
    /// Whether head and base are in this repository; a fork's branch may have any name.
    pub same_repo: bool,
    /// Whether it is open.
    pub open: bool,
    /// The commit on the base branch, when it is merged and GitHub names it.
    pub merge: Option<Sha>,
    /// Whether it is merged.
    pub merged: bool,
    /// Its title.
    pub title: String,
}

/// A comment as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub id: CommentId,
    /// Whose it is.
    pub account: AccountId,
    /// The pull request that it is on.
    pub below: PullNumber,
    /// What it says.
    pub text: String,
    /// When GitHub says it was written, to the second.
    pub at: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
struct Found {
    id: CommentId,
    user: Option<wire::Account>,
    #[serde(default)]
    body: String,
    issue_url: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Found {
    /// A person's, never edited.
    fn into_made(self) -> Option<Made> {
        let human = self.user.as_ref().filter(|user| user.is_human());
        let below = self.issue_url.rsplit('/').next()?.parse().ok()?;
        let account = wire::id_of(human)?;
        (self.created_at == self.updated_at).then_some(Made {
            id: self.id,
            account,
            below: PullNumber(below),
            text: self.body,
            at: self.created_at,
        })
    }
}

impl PullBrief {
    pub(super) fn new(pull: &wire::Pull) -> Self {
        let name = |side: &wire::Side| side.repo.as_ref().map(|repo| repo.full_name.clone());
        let (head, base) = (name(&pull.head), name(&pull.base));
        Self {
            number: pull.number,
            author: wire::id_of(pull.user.as_ref()),
            head_ref: pull.head.name.parse().ok(),
            head: pull.head.sha,
            base_ref: pull.base.name.parse().ok(),
            same_repo: head.is_some() && head == base,
            open: pull.state == "open",
            merge: pull.merged_at.and(pull.merge_commit_sha),
            merged: pull.merged_at.is_some(),
            title: pull.title.clone(),
        }
    }
}

impl GitHub {
    /// All open pull requests.
    ///
    /// # Errors
    /// When the list can't be read to its end.
    pub async fn open_pulls(&self) -> Result<Vec<PullBrief>, Error> {
        let pulls: Vec<wire::Pull> = self.list(&self.in_repo("/pulls?state=open")).await?;
        Ok(pulls.iter().map(PullBrief::new).collect())
    }

    /// Who closed a pull request, as the issue that it is too says.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn closer(&self, pull: PullNumber) -> Result<Option<AccountId>, Error> {
        #[derive(serde::Deserialize)]
        struct Closed {
            closed_by: Option<wire::Account>,
        }
        let path = self.in_repo(&format!("/issues/{pull}"));
        let closed: Closed = self.get(&path).await?;
        Ok(wire::id_of(closed.closed_by.as_ref()))
    }

    /// The pull requests of a base branch that were closed last; one page of them.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn closed_lately(&self, base: &BranchName) -> Result<Vec<PullBrief>, Error> {
        let base = segment(base.as_str());
        let path = format!("/pulls?state=closed&base={base}&sort=updated&direction=desc&per_page=50");
        let pulls: Vec<wire::Pull> = self.get(&self.in_repo(&path)).await?;
        Ok(pulls.iter().map(PullBrief::new).collect())
    }

    /// The pull requests that something happened to last, open or not; one page of them.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn updated_lately(&self) -> Result<Vec<PullBrief>, Error> {
        let path = "/pulls?state=all&sort=updated&direction=desc&per_page=100";
        let pulls: Vec<wire::Pull> = self.get(&self.in_repo(path)).await?;
        Ok(pulls.iter().map(PullBrief::new).collect())
    }

    /// One pull request.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this number.
    pub async fn pull(&self, pull: PullNumber) -> Result<PullBrief, Error> {
        self.pull_now(pull).await.map(|pull| PullBrief::new(&pull))
    }

    /// The bytes of a file at a commit; `None` when it is not there or no plain file.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 1 MiB.
    pub async fn file_at(&self, path: &str, at: Sha) -> Result<Option<Vec<u8>>, Error> {
        let encoded: Vec<String> = path.split('/').map(segment).collect();
        let url = self.in_repo(&format!("/contents/{}?ref={at}", encoded.join("/")));
        let content: serde_json::Value = match self.get(&url).await {
            Ok(content) => content,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if content.is_array() {
            return Ok(None);
        }
        let odd = |because: String| Error::Malformed {
            doing: format!("GET {url}"),
            because,
        };
        let file: wire::Content = serde_json::from_value(content).map_err(|error| odd(error.to_string()))?;
        if file.kind != "file" {
            return Ok(None);
        }
        if file.size > LARGEST_FILE {
            return Err(Error::TooLarge {
                what: path.to_owned(),
                limit: LARGEST_FILE,
            });
        }
        if file.encoding != "base64" {
            return Err(odd(format!("encoding `{}`", file.encoding.escape_debug())));
        }
        let text: String = file.content.split_ascii_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|error| odd(error.to_string()))?;
        if bytes.len() == file.size {
            Ok(Some(bytes))
        } else {
            Err(odd("the file is not as long as it is said to be".to_owned()))
        }
    }

    /// Comments on a pull request, once: a comment of ours with these very words is the comment.
    ///
    /// # Errors
    /// When the comments can't be read, or none can be made.
    pub async fn answer(&self, pull: PullNumber, text: &str) -> Result<(), Error> {
        self.say_after(pull, 0, text).await
    }

    /// A person's comment on an issue or a pull request, if it is there and was never edited.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn comment_as_made(&self, id: CommentId) -> Result<Option<Made>, Error> {
        let path = self.in_repo(&format!("/issues/comments/{}", id.0));
        let found: Found = match self.get(&path).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(found.into_made())
    }

    /// What people wrote below a pull request and never edited, oldest first.
    ///
    /// # Errors
    /// When the comments can't be read to their end.
    pub async fn comments_as_made(&self, pull: PullNumber) -> Result<Vec<Made>, Error> {
        let path = self.in_repo(&format!("/issues/{pull}/comments"));
        let found: Vec<Found> = self.list(&path).await?;
        Ok(found.into_iter().filter_map(Found::into_made).collect())
    }

    /// Answers a comment, once: who asks the same again is answered again.
    ///
    /// # Errors
    /// As [`GitHub::answer`].
    pub async fn answer_to(&self, pull: PullNumber, to: CommentId, text: &str) -> Result<(), Error> {
        self.say_after(pull, to.0, text).await
    }

    async fn say_after(&self, pull: PullNumber, after: u64, text: &str) -> Result<(), Error> {
        if self.has_said(pull, after, text).await? {
            return Ok(());
        }
        match self.comment(pull, text).await {
            Err(error) if error.is_uncertain() => {
                if self.has_said(pull, after, text).await? {
                    return Ok(());
                }
                self.comment(pull, text).await
            }
            done => done,
        }
    }

    /// Says why, then closes.
    ///
    /// # Errors
    /// As [`GitHub::answer`]; and when it can't be closed.
    pub async fn close_with(&self, pull: PullNumber, text: &str) -> Result<(), Error> {
        self.answer(pull, text).await?;
        self.close(pull).await
    }

    pub(super) async fn close(&self, pull: PullNumber) -> Result<(), Error> {
        if self.pull_now(pull).await?.state != "open" {
            return Ok(());
        }
        let path = self.in_repo(&format!("/pulls/{pull}"));
        self.for_voiding()
            .edit(&path, &json!({ "state": "closed" }))
            .await
    }

    /// A PATCH that may be made twice: after an uncertain failure it is made once more.
    pub(super) async fn edit(&self, path: &str, body: &serde_json::Value) -> Result<(), Error> {
        let done: Result<serde::de::IgnoredAny, Error> = self.write(Method::PATCH, path, body).await;
        match done {
            Err(error) if error.is_uncertain() => self
                .write::<serde::de::IgnoredAny>(Method::PATCH, path, body)
                .await
                .map(drop),
            done => done.map(drop),
        }
    }

    pub(super) async fn comment(&self, pull: PullNumber, text: &str) -> Result<(), Error> {
        let path = self.in_repo(&format!("/issues/{pull}/comments"));
        let _: wire::Comment = self.write(Method::POST, &path, &json!({ "body": text })).await?;
        Ok(())
    }

    /// Whether we said these very words; GitHub counts comments up.
    async fn has_said(&self, pull: PullNumber, after: u64, text: &str) -> Result<bool, Error> {
        let comments = self.our_comments(pull).await?;
        let text = unix(text);
        let said =
            |comment: &wire::Comment| comment.id > after && unix(&comment.body).trim_end() == text.trim_end();
        Ok(comments.iter().any(said))
    }
}
