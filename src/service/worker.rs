//! Works on what is due: several subjects at a time, each by one worker only.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{
    subject::{Channel, Subject},
    turn::{Bot, NotNow},
};
use crate::{
    domain::ids::Span,
    store::{Lease, StoreError, Work},
};

/// Subjects that are worked on side by side.
const WORKERS: usize = 4;
/// How often it is asked what other processes made due.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a lease is renewed; it holds three times as long.
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// How often this process says that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(20);
/// How often an end is written again while the database refuses it, a second apart. After that the lease runs out.
const TRIES: u32 = 10;
/// What is tried again within this counts as under way.
const SOON: Span = Span::seconds(2);

impl Bot {
    /// Starts to work on what is due, until the process ends.
    pub fn start_workers(&self) {
        let bot = self.clone();
        self.tasks().spawn(async move { bot.work_on_all().await });
        let bot = self.clone();
        self.tasks().spawn(async move { bot.beat_on().await });
    }

    async fn work_on_all(&self) {
        let places = Arc::new(Semaphore::new(WORKERS));
        while !self.stopping().has_begun() {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = self.stopping().begun() => return,
            };
            let rung = self.store().inbox().bell().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            match self.store().inbox().take(self.instance(), self.now()).await {
                Ok(Some(work)) if self.stopping().has_begun() => self.let_go(&work.lease).await,
                Ok(Some(work)) => {
                    let bot = self.clone();
                    self.tasks()
                        .spawn(async move { bot.work(work, place.ok()).await });
                }
                Ok(None) => {
                    tokio::select! {
                        () = rung => {}
                        () = sleep(ASK_EVERY) => {}
                        () = self.stopping().begun() => return,
                    }
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "nothing can be worked on; it is asked again in a second");
                    tokio::select! {
                        () = sleep(ASK_EVERY) => {}
                        () = self.stopping().begun() => return,
                    }
                }
            }
        }
    }

    async fn let_go(&self, lease: &Lease) {
        if let Err(error) = self.store().inbox().let_go(lease, self.now()).await {
            tracing::warn!(%error, "a lease was not released; it runs out within a minute");
        }
    }

    /// Lets others have what this process holds. What it still does about it is not published.
    pub(super) async fn let_go_of_everything(&self) {
        if let Err(error) = self.store().inbox().leave(self.instance(), self.now()).await {
            tracing::warn!(%error, "leases were not released; they run out within a minute");
        }
    }

    async fn work(&self, work: Work, place: Option<OwnedSemaphorePermit>) {
        let Work { lease, hints } = work;
        // An agent that does not answer keeps nobody else from being worked on.
        let place =
            place.filter(|_| !matches!(lease.subject().parse(), Ok(Subject::Tell(Channel::Agent(_)))));
        let bot = self.under(lease.clone());
        // On a task of its own: should it panic, the worker goes on with the next one.
        let mut turn = tokio::spawn(async move { bot.turn(&hints).await });
        let outcome = loop {
            tokio::select! {
                outcome = &mut turn => break outcome,
                () = sleep(RENEW_EVERY) => {
                    // Whether it was lost is asked again before anything is published.
                    if let Err(error) = self.store().inbox().renew(&lease, self.now()).await {
                        tracing::warn!(subject = lease.subject(), %error, "a lease could not be renewed");
                    }
                }
            }
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) => Err(NotNow::because("the look broke off")),
        };
        if let Err(error) = &outcome {
            metrics::counter!("countersign_looks_failed_total").increment(1);
            tracing::warn!(subject = lease.subject(), %error, "a look failed; it is tried again later");
        }
        for _ in 0..TRIES {
            let inbox = self.store().inbox();
            let ended = match &outcome {
                Ok(()) => inbox.done(&lease, self.now()).await,
                Err(error) => inbox.failed(&lease, &error.to_string(), self.now()).await,
            };
            match ended {
                Ok(true) => break,
                Ok(false) => {
                    tracing::warn!(subject = lease.subject(), "somebody else works on it by now");
                    break;
                }
                Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::error!(subject = lease.subject(), %error, "the end of a look could not be written");
                    sleep(ASK_EVERY).await;
                }
            }
        }
        drop(place);
    }

    pub(super) async fn beat_on(&self) {
        loop {
            if let Err(error) = self.store().instances().beat(self.instance(), self.now()).await {
                tracing::error!(%error, "other processes can't see that this one is alive");
            }
            tokio::select! {
                () = sleep(BEAT_EVERY) => {}
                () = self.stopping().begun() => return,
            }
        }
    }

    /// Subjects that are due or worked on, by any process.
    pub async fn depth(&self) -> Result<u64, StoreError> {
        self.store().inbox().depth().await
    }

    /// Resolves once nothing is due, is worked on, or is tried again within two seconds.
    pub async fn idle(&self) {
        loop {
            let rung = self.store().inbox().bell().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if self.is_idle().await {
                return;
            }
            // What another process ends rings no bell here.
            let _ = tokio::time::timeout(Duration::from_millis(50), rung).await;
        }
    }

    /// Whether nothing is due, is worked on, or is tried again within two seconds.
    pub async fn is_idle(&self) -> bool {
        let busy = self.store().inbox().busy(self.now().plus(SOON)).await;
        matches!(busy, Ok(0) | Err(StoreError::Closed))
    }
}
