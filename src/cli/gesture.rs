//! What a person asks of the bot from a terminal: the comment that they would write on GitHub, with their own token, and
//! the bot's answer to it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use secrecy::SecretString;
use serde_json::json;
use tokio::time::{Instant, sleep};
use url::Url;

use super::{
    Failure, caller,
    failure::DENIED,
    paint::{self, NO, YES, row},
    view,
};
use crate::{
    domain::ids::{ProposalId, RepoName, Span},
    github::{Error, Hand, Sheet},
    settings::encrypted,
};

/// Hold a token that the `gh` program and GitHub's own workflows use.
const TOKENS: [&str; 2] = ["GH_TOKEN", "GITHUB_TOKEN"];
/// How often the answer is looked for.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The flags of every command that speaks as a person.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Person")]
pub(super) struct Gesture {
    /// The repository that holds policies, proposals and ledger
    #[arg(long, value_name = "OWNER/NAME", env = "COUNTERSIGN_REPO")]
    repo: RepoName,
    /// The API of GitHub or of an Enterprise Server
    #[arg(
        long,
        value_name = "URL",
        env = "COUNTERSIGN_API_URL",
        default_value = "https://api.github.com"
    )]
    api_url: Url,
    /// Your own GitHub token, in a file that only this user can read; or put it into GH_TOKEN or GITHUB_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long to wait for the bot's answer
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    wait: Span,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

impl Gesture {
    /// Writes a command below a proposal's pull request, or below the newest one's where it is about none that has one, and
    /// waits for the answer.
    pub(super) async fn make(self, about: Option<ProposalId>, command: &str) -> Result<ExitCode, Failure> {
        let api = encrypted(&self.api_url, "GitHub's API").map_err(|error| Failure::new(error).usage())?;
        let hand = Hand::connect(api, self.repo.clone(), self.token()?).map_err(refused)?;
        let sheet = hand.sheet(about).await.map_err(refused)?.ok_or_else(|| {
            Failure::new(format!("no proposal has a pull request in `{}`", self.repo))
                .next("check `--repo`, and whether the token may read its pull requests")
        })?;
        let written = hand.write(sheet, command).await.map_err(refused)?;
        let until = Instant::now() + Duration::from_millis(u64::try_from(self.wait.millis()).unwrap_or(0));
        loop {
            if let Some(answer) = hand.answer(sheet, &written).await.map_err(refused)? {
                return self.show(sheet, &written.url, answer.trim_end());
            }
            if Instant::now() >= until {
                let said = format!("the bot has not answered within {}", self.wait);
                let next = format!(
                    "look below {}; is `countersign serve` running, and are you in people.yaml?",
                    written.url
                );
                return Err(Failure::new(said).next(next));
            }
            sleep(ASK_EVERY).await;
        }
    }

    fn show(&self, sheet: Sheet, url: &str, answer: &str) -> Result<ExitCode, Failure> {
        let recorded = answer.starts_with("Recorded: ");
        if self.json {
            view::json(&json!({
                "recorded": recorded,
                "answer": answer,
                "pull_request": sheet.pull,
                "comment": url,
            }))?;
        } else {
            let sign = if recorded {
                paint::good(YES)
            } else {
                paint::bad(NO)
            };
            anstream::println!("{sign} {answer}");
            row("comment", paint::link(url));
        }
        Ok(if recorded {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(DENIED)
        })
    }

    fn token(&self) -> Result<SecretString, Failure> {
        if let Some(path) = &self.token_file {
            let text = caller::text(path, "your token")?;
            return Ok(SecretString::from(text.trim()));
        }
        let set = TOKENS.iter().filter_map(|name| std::env::var(name).ok());
        let token = set.into_iter().find(|token| !token.trim().is_empty());
        token
            .map(|token| SecretString::from(token.trim()))
            .ok_or_else(|| {
                Failure::new("this needs your own GitHub token: what you ask for is recorded in your name")
                    .next(
                        "run it as `GH_TOKEN=$(gh auth token) countersign ...`, or give `--token-file FILE`",
                    )
                    .usage()
            })
    }
}

/// A person's reason, as it can stand in a command.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        Err("a reason takes words".to_owned())
    } else {
        Ok(line)
    }
}

fn refused(error: Error) -> Failure {
    Failure::new(format!("GitHub: {error}"))
        .next("check `--repo`, `--api-url`, and whether the token may comment on its pull requests")
}
