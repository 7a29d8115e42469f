//! Effects on a pull request. Each looks before it acts, so that doing it twice changes nothing more; after an uncertain
//! failure the state is read back before anything is tried again. INVARIANT i31.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::{Serialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    budget::Purpose,
    client::{GitHub, segment},
    error::Error,
    observe::standing,
    shown, wire,
};
use crate::domain::{
    extent::Extent,
    ids::{BranchName, Digest, Login, PersonName, PullNumber, Sha},
    observation::PullState,
    policy::Owner,
    protection::CHECK,
    publish::{CheckShown, Conclusion, Effect, split},
};

/// What GitHub says when another merge came in between; nothing happened and nothing is wrong.
const BASE_MOVED: &str = "Base branch was modified";
/// GitHub's limit for a check's summary, in characters.
const LONGEST_SUMMARY: usize = 65_535;
/// GitHub's limit for a body or a comment, in characters.
pub(super) const LONGEST_BODY: usize = 65_536;
/// GitHub's limit for a title, in characters.
pub(super) const LONGEST_TITLE: usize = 256;

/// The words that effects put on a pull request.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The pull request's title.
    pub title: String,
    /// The pull request's body: `report.md`, verbatim. INVARIANT i26.
    pub body: String,
    /// The check run's headline.
    pub check_title: String,
    /// The check run's text.
    pub check_summary: String,
    /// Places in files that the check run points at, when it is made; at most [`MOST_ANNOTATIONS`].
    pub annotations: Vec<Annotation>,
    /// The outcome comment, without its mark.
    pub outcome: String,
    /// How far the ledger is; the check run of a proposal tells. INVARIANT i18.
    pub extent: Option<Extent>,
    /// The merge commit's message; GitHub's own without one.
    pub merge: Option<MergeText>,
}

/// How many annotations GitHub takes with a check run.
pub const MOST_ANNOTATIONS: usize = 50;

/// A place in a file of the head commit, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The file, from the repository's root.
    pub path: String,
    /// The line, counted from 1.
    pub start_line: u32,
    /// The same line.
    pub end_line: u32,
    /// How bad it is, in GitHub's words.
    pub annotation_level: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Annotation {
    /// An error, or a warning, at a line.
    pub fn at(path: String, line: u32, is_error: bool, message: String) -> Self {
        Self {
            path,
            start_line: line,
            end_line: line,
            annotation_level: if is_error { "failure" } else { "warning" },
            message,
        }
    }
}

/// The message of a merge commit.
#[derive(Debug, Clone)]
pub struct MergeText {
    /// Its first line.
    pub title: String,
    /// The rest.
    pub message: String,
}

/// What an effect came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is so now.
    Done,
    /// These could not be asked: not collaborators, or the author.
    LeftOut(BTreeSet<Owner>),
    /// Merged, now or before.
    Merged {
        /// The commit on the base branch.
        sha: Sha,
    },
    /// Not merged: the head is not the expected one any more.
    HeadMoved,
    /// Not merged: a conflict, a missing check, or another rule of the branch.
    NotMergeable {
        /// What GitHub said.
        because: String,
    },
}

impl GitHub {
    /// Opens the one pull request of a branch, or finds it when it is ours already.
    ///
    /// # Errors
    /// [`Error::Taken`] when somebody else's open pull request has the branch; [`Error::TooLarge`] when a text exceeds
    /// GitHub's limits (INVARIANT i26: never cut silently).
    pub async fn open_pull(
        &self,
        head: &BranchName,
        base: &BranchName,
        title: &str,
        body: &str,
    ) -> Result<PullNumber, Error> {
        fits("title", title, LONGEST_TITLE)?;
        fits("body", body, LONGEST_BODY)?;
        if let Some(pull) = self.pull_of(head, base).await? {
            return Ok(pull);
        }
        let path = self.in_repo("/pulls");
        let wanted = json!({ "head": head, "base": base, "title": title, "body": body });
        let opened: Result<wire::Pull, Error> = self.write(Method::POST, &path, &wanted).await;
        match opened {
            Err(error) if error.is_uncertain() => {
                if let Some(pull) = self.pull_of(head, base).await? {
                    return Ok(pull);
                }
                let opened: wire::Pull = self.write(Method::POST, &path, &wanted).await?;
                Ok(opened.number)
            }
            opened => opened.map(|pull| pull.number),
        }
    }

    /// Our newest pull request of a branch.
    async fn pull_of(&self, head: &BranchName, base: &BranchName) -> Result<Option<PullNumber>, Error> {
        let me = self.me().await?.account();
        let full = segment(&format!("{}:{head}", self.repo().owner()));
        let path = self.in_repo(&format!("/pulls?state=all&head={full}"));
        let pulls: Vec<wire::Pull> = self.list(&path).await?;
        let mut taken = None;
        let mut ours = None;
        for pull in pulls.iter().filter(|pull| pull.head.name == head.as_str()) {
            if wire::id_of(pull.user.as_ref()) == Some(me) {
                ours = ours.max(Some(pull.number));
            } else if pull.state == "open" && pull.base.name == base.as_str() {
                taken = Some(pull.number);
            }
        }
        match (ours, taken) {
            (None, Some(pull)) => Err(Error::Taken { pull }),
            (ours, _) => Ok(ours),
        }
    }

    /// Makes one effect so. `people` gives the login under which each person is asked.
    ///
    /// # Errors
    /// When GitHub refuses, or the effect is still uncertain after reading back.
    pub async fn apply(
        &self,
        pull: PullNumber,
        effect: &Effect,
        texts: &Texts,
        people: &BTreeMap<PersonName, Login>,
    ) -> Result<Applied, Error> {
        if self.1 == Purpose::Ordinary && tells_an_end(effect) {
            return Box::pin(self.for_voiding().apply(pull, effect, texts, people)).await;
        }
        match effect {
            Effect::RestoreText => {
                fits("title", &texts.title, LONGEST_TITLE)?;
                fits("body", &texts.body, LONGEST_BODY)?;
                let path = self.in_repo(&format!("/pulls/{pull}"));
                let change = json!({ "title": texts.title, "body": texts.body });
                self.edit(&path, &change).await.map(|()| Applied::Done)
            }
            Effect::Ask(owners) => self.request(pull, owners, people).await,
            Effect::PutCheck(check) => self.put_check(check, texts).await.map(|()| Applied::Done),
            Effect::PutOutcome(says) => self
                .put_outcome(pull, *says, &texts.outcome)
                .await
                .map(|()| Applied::Done),
            Effect::Close => self.close(pull).await.map(|()| Applied::Done),
            Effect::Merge(head) => self.merge(pull, *head, texts.merge.as_ref()).await,
        }
    }

    /// Asks for reviews; when GitHub refuses the whole, one by one, leaving out whom it refuses.
    async fn request(
        &self,
        pull: PullNumber,
        owners: &BTreeSet<Owner>,
        people: &BTreeMap<PersonName, Login>,
    ) -> Result<Applied, Error> {
        let (persons, teams) = split(owners);
        let logins: Vec<&Login> = persons.iter().filter_map(|person| people.get(*person)).collect();
        let unnamed = persons.iter().filter(|person| !people.contains_key(**person));
        let mut left_out: BTreeSet<Owner> = unnamed.map(|person| Owner::Person((*person).clone())).collect();
        let all = json!({ "reviewers": logins, "team_reviewers": teams });
        match self.request_once(pull, &all).await {
            Err(Error::Unprocessable { .. }) => {}
            asked => return asked.map(|()| done_without(left_out)),
        }
        for owner in owners {
            let one = match owner {
                Owner::Person(person) => match people.get(person) {
                    Some(login) => json!({ "reviewers": [login] }),
                    None => continue,
                },
                Owner::Team(team) => json!({ "team_reviewers": [team] }),
            };
            match self.request_once(pull, &one).await {
                Ok(()) => {}
                Err(Error::Unprocessable { .. }) => {
                    left_out.insert(owner.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done_without(left_out))
    }

    async fn request_once(&self, pull: PullNumber, who: &Value) -> Result<(), Error> {
        let path = self.in_repo(&format!("/pulls/{pull}/requested_reviewers"));
        let asked: Result<IgnoredAny, Error> = self.write(Method::POST, &path, who).await;
        match asked {
            // Asking somebody who is asked already changes nothing.
            Err(error) if error.is_uncertain() => {
                self.write::<IgnoredAny>(Method::POST, &path, who).await.map(drop)
            }
            asked => asked.map(drop),
        }
    }

    pub(super) async fn put_check(&self, check: &CheckShown, texts: &Texts) -> Result<(), Error> {
        fits("check title", &texts.check_title, LONGEST_TITLE)?;
        fits("check summary", &texts.check_summary, LONGEST_SUMMARY)?;
        let mut body = json!({
            "status": "completed",
            "conclusion": check.conclusion.as_str(),
            "external_id": shown::id_of_check(check.says, texts.extent.as_ref()),
            "output": { "title": texts.check_title, "summary": texts.check_summary },
        });
        if let Some(run) = self.our_check(check.head).await? {
            let path = self.in_repo(&format!("/check-runs/{}", run.id));
            return self.edit(&path, &body).await;
        }
        // GitHub adds those of a later change to the ones before: they belong to the head, and are told once.
        if let Some(output) = body.get_mut("output").and_then(Value::as_object_mut)
            && !texts.annotations.is_empty()
        {
            let first: Vec<&Annotation> = texts.annotations.iter().take(MOST_ANNOTATIONS).collect();
            output.insert("annotations".to_owned(), json!(first));
        }
        if let Some(fields) = body.as_object_mut() {
            fields.insert("name".to_owned(), json!(CHECK));
            fields.insert("head_sha".to_owned(), json!(check.head));
        }
        let path = self.in_repo("/check-runs");
        let made: Result<IgnoredAny, Error> = self.write(Method::POST, &path, &body).await;
        match made {
            Err(error) if error.is_uncertain() => {
                if self.our_check(check.head).await?.is_some() {
                    return Ok(());
                }
                self.write::<IgnoredAny>(Method::POST, &path, &body)
                    .await
                    .map(drop)
            }
            made => made.map(drop),
        }
    }

    async fn put_outcome(&self, pull: PullNumber, says: Digest, words: &str) -> Result<(), Error> {
        let text = shown::outcome(says, words);
        fits("outcome comment", &text, LONGEST_BODY)?;
        if let Some(comment) = self.our_outcome(pull).await? {
            let path = self.in_repo(&format!("/issues/comments/{}", comment.id));
            return self.edit(&path, &json!({ "body": text })).await;
        }
        match self.comment(pull, &text).await {
            Err(error) if error.is_uncertain() => {
                if self.our_outcome(pull).await?.is_some() {
                    return Ok(());
                }
                self.comment(pull, &text).await
            }
            made => made,
        }
    }

    /// Merges with a merge commit, whose parents are base and head. INVARIANT i14.
    async fn merge(&self, pull: PullNumber, head: Sha, text: Option<&MergeText>) -> Result<Applied, Error> {
        let path = self.in_repo(&format!("/pulls/{pull}/merge"));
        let mut body = json!({ "sha": head, "merge_method": "merge" });
        if let (Some(text), Some(fields)) = (text, body.as_object_mut()) {
            fields.insert("commit_title".to_owned(), json!(text.title));
            fields.insert("commit_message".to_owned(), json!(text.message));
        }
        let mut merged: Result<wire::Merge, Error> = self.write(Method::PUT, &path, &body).await;
        if matches!(&merged, Err(Error::NotAllowed { message, .. }) if message.starts_with(BASE_MOVED)) {
            merged = self.write(Method::PUT, &path, &body).await;
        }
        let refused = match merged {
            Ok(merge) => return Ok(Applied::Merged { sha: merge.sha }),
            Err(error @ (Error::Conflict { .. } | Error::NotAllowed { .. })) => error,
            Err(error) if error.is_uncertain() => error,
            Err(error) => return Err(error),
        };
        // It may be merged all the same: by this call, by an earlier one, or by a releaser.
        let now = standing(&self.pull_now(pull).await?)?;
        match (now.state, refused) {
            (PullState::Merged { sha: Some(sha), .. }, _) if now.head == head => Ok(Applied::Merged { sha }),
            (_, Error::Conflict { .. }) => Ok(Applied::HeadMoved),
            (_, Error::NotAllowed { message, .. }) => Ok(Applied::NotMergeable { because: message }),
            (_, error) => Err(error),
        }
    }
}

/// What the reserve is kept for: people must not go on believing in what is void or over. INVARIANT i31.
const fn tells_an_end(effect: &Effect) -> bool {
    match effect {
        Effect::PutCheck(check) => matches!(check.conclusion, Conclusion::Failure),
        Effect::PutOutcome(_) | Effect::Close => true,
        Effect::RestoreText | Effect::Ask(_) | Effect::Merge(_) => false,
    }
}

fn done_without(left_out: BTreeSet<Owner>) -> Applied {
    if left_out.is_empty() {
        Applied::Done
    } else {
        Applied::LeftOut(left_out)
    }
}

/// What exceeds GitHub's limits is refused, never cut. INVARIANT i26.
pub(super) fn fits(what: &str, text: &str, limit: usize) -> Result<(), Error> {
    if text.chars().count() <= limit {
        Ok(())
    } else {
        Err(Error::TooLarge {
            what: what.to_owned(),
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i26_what_is_too_long_is_refused_not_cut() {
        assert!(fits("title", &"é".repeat(LONGEST_TITLE), LONGEST_TITLE).is_ok());
        assert!(fits("title", &"é".repeat(LONGEST_TITLE + 1), LONGEST_TITLE).is_err());
    }
}
