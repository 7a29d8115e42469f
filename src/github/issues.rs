//! Issues that the bot opens in the repository: alarms that people are to see beside the pull requests.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    client::{GitHub, segment},
    error::Error,
    publish::{LONGEST_BODY, LONGEST_TITLE, fits},
    wire,
};

/// The label of every issue that the bot opens, by which they are found again.
const LABEL: &str = "countersign-alarm";
/// What the last line of such an issue begins with.
const MARK: &str = "countersign alarm ";

#[derive(Deserialize)]
struct Issue {
    user: Option<wire::Account>,
    #[serde(default)]
    body: Option<String>,
}

/// The last line of an issue: what it is about, in characters that say nothing to GitHub.
fn mark(about: &str) -> String {
    format!("{MARK}`{about}`")
}

impl GitHub {
    /// Opens the one issue about something, or finds it: one of ours among the newest hundred that ends with its mark.
    /// `about` holds no backtick. Gives whether it was opened now.
    ///
    /// # Errors
    /// When issues can't be read or none can be made; [`Error::TooLarge`] when a text exceeds GitHub's limits.
    pub async fn open_issue(&self, about: &str, title: &str, words: &str) -> Result<bool, Error> {
        let mark = mark(about);
        let body = format!("{}\n\n{mark}", words.trim_end());
        fits("title", title, LONGEST_TITLE)?;
        fits("body", &body, LONGEST_BODY)?;
        if self.has_issue(&mark).await? {
            return Ok(false);
        }
        let path = self.in_repo("/issues");
        let wanted = json!({ "title": title, "body": body, "labels": [LABEL] });
        let opened: Result<Issue, Error> = self.write(Method::POST, &path, &wanted).await;
        match opened {
            Err(error) if error.is_uncertain() => {
                if !self.has_issue(&mark).await? {
                    let _: Issue = self.write(Method::POST, &path, &wanted).await?;
                }
                Ok(true)
            }
            opened => opened.map(|_| true),
        }
    }

    async fn has_issue(&self, mark: &str) -> Result<bool, Error> {
        let me = self.me().await?;
        let path = self.in_repo(&format!(
            "/issues?state=all&labels={LABEL}&creator={}&sort=created&direction=desc&per_page=100",
            segment(me.login().as_str())
        ));
        let newest: Vec<Issue> = self.get(&path).await?;
        Ok(newest.iter().any(|issue| {
            let last = issue
                .body
                .as_deref()
                .and_then(|body| body.trim_end().lines().last());
            wire::id_of(issue.user.as_ref()) == Some(me.account()) && last == Some(mark)
        }))
    }
}
