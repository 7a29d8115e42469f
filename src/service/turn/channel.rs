//! Whoever listens is told of what the ledger says: alarms to the operator, callbacks to agents. INVARIANT i14, i31.
//!
//! The store keeps how far each channel was told, and nothing else. So what is told outlasts a crash and a listener that is
//! away, is told in order and at least once, and by one replica: whoever tells holds the lease of the channel, and a
//! failure is tried again as any other look is. A channel that nothing is known of, because it is new or the database was
//! lost, is told of the last day.

use super::{Bot, NotNow};
use crate::{
    domain::{
        audit::Recorded,
        entry::{Entry, Event, Kind},
        ids::{Digest, Seq, Span, Timestamp},
    },
    service::subject::{Channel, Subject},
};

/// How far back a channel is told that nothing is known of, and an agent at all: whoever was away for longer asks.
const LOOK_BACK: Span = Span::seconds(24 * 3_600);

impl Channel {
    /// Entries that it may have to be told of.
    const fn kinds(&self) -> &'static [Kind] {
        match self {
            Self::Address | Self::Issue => super::alarm::KINDS,
            Self::Agent(_) => super::callback::KINDS,
        }
    }
    /// Whether what is older than a day is told of after all, when nobody could be before.
    const fn waits(&self) -> bool {
        match self {
            Self::Address | Self::Issue => true,
            Self::Agent(_) => false,
        }
    }
}

impl Bot {
    /// Counts what was recorded, and has told of it whoever listens. Nothing waits for that.
    pub(super) async fn told_of(&self, recorded: &[Recorded]) {
        let mut owed = false;
        for one in recorded {
            let entry = one.entry();
            metrics::counter!("countersign_entries_total", "kind" => entry.kind().as_str()).increment(1);
            if matches!(entry.event, Event::Bypassed(_)) {
                metrics::counter!("countersign_bypassed_total").increment(1);
            }
            owed |=
                super::alarm::KINDS.contains(&entry.kind()) || super::callback::KINDS.contains(&entry.kind());
        }
        if let Err(error) = self.look_at_taken_back(recorded).await {
            tracing::warn!(%error, "a pull request does not show yet how far it is taken back");
        }
        if owed && let Err(error) = self.owe_all().await {
            tracing::error!(%error, "somebody is told of it at the next sweep only");
        }
    }

    /// Has every channel told of what it was not told of yet.
    pub(super) async fn owe_all(&self) -> Result<(), NotNow> {
        if self.is_apart() {
            return Ok(());
        }
        let settings = &self.inner.parts.settings;
        let mut channels = Vec::new();
        channels.extend(settings.alarm_url().map(|_| Channel::Address));
        channels.extend(settings.alarm_issue().then_some(Channel::Issue));
        if let Some(policy) = self.known() {
            let called = policy.agents().filter(|agent| agent.callback().is_some());
            channels.extend(called.map(|agent| Channel::Agent(agent.name().clone())));
        }
        let subjects: Vec<String> = channels
            .into_iter()
            .map(|channel| Subject::Tell(channel).to_string())
            .collect();
        Ok(self.store().inbox().look_again(subjects, self.now()).await?)
    }

    /// Tells a channel of everything that it was not told of, oldest first; the first that it does not hear ends this.
    pub(super) async fn tell(&self, channel: Channel) -> Result<(), NotNow> {
        let (channels, name) = (self.store().channels(), channel.to_string());
        let next = channels.next(&name).await?;
        let (head, size) = self.ledger().read(|book| (book.head(), book.size()));
        if next.is_some_and(|next| next.0 >= size) {
            return Ok(());
        }
        let since = Timestamp::from_millis(self.now().millis().saturating_sub(LOOK_BACK.millis()));
        let waits = channel.waits();
        let owed = move |seq: Seq, at: Timestamp| match next {
            Some(next) => seq >= next && (waits || at >= since),
            None => at >= since,
        };
        for (digest, entry) in self.ledger().newest(head, channel.kinds(), owed).await? {
            if let Err(error) = self.tell_of(&channel, digest, &entry).await {
                tracing::error!(seq = %entry.seq, channel = name, %error, "nobody heard what the ledger says");
                return Err(error);
            }
            channels.told(&name, Seq(entry.seq.0.saturating_add(1))).await?;
        }
        Ok(channels.told(&name, Seq(size)).await?)
    }

    async fn tell_of(&self, channel: &Channel, digest: Digest, entry: &Entry) -> Result<(), NotNow> {
        match channel {
            Channel::Address => self.alarm_address(digest, entry).await,
            Channel::Issue => self.alarm_issue(digest, entry).await,
            Channel::Agent(agent) => self.call_back(agent, digest, entry).await,
        }
    }

    /// The id, source and time of an entry's event (CloudEvents 1.0, structured mode), with what it is and what is said.
    pub(super) fn event(
        &self,
        digest: Digest,
        entry: &Entry,
        kind: &str,
        data: serde_json::Value,
    ) -> serde_json::Value {
        let repository = self.ledger().read(|book| book.genesis().repository.clone());
        serde_json::json!({
            "specversion": "1.0",
            "id": digest,
            "source": format!("countersign/{repository}"),
            "type": kind,
            "subject": entry.proposal,
            "time": entry.time,
            "datacontenttype": "application/json",
            "data": data,
        })
    }
}
