//! What can be seen of a story: entries of the ledger, the check, the bot's comments, what the targets did.

use std::{path::Path, sync::OnceLock};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};

use super::{Opened, REPO, World};

impl World {
    pub(crate) async fn state(&self, of: &Opened) -> String {
        self.status(of.agent, &of.id).await["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The kinds of entries recorded about a proposal, in order.
    pub(crate) fn kinds(&self, of: &Opened) -> Vec<String> {
        self.entries()
            .into_iter()
            .filter(|entry| entry["proposal"] == json!(of.id))
            .map(|entry| entry["kind"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The entries recorded about a proposal, in order.
    pub(crate) fn about(&self, of: &Opened) -> Vec<Value> {
        let mut entries = self.entries();
        entries.retain(|entry| entry["proposal"] == json!(of.id));
        entries
    }

    /// Every entry of the ledger's branch, read with plain Git.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let log = git(
            &self.github.git_dir(REPO).unwrap(),
            &["log", "--reverse", "--format=%B", "ledger"],
        );
        log.lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The entries of a kind, in order.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        let mut entries = self.entries();
        entries.retain(|entry| entry["kind"] == kind);
        entries
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        let log = git(
            &self.github.git_dir(REPO).unwrap(),
            &["log", "--reverse", "--format=%s", "ledger"],
        );
        log.lines().map(str::to_owned).collect()
    }

    /// The bot's comments below a pull request.
    pub(crate) fn answers(&self, of: &Opened) -> Vec<String> {
        let comments = self.github.comments(REPO, of.pull).unwrap();
        let ours = comments.iter().filter(|comment| comment["user"]["type"] == "Bot");
        ours.map(|comment| comment["body"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The newest conclusion of the bot's check on a proposal's head, with its title and summary.
    pub(crate) fn check(&self, of: &Opened) -> Check {
        self.check_so_far(of).unwrap_or_else(|| panic!("no check run"))
    }

    /// The same, where it may not be written yet.
    pub(crate) fn check_so_far(&self, of: &Opened) -> Option<Check> {
        let pull = self.github.pull(REPO, of.pull).unwrap();
        let runs = self
            .github
            .check_runs(REPO, pull["head"]["sha"].as_str().unwrap())
            .unwrap();
        let run = runs.last()?;
        assert_eq!(run["app"]["id"], json!(self.app.id), "the check is not the app's");
        Some(Check {
            conclusion: run["conclusion"].as_str().unwrap_or_default().to_owned(),
            title: run["output"]["title"].as_str().unwrap_or_default().to_owned(),
            summary: run["output"]["summary"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// How often the bank and the CRM acted.
    pub(crate) fn acted(&self) -> (usize, usize) {
        (
            self.targets.bank().effects().len(),
            self.targets.crm().effects().len(),
        )
    }

    /// Everything that a request without effect leaves as it was: every ref of the repository, pull requests with their
    /// comments, calls to GitHub that change something, claims, data keys and answers in the store, and what the targets did.
    pub(crate) async fn still(&self) -> Still {
        let refs = git(&self.github.git_dir(REPO).unwrap(), &["for-each-ref"]);
        let pulls = self.github.pulls(REPO).unwrap().len();
        let comments = (1..=pulls as u64)
            .map(|pull| {
                self.github
                    .comments(REPO, pull)
                    .map_or(0, |comments| comments.len())
            })
            .sum();
        let writes = self
            .github
            .requests()
            .into_iter()
            .filter(|one| one.method != "GET" && !one.path.ends_with("/access_tokens"))
            .map(|one| format!("{} {}", one.method, one.path))
            .collect();
        let kept = kept(&self.data.path().join("bot/countersign.db")).await;
        Still {
            refs,
            pulls,
            comments,
            writes,
            kept,
            acted: self.acted(),
        }
    }
}

/// What [`World::still`] saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Still {
    refs: String,
    pulls: usize,
    comments: usize,
    writes: Vec<String>,
    kept: Vec<String>,
    acted: (usize, usize),
}

/// The names of the claims, data keys and answers in a database.
async fn kept(file: &Path) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let mut database = sqlx::AnyConnection::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    let all = "SELECT 'outbox ' || name AS kept FROM outbox UNION ALL SELECT 'key ' || proposal FROM data_keys \
               UNION ALL SELECT 'answer ' || proposal || ' ' || place FROM results ORDER BY kept";
    let rows = sqlx::query(all).fetch_all(&mut database).await.unwrap();
    let kept = rows.iter().map(|row| row.get("kept")).collect();
    database.close().await.unwrap();
    kept
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) conclusion: String,
    pub(crate) title: String,
    pub(crate) summary: String,
}

/// The figures of this process; what was counted before the first call is not in them.
pub(crate) fn figures() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).unwrap();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
