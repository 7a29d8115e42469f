//! What a person does with their own token: a comment below a proposal's pull request, and the bot's answer to it.

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Error, GitHub, wire};
use crate::domain::{
    ids::{AccountId, CommentId, ProposalId, PullNumber, RepoName, Timestamp},
    proposal::{branch_of, is_proposals},
};

/// A person's hand on a repository.
#[derive(Debug, Clone)]
pub struct Hand(GitHub);

/// A proposal's pull request, as far as a comment needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sheet {
    /// Its number.
    pub pull: PullNumber,
    /// The bot, which opened it.
    bot: AccountId,
}

/// A comment that was made.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its id.
    pub comment: CommentId,
    /// Where people read it.
    pub url: String,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Pull {
    number: PullNumber,
    user: Option<wire::Account>,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    full_name: RepoName,
}

#[derive(Deserialize)]
struct Made {
    id: CommentId,
    #[serde(default)]
    html_url: String,
    created_at: Timestamp,
}

impl Hand {
    /// A client for one repository in a person's name. Makes no request yet.
    ///
    /// # Errors
    /// As [`GitHub::connect`].
    pub fn connect(api: Url, repo: RepoName, token: SecretString) -> Result<Self, Error> {
        GitHub::with_token(api, repo, token).map(Self)
    }

    /// The pull request of a proposal; for one that has none, such as a low-tier one, the newest of any proposal.
    ///
    /// # Errors
    /// When pull requests can't be listed.
    pub async fn sheet(&self, id: Option<ProposalId>) -> Result<Option<Sheet>, Error> {
        let owner = self
            .0
            .repo()
            .as_str()
            .split_once('/')
            .map_or("", |(owner, _)| owner);
        if let Some(id) = id {
            let branch = branch_of(id);
            let query = format!("/pulls?state=all&head={owner}:{branch}&per_page=10");
            let pulls: Vec<Pull> = self.0.get(&self.0.in_repo(&query)).await?;
            let found = self.newest(pulls, |head| head == branch);
            if found.is_some() {
                return Ok(found);
            }
        }
        let query = "/pulls?state=all&sort=created&direction=desc&per_page=100";
        let pulls: Vec<Pull> = self.0.get(&self.0.in_repo(query)).await?;
        Ok(self.newest(pulls, is_proposals))
    }

    /// The newest that a bot opened from a branch of the repository itself.
    fn newest(&self, pulls: Vec<Pull>, fits: impl Fn(&str) -> bool) -> Option<Sheet> {
        let ours = |repo: &Repo| {
            repo.full_name
                .as_str()
                .eq_ignore_ascii_case(self.0.repo().as_str())
        };
        let sheet = |pull: Pull| {
            let bot = pull.user.filter(|user| !user.is_human())?.id()?;
            let is_ours = fits(&pull.head.branch) && pull.head.repo.as_ref().is_some_and(ours);
            is_ours.then_some(Sheet {
                pull: pull.number,
                bot,
            })
        };
        pulls.into_iter().filter_map(sheet).max_by_key(|sheet| sheet.pull)
    }

    /// Comments, once.
    ///
    /// # Errors
    /// When the comment can't be made, or nobody knows whether it was.
    pub async fn write(&self, on: Sheet, text: &str) -> Result<Written, Error> {
        let path = self.0.in_repo(&format!("/issues/{}/comments", on.pull));
        let made: Made = self
            .0
            .write(Method::POST, &path, &json!({ "body": text }))
            .await?;
        Ok(Written {
            comment: made.id,
            url: made.html_url,
            at: made.created_at,
        })
    }

    /// What the bot said first after a comment; none while it said nothing.
    ///
    /// # Errors
    /// When comments can't be read.
    pub async fn answer(&self, on: Sheet, after: &Written) -> Result<Option<String>, Error> {
        let path = format!("/issues/{}/comments?since={}", on.pull, after.at);
        let comments: Vec<wire::Comment> = self.0.list(&self.0.in_repo(&path)).await?;
        let said = comments.into_iter().filter(|comment| {
            wire::id_of(comment.user.as_ref()) == Some(on.bot)
                && comment.id > after.comment.0
                && is_answer(&comment.body)
        });
        Ok(said.min_by_key(|comment| comment.id).map(|comment| comment.body))
    }
}

/// Whether a comment of the bot's answers a command, as the outcome does not.
fn is_answer(text: &str) -> bool {
    text.starts_with("Recorded: ") || text.starts_with("Not recorded for ")
}
