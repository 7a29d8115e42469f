//! Watching what stands around the gate: how base branch and ledger are protected, and whether the clocks agree. While
//! either is wrong or not known, nothing opens, merges or executes. INVARIANT i30, i31.

use std::sync::PoisonError;

use super::{Bot, NotNow};
use crate::{
    domain::{
        entry::{Digests, Draft, Event, Role, Watched},
        ids::Timestamp,
        observation::Seen,
        protection::{MOST_SKEW, Weakness, agree, apart, weaknesses},
    },
    github::Watcher,
    service::problem::Problem,
};

impl Bot {
    /// Who sees the bypass lists, where the operator gave a credential for that.
    pub(super) fn watcher(&self) -> Option<&Watcher> {
        self.inner.parts.watcher.as_ref()
    }

    /// Milliseconds by which the local clock is ahead of GitHub's; asked anew when the last answer says too many.
    pub(super) async fn skew(&self) -> Seen<i64> {
        let clock = self.clock();
        match self.github().skew(clock()) {
            Some(skew) if agree(skew) => return Seen::Known(skew),
            Some(_) | None => {}
        }
        if let Err(error) = Box::pin(self.github().ask_time()).await {
            return Seen::unknown(error.to_string());
        }
        match self.github().skew(clock()) {
            Some(skew) => Seen::Known(skew),
            None => Seen::unknown("GitHub sent no date"),
        }
    }

    /// Why nobody can tell what time it is, if so. INVARIANT i30.
    pub(super) async fn wrong_clock(&self) -> Option<String> {
        match self.skew().await {
            Seen::Known(skew) if agree(skew) => None,
            Seen::Known(skew) => Some(apart(skew)),
            Seen::Unknown { because } => Some(format!("GitHub's clock could not be read: {because}")),
        }
    }

    /// A time for an entry: that of a local clock which is ahead by too much is not written down, since no entry after it
    /// could have an earlier one. INVARIANT i30.
    pub(super) fn written(&self, time: Timestamp) -> Timestamp {
        match self.github().latest() {
            Some(latest) if time > latest.plus(MOST_SKEW) => latest,
            Some(_) | None => time,
        }
    }

    /// Looks how base branch and ledger are protected, and records when that becomes another verdict.
    pub(super) async fn watch(&self) -> Result<Watched, NotNow> {
        let (base, ledger) = self
            .ledger()
            .read(|book| (book.genesis().base.clone(), book.genesis().ledger.clone()));
        let guarded = Box::pin(self.github().guarded(&base, &ledger, self.watcher())).await?;
        let weak = match (guarded.base.known(), guarded.ledger.known()) {
            (Some(base), Some(ledger)) => weaknesses(base, ledger, self.github().app_id()),
            (None, _) | (_, None) => Vec::new(),
        };
        let watched = Watched {
            base: guarded.base,
            ledger: guarded.ledger,
            weak: weak.into_iter().map(|one| one.as_str().to_owned()).collect(),
        };
        metrics::gauge!("countersign_protected").set(f64::from(u8::from(watched.strong())));
        let before = self.note_watched(&watched);
        if before.is_none_or(|before| before != watched) && !watched.strong() {
            tracing::error!(
                because = why(&watched),
                "base branch or ledger is not protected as far as it takes; nothing merges or executes until \
                 `countersign doctor` finds nothing"
            );
        }
        self.record_watched(&watched).await?;
        Ok(watched)
    }

    /// Only the watch role writes that; a bot without its key says it in the log, in checks and in observations.
    async fn record_watched(&self, watched: &Watched) -> Result<(), NotNow> {
        let told = || self.ledger().read(|book| book.strong() == watched.strong());
        if told() || self.inner.parts.settings.watch_key().is_none() {
            return Ok(());
        }
        let draft = Draft {
            role: Role::Watch,
            person: None,
            agent: None,
            time: self.now(),
            proposal: None,
            digests: Digests::default(),
            event: Event::Protection(watched.clone()),
            grouped: false,
        };
        self.append(vec![draft]).await
    }

    /// Why a low-tier action may not run now, by the last look at the rules; it has no pull request that shows it.
    pub(super) async fn guarded(&self) -> Result<(), Problem> {
        match self.weakness().await.map_err(NotNow::into_problem)? {
            Some(why) => Err(Problem::unavailable(why)),
            None => Ok(()),
        }
    }

    /// Why the rules of the branches let nothing merge or run, by the last look at them.
    pub(super) async fn weakness(&self) -> Result<Option<String>, NotNow> {
        let last = self
            .inner
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let watched = match last {
            Some(watched) if watched.strong() => return Ok(None),
            // What was missing may be there by now.
            Some(_) | None => Box::pin(self.watch()).await?,
        };
        let weak = || {
            let why = why(&watched);
            format!("{why}; nothing merges or runs until that is put right: see `countersign doctor`")
        };
        Ok((!watched.strong()).then(weak))
    }

    /// Somebody changed rules: they are looked at.
    pub(super) async fn look_at_protection(&self) -> Result<(), NotNow> {
        self.github().forget_bare();
        self.watch().await.map(drop)
    }

    fn note_watched(&self, watched: &Watched) -> Option<Watched> {
        let mut last = self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(watched.clone())
    }
}

fn why(watched: &Watched) -> String {
    let unread = [&watched.base, &watched.ledger]
        .into_iter()
        .find_map(|seen| match seen {
            Seen::Unknown { because } => Some(format!("how it is protected could not be read: {because}")),
            Seen::Known(_) => None,
        });
    let said = watched
        .weak
        .iter()
        .filter_map(|id| Weakness::of(id))
        .map(Weakness::says);
    unread.unwrap_or_else(|| said.collect::<Vec<_>>().join("; "))
}
