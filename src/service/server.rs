//! A bot on a listener until it is told to stop: doors open, workers and sweep run, and an orderly end.

use std::{io, net::SocketAddr, time::Duration};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{router, turn::Bot};
use crate::{
    domain::ids::{Digest, RepoName},
    settings::Role,
};

/// How long clients that wait for an answer may keep a stopping server waiting.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How often GitHub is asked what it could not deliver.
const REDELIVERY_EVERY: Duration = Duration::from_secs(300);

/// A bot that answers.
#[derive(Debug)]
pub struct Server {
    bot: Bot,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

/// What a bot serves, as its operator wants to see it at the start.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The repository.
    pub repository: RepoName,
    /// The policy in force.
    pub policy: Digest,
    /// Entries on the ledger.
    pub entries: u64,
    /// How many of them were read from the index, and not folded.
    pub indexed: u64,
    /// Proposals that have not ended.
    pub open: usize,
    /// What stands on the ledger's branch and is not part of the record.
    pub findings: usize,
    /// The roles that it plays.
    pub role: Role,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything that was begun is done and recorded.
    Clean,
    /// Some work was left; the next start settles it.
    InTheMiddle,
}

impl Bot {
    /// What is served.
    pub fn serving(&self) -> Serving {
        let (repository, policy, entries, open) = self.ledger().read(|book| {
            let repository = book.genesis().repository.clone();
            (repository, book.policy(), book.size(), book.cases().count())
        });
        Serving {
            repository,
            policy,
            entries,
            indexed: self.ledger().indexed(),
            open,
            findings: self.ledger().findings().len(),
            role: self.role(),
        }
    }
}

impl Server {
    /// Starts workers and sweep, and answers on the listener.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(
        bot: Bot,
        listener: TcpListener,
        sweep_every: Duration,
        metrics: Option<PrometheusHandle>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        if bot.is_apart() {
            bot.start_following();
        } else {
            bot.start_workers();
            bot.start_redelivery(REDELIVERY_EVERY);
        }
        bot.start_sweep(sweep_every);
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = router(bot.clone(), metrics);
        let serving = tokio::spawn(async move {
            let told = async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            };
            axum::serve(listener, routes).with_graceful_shutdown(told).await
        });
        Ok(Self {
            bot,
            address,
            stop,
            serving,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// The bot itself.
    pub const fn bot(&self) -> &Bot {
        &self.bot
    }

    /// Takes nothing more in, finishes what was begun as far as `patience` allows, and closes the ledger.
    pub async fn stop(self, patience: Duration) -> Stopped {
        let until = Instant::now() + patience;
        // A server that ended by itself hears nothing.
        let _ = self.stop.send(());
        self.bot.stopping().begin();
        let mut serving = self.serving;
        if timeout(LAST_ANSWERS, &mut serving).await.is_err() {
            serving.abort();
        }
        let worked = timeout_at(until, self.bot.tasks().idle()).await;
        if worked.is_err() {
            self.bot.let_go_of_everything().await;
        }
        let closed = timeout_at(until.max(Instant::now() + LAST_ANSWERS), self.bot.close()).await;
        if worked.is_ok() && closed.is_ok() {
            Stopped::Clean
        } else {
            Stopped::InTheMiddle
        }
    }
}
