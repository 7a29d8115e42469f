//! Alarms: what was recorded and needs a person is told to whoever the operator named, besides the ledger, the check and
//! the log. INVARIANT i14, i31.

use std::time::Duration;

use serde_json::{Value, json};

use super::Bot;
use crate::domain::{
    audit::Recorded,
    entry::{Entry, Event},
    ids::AccountId,
};

/// How long whoever hears alarms may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pauses before an alarm is given again; whoever hears it twice knows it by its id.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(2),
    Duration::from_secs(15),
];

impl Bot {
    /// Counts what was recorded, and gives alarm where somebody must know. Nothing waits for that.
    pub(super) fn told_of(&self, recorded: &[Recorded]) {
        for one in recorded {
            let entry = one.entry();
            metrics::counter!("countersign_entries_total", "kind" => entry.kind().as_str()).increment(1);
            if matches!(entry.event, Event::Bypassed(_)) {
                metrics::counter!("countersign_bypassed_total").increment(1);
            }
            let Some(account) = alarming(entry) else { continue };
            let alarm = self.alarm_of(one, account);
            let bot = self.clone();
            self.recording().spawn(async move { bot.give_alarm(alarm).await });
        }
    }

    /// CloudEvents 1.0, in structured mode.
    fn alarm_of(&self, recorded: &Recorded, account: Option<AccountId>) -> Value {
        let entry = recorded.entry();
        let (repository, what, pull) = self.ledger().read(|book| {
            let opened = entry.proposal.and_then(|id| {
                let case = book.case(id).or_else(|| book.recent(id));
                Some(case?.opened.as_ref()?.pull)
            });
            (book.genesis().repository.clone(), book.subject(entry), opened)
        });
        json!({
            "specversion": "1.0",
            "id": recorded.digest(),
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
        })
    }

    async fn give_alarm(&self, alarm: Value) {
        let Some(url) = self.inner.parts.settings.alarm_url() else {
            return;
        };
        let mut pauses = AGAIN.iter();
        loop {
            match send(url, &alarm).await {
                Ok(()) => {
                    metrics::counter!("countersign_alarms_total", "result" => "heard").increment(1);
                    return;
                }
                Err(because) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => {
                        metrics::counter!("countersign_alarms_total", "result" => "unheard").increment(1);
                        tracing::error!(%alarm, because, "nobody heard an alarm; check `alarm_url`");
                        return;
                    }
                },
            }
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

async fn send(url: &url::Url, alarm: &Value) -> Result<(), &'static str> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| "no client can be made")?;
    // The address may hold a secret: errors are told without it.
    let answer = client
        .post(url.clone())
        .header("content-type", "application/cloudevents+json")
        .body(alarm.to_string())
        .send()
        .await
        .map_err(|_| "no answer")?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err("it was not accepted")
    }
}
