//! Alarms: what was recorded and needs a person is told to whoever the operator named, besides the ledger, the check and
//! the log. INVARIANT i14, i31.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bot, NotNow};
use crate::{
    domain::{
        entry::{Entry, Event, Kind},
        ids::{AccountId, Digest, PullNumber},
    },
    render::{self, AlarmFacts},
};

/// How long whoever hears alarms may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries that may alarm; see [`alarming`].
pub(super) const KINDS: &[Kind] = &[Kind::Bypassed, Kind::Incident, Kind::Protection];

impl Bot {
    /// Gives the alarm of an entry, if it is one, at the operator's address.
    pub(super) async fn alarm_address(&self, digest: Digest, entry: &Entry) -> Result<(), NotNow> {
        let Some(account) = alarming(entry) else {
            return Ok(());
        };
        // Whoever lost the lease gives none: somebody else does by now.
        self.publishing().await?;
        let (what, pull) = self.alarmed_by(entry);
        let data = json!({
            "what": what,
            "seq": entry.seq,
            "account": account,
            "pull_request": pull,
            "url": pull.map(|pull| self.github().page(pull)),
        });
        let kind = format!("countersign.{}", entry.kind());
        let alarm = self.event(digest, entry, &kind, data);
        let given = self.post_alarm(&alarm).await;
        count(given.is_ok());
        given
    }

    /// The same, as an issue of the repository.
    pub(super) async fn alarm_issue(&self, digest: Digest, entry: &Entry) -> Result<(), NotNow> {
        let Some(account) = alarming(entry) else {
            return Ok(());
        };
        let github = self.publishing().await?;
        let (what, pull) = self.alarmed_by(entry);
        let (title, text) = render::alarm(&AlarmFacts {
            entry,
            digest,
            what: &what,
            account,
            pull,
        })?;
        // One of a kind for each proposal; what is about none is told of each time.
        let about = match entry.proposal {
            Some(id) => format!("{} of {id}", entry.kind()),
            None => format!("{} {digest}", entry.kind()),
        };
        let given = github.open_issue(&about, &title, &text).await;
        count(given.is_ok());
        Ok(given.map(drop)?)
    }

    /// The line that people read for an entry, and the pull request of its proposal.
    fn alarmed_by(&self, entry: &Entry) -> (String, Option<PullNumber>) {
        self.ledger().read(|book| {
            let pull = entry.proposal.and_then(|id| {
                let case = book.case(id).or_else(|| book.recent(id));
                Some(case?.opened.as_ref()?.pull)
            });
            (book.subject(entry), pull)
        })
    }

    /// The address may hold a secret: errors are told without it.
    async fn post_alarm(&self, alarm: &Value) -> Result<(), NotNow> {
        let Some(url) = self.inner.parts.settings.alarm_url() else {
            return Ok(());
        };
        let client = self.inner.alarms.get_or_try_init(async || {
            reqwest::Client::builder()
                .timeout(PATIENCE)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|_| NotNow::because("no client for `alarm_url` can be made"))
        });
        let answer = client
            .await?
            .post(url.clone())
            .header("content-type", "application/cloudevents+json")
            .body(alarm.to_string())
            .send()
            .await
            .map_err(|_| NotNow::because("`alarm_url` does not answer; check that it can be reached"))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(NotNow::Other(format!(
                "`alarm_url` answers {}; check that it takes CloudEvents",
                answer.status().as_u16()
            )))
        }
    }
}

fn count(heard: bool) {
    let result = if heard { "heard" } else { "unheard" };
    metrics::counter!("countersign_alarms_total", "result" => result).increment(1);
}

/// Whose doing it is, when somebody must know of an entry.
fn alarming(entry: &Entry) -> Option<Option<AccountId>> {
    match &entry.event {
        Event::Bypassed(refusal) => Some(refusal.by),
        Event::Incident(incident) => Some(incident.account),
        Event::Protection(watched) if !watched.strong() => Some(None),
        _ => None,
    }
}
