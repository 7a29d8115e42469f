//! Event payloads, built from the state.
use serde_json::{Value, json};

use super::answer::Refusal;
use super::changes::ZERO;
use super::clock::stamp;
use super::git;
use super::json::{merged, node};
use super::state::{Installation, Kind, State};
use super::webhook::Delivery;

/// The most commits that one push event tells of.
const MOST_COMMITS: usize = 20;

impl State {
    /// Sends an event of a repository to every installation that covers it and subscribes to it.
    pub(crate) fn emit(
        &mut self,
        event: &str,
        repo: u64,
        sender: u64,
        payload: Value,
    ) -> Result<(), Refusal> {
        self.emit_where(event, repo, sender, payload, |_| true)
    }

    /// Sends an event of a repository to one app only, as check runs do.
    pub(crate) fn emit_to(
        &mut self,
        app: u64,
        event: &str,
        repo: u64,
        sender: u64,
        payload: Value,
    ) -> Result<(), Refusal> {
        self.emit_where(event, repo, sender, payload, |installation| {
            installation.app == app
        })
    }

    fn emit_where(
        &mut self,
        event: &str,
        repo: u64,
        sender: u64,
        payload: Value,
        which: impl Fn(&Installation) -> bool,
    ) -> Result<(), Refusal> {
        let repository = self.repo(repo)?;
        let owner = repository.owner;
        let mut common =
            json!({ "repository": self.repo_full_json(repository), "sender": self.user_json(sender) });
        if let (Some(Kind::Organization), Some(fields)) = (
            self.account(owner).map(|account| account.kind),
            common.as_object_mut(),
        ) {
            fields.insert("organization".to_owned(), self.org_simple_json(owner));
        }
        let targets: Vec<Installation> = self
            .installations
            .values()
            .filter(|installation| which(installation) && self.covers(installation, repository))
            .cloned()
            .collect();
        self.send(event, &targets, Some(repo), merged(payload, common));
        Ok(())
    }

    /// Sends an event of an organisation.
    pub(crate) fn emit_org(&mut self, event: &str, org: u64, sender: u64, payload: Value) {
        let common = json!({ "organization": self.org_simple_json(org), "sender": self.user_json(sender) });
        let targets: Vec<Installation> = self
            .installations
            .values()
            .filter(|installation| installation.account == org)
            .cloned()
            .collect();
        self.send(event, &targets, None, merged(payload, common));
    }

    /// Sends an event of the app itself, such as `ping`.
    pub(crate) fn emit_app(&mut self, event: &str, app: u64, payload: Value) {
        self.queue(event, app, None, None, payload);
    }

    fn send(&mut self, event: &str, targets: &[Installation], repo: Option<u64>, payload: Value) {
        for installation in targets {
            let subscribed = self
                .apps
                .get(&installation.app)
                .is_some_and(|app| app.events.iter().any(|wanted| wanted == event));
            if subscribed {
                let short = json!({
                    "installation": {
                        "id": installation.id,
                        "node_id": node("IntegrationInstallation", installation.id),
                    },
                });
                self.queue(
                    event,
                    installation.app,
                    Some(installation.id),
                    repo,
                    merged(payload.clone(), short),
                );
            }
        }
    }

    fn queue(&mut self, event: &str, app: u64, installation: Option<u64>, repo: Option<u64>, payload: Value) {
        let Some(url) = self.apps.get(&app).and_then(|app| app.webhook_url.clone()) else {
            return;
        };
        let guid = guid();
        let id = self.id();
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("user-agent", "GitHub-Hookshot/sandbox".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", guid.clone()),
            ("x-github-hook-id", app.to_string()),
            ("x-github-hook-installation-target-type", "integration".to_owned()),
            ("x-github-hook-installation-target-id", app.to_string()),
        ];
        let delivery = Delivery {
            id,
            guid,
            app,
            installation,
            repo,
            event: event.to_owned(),
            payload,
            redelivery: false,
            url,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            delivered_at: self.now(),
            duration: 0.0,
            status: "pending".to_owned(),
            status_code: 0,
            response: None,
        };
        self.outbox.push(delivery);
    }

    /// Sends a delivery once more, with the same delivery id.
    pub(crate) fn redeliver(&mut self, delivery: &Delivery) {
        let url = self
            .apps
            .get(&delivery.app)
            .and_then(|app| app.webhook_url.clone());
        let again = Delivery {
            id: self.id(),
            redelivery: true,
            url: url.unwrap_or_else(|| delivery.url.clone()),
            delivered_at: self.now(),
            ..delivery.clone()
        };
        self.outbox.push(again);
    }

    pub(crate) fn emit_pull(
        &mut self,
        repo: u64,
        number: u64,
        action: &str,
        sender: u64,
        more: Value,
    ) -> Result<(), Refusal> {
        let pull = self.pull_full_json(self.repo(repo)?, self.pull(repo, number)?);
        let payload = json!({ "action": action, "number": number, "pull_request": pull });
        self.emit("pull_request", repo, sender, merged(payload, more))
    }

    pub(crate) fn emit_review(
        &mut self,
        repo: u64,
        number: u64,
        review: u64,
        action: &str,
        sender: u64,
    ) -> Result<(), Refusal> {
        self.emit_review_with(repo, number, review, action, sender, json!({}))
    }

    pub(crate) fn emit_review_with(
        &mut self,
        repo: u64,
        number: u64,
        review: u64,
        action: &str,
        sender: u64,
        more: Value,
    ) -> Result<(), Refusal> {
        let repository = self.repo(repo)?;
        let pull = self.pull(repo, number)?;
        let Some(review) = pull.reviews.iter().find(|other| other.id == review) else {
            return Ok(());
        };
        let mut review_json = self.review_json(repository, pull, review);
        if let Some(fields) = review_json.as_object_mut() {
            fields.insert(
                "state".to_owned(),
                Value::String(review.verdict.name().to_lowercase()),
            );
            fields.insert("submitted_at".to_owned(), json!(review.submitted_at.map(stamp)));
            fields.insert("updated_at".to_owned(), json!(stamp(review.updated_at)));
            if review.body.is_empty() {
                fields.insert("body".to_owned(), Value::Null);
            }
        }
        let payload = json!({
            "action": action,
            "review": review_json,
            "pull_request": self.pull_json(repository, pull),
        });
        self.emit("pull_request_review", repo, sender, merged(payload, more))
    }

    pub(crate) fn emit_push(
        &mut self,
        repo: u64,
        actor: u64,
        reference: &str,
        (before, after): (Option<&str>, Option<&str>),
        (added, forced): (&[git2::Oid], bool),
    ) -> Result<(), Refusal> {
        let repository = self.repo(repo)?;
        let git = self.open_git(repository)?;
        let html = self.repo_html(repository);
        let newest = added.len().saturating_sub(MOST_COMMITS);
        let commits = added.iter().skip(newest);
        let commits: Vec<Value> = commits
            .map(|oid| self.push_commit(&git, &html, *oid))
            .collect::<Result<_, _>>()?;
        let pusher = self.account(actor);
        let before = before.unwrap_or(ZERO);
        let payload = json!({
            "ref": reference,
            "before": before,
            "after": after.unwrap_or(ZERO),
            "created": before == ZERO,
            "deleted": after.is_none(),
            "forced": forced,
            "base_ref": null,
            "compare": format!("{html}/compare/{before}...{}", after.unwrap_or(ZERO)),
            "head_commit": if after.is_some() { commits.last().cloned().unwrap_or(Value::Null) } else { Value::Null },
            "commits": commits,
            "pusher": {
                "name": pusher.map_or("ghost", |account| account.login.as_str()),
                "email": pusher.map(super::state::Account::noreply),
            },
        });
        self.emit("push", repo, actor, payload)
    }

    fn push_commit(&self, git: &git2::Repository, html: &str, oid: git2::Oid) -> Result<Value, Refusal> {
        let commit = git.find_commit(oid)?;
        let parent = commit.parent(0).ok().and_then(|parent| parent.tree().ok());
        let changes = git::diff(git, parent.as_ref(), Some(&commit.tree()?))?;
        let of = |status: &[&str]| -> Vec<String> {
            changes
                .iter()
                .filter(|change| status.contains(&change.status))
                .map(|change| change.path.clone())
                .collect()
        };
        let who = |signature: &git2::Signature<'_>| {
            let email = signature.email().unwrap_or_default().to_owned();
            let login = self.account_by_email(&email).map(|account| account.login.clone());
            let mut who = json!({ "name": signature.name().unwrap_or_default(), "email": email });
            if let (Some(login), Some(fields)) = (login, who.as_object_mut()) {
                fields.insert("username".to_owned(), Value::String(login));
            }
            who
        };
        let at = jiff::Timestamp::from_second(commit.time().seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Ok(json!({
            "id": oid.to_string(),
            "tree_id": commit.tree_id().to_string(),
            "distinct": true,
            "message": commit.message().unwrap_or_default().trim_end(),
            "timestamp": stamp(at),
            "url": format!("{html}/commit/{oid}"),
            "author": who(&commit.author()),
            "committer": who(&commit.committer()),
            "added": of(&["added"]),
            "removed": of(&["removed"]),
            "modified": of(&["modified", "renamed", "changed", "copied"]),
        }))
    }
}

/// A delivery id, in the form of a UUID.
fn guid() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
