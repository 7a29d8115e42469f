//! Alarms: what was recorded and needs a person is told to whoever the operator named, besides the ledger, the check and
//! the log. INVARIANT i14, i31.
//!
//! What alarms stands in the ledger; the store keeps how far each channel was told. So an alarm outlasts a crash and a
//! channel that is away, is given in order and at least once, and by one replica: whoever gives holds the lease of its
//! channel, and a failure is tried again as any other look is. A channel that nothing is known of, because it is new or
//! the database was lost, is told of the last day.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bot, NotNow};
use crate::{
    domain::{
        audit::Recorded,
        entry::{Entry, Event, Kind},
        ids::{AccountId, Digest, Seq, Span, Timestamp},
    },
    render::{self, AlarmFacts},
    service::subject::{Channel, Subject},
};

/// How long whoever hears alarms may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back a channel is told that nothing is known of.
const LOOK_BACK: Span = Span::seconds(24 * 3_600);
/// Entries that may alarm; see [`alarming`].
const KINDS: &[Kind] = &[Kind::Bypassed, Kind::Incident, Kind::Protection];

impl Bot {
    /// Counts what was recorded, and has alarm given where somebody must know. Nothing waits for that.
    pub(super) async fn told_of(&self, recorded: &[Recorded]) {
        let mut owed = false;
        for one in recorded {
            let entry = one.entry();
            metrics::counter!("countersign_entries_total", "kind" => entry.kind().as_str()).increment(1);
            if matches!(entry.event, Event::Bypassed(_)) {
                metrics::counter!("countersign_bypassed_total").increment(1);
            }
            owed |= alarming(entry).is_some();
        }
        if owed && let Err(error) = self.owe_alarms().await {
            tracing::error!(%error, "an alarm waits for the next sweep");
        }
    }

    /// Has every channel told of what it was not told of yet.
    pub(super) async fn owe_alarms(&self) -> Result<(), NotNow> {
        let hears = |channel: &Channel| match channel {
            Channel::Address => self.inner.parts.settings.alarm_url().is_some(),
            Channel::Issue => self.inner.parts.settings.alarm_issue(),
        };
        let subjects: Vec<String> = Channel::ALL
            .into_iter()
            .filter(hears)
            .map(|channel| Subject::Alarms(channel).to_string())
            .collect();
        Ok(self.store().inbox().look_again(subjects, self.now()).await?)
    }

    /// Tells a channel of everything that it was not told of, oldest first; the first that it does not hear ends this.
    pub(super) async fn give_alarms(&self, channel: Channel) -> Result<(), NotNow> {
        let alarms = self.store().alarms();
        let next = alarms.next(channel.as_str()).await?;
        let (head, size) = self.ledger().read(|book| (book.head(), book.size()));
        if next.is_some_and(|next| next.0 >= size) {
            return Ok(());
        }
        let since = Timestamp::from_millis(self.now().millis().saturating_sub(LOOK_BACK.millis()));
        let owed = move |seq: Seq, at: Timestamp| match next {
            Some(next) => seq >= next,
            None => at >= since,
        };
        for (digest, entry) in self.ledger().newest(head, KINDS, owed).await? {
            if let Some(account) = alarming(&entry) {
                let given = self.give_alarm(channel, digest, &entry, account).await;
                let result = if given.is_ok() { "heard" } else { "unheard" };
                metrics::counter!("countersign_alarms_total", "result" => result).increment(1);
                if let Err(error) = given {
                    tracing::error!(seq = %entry.seq, channel = channel.as_str(), %error, "nobody heard an alarm");
                    return Err(error);
                }
            }
            alarms
                .given(channel.as_str(), Seq(entry.seq.0.saturating_add(1)))
                .await?;
        }
        Ok(alarms.given(channel.as_str(), Seq(size)).await?)
    }

    async fn give_alarm(
        &self,
        channel: Channel,
        digest: Digest,
        entry: &Entry,
        account: Option<AccountId>,
    ) -> Result<(), NotNow> {
        let (repository, what, pull) = self.ledger().read(|book| {
            let pull = entry.proposal.and_then(|id| {
                let case = book.case(id).or_else(|| book.recent(id));
                Some(case?.opened.as_ref()?.pull)
            });
            (book.genesis().repository.clone(), book.subject(entry), pull)
        });
        // Whoever lost the lease gives none: somebody else does by now.
        let github = self.publishing().await?;
        match channel {
            // CloudEvents 1.0, in structured mode.
            Channel::Address => {
                self.post_alarm(&json!({
                    "specversion": "1.0",
                    "id": digest,
                    "source": format!("countersign/{repository}"),
                    "type": format!("countersign.{}", entry.kind()),
                    "subject": entry.proposal,
                    "time": entry.time,
                    "datacontenttype": "application/json",
                    "data": {
                        "what": what,
                        "seq": entry.seq,
                        "account": account,
                        "pull_request": pull,
                        "url": pull.map(|pull| self.github().page(pull)),
                    },
                }))
                .await
            }
            Channel::Issue => {
                let what = what.as_str();
                let (title, text) = render::alarm(&AlarmFacts {
                    entry,
                    digest,
                    what,
                    account,
                    pull,
                })?;
                // One of a kind for each proposal; what is about none is told of each time.
                let about = match entry.proposal {
                    Some(id) => format!("{} of {id}", entry.kind()),
                    None => format!("{} {digest}", entry.kind()),
                };
                github.open_issue(&about, &title, &text).await?;
                Ok(())
            }
        }
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

/// Whose doing it is, when somebody must know of an entry.
fn alarming(entry: &Entry) -> Option<Option<AccountId>> {
    match &entry.event {
        Event::Bypassed(refusal) => Some(refusal.by),
        Event::Incident(incident) => Some(incident.account),
        Event::Protection(watched) if !watched.strong() => Some(None),
        _ => None,
    }
}
