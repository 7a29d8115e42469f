//! The bot's process: it starts, crashes, starts again; its clock, and waiting until nothing is on its way.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign::{
    domain::ids::Timestamp,
    service::{AssembleError, Bot, Clock, assemble, router},
    settings::{Args, Role, Settings},
};

use super::{World, fresh, now};

impl World {
    fn clock(skew: &Arc<AtomicI64>) -> Clock {
        let skew = Arc::clone(skew);
        Arc::new(move || Timestamp::from_millis(now() + skew.load(Ordering::SeqCst)))
    }

    /// Stops the bot's process in good order, and starts another one on the same data.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.crash();
        self.start().await.unwrap();
    }

    /// Kills the bot's process where it stands. What it had on its way to GitHub or a target may still arrive.
    pub(crate) fn crash(&mut self) {
        self.server.abort();
        self.process.kill();
        self.bot.stopping().begin();
        // The dead process's lock dies with it; here it would live as long as the last handle.
        let (data, dead) = (self.data.path().join("bot"), self.data.path().join(fresh()));
        std::fs::rename(&data, &dead).unwrap();
        copy(&dead, &data);
    }

    /// Starts a process on the data of one that is gone.
    pub(crate) async fn start(&mut self) -> Result<(), AssembleError> {
        self.process = Process::start();
        let bot = self.process.assemble(&self.settings, &self.skew).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.server = self.process.serve(bot.clone(), listener);
        self.bot = bot;
        self.github
            .set_webhook_url(self.app.id, &format!("http://{}/webhooks/github", self.address))
            .unwrap();
        self.settle().await;
        Ok(())
    }

    /// A second bot with the same keys and data of its own; GitHub tells it nothing, so it works when it sweeps.
    pub(crate) async fn second(&self) -> Bot {
        let args = Args {
            data_dir: Some(self.data.path().join("second")),
            ..self.args.clone()
        };
        let settings = Arc::new(Settings::from(&args, self.variables()).unwrap());
        let bot = self.process.assemble(&settings, &self.skew).await.unwrap();
        self.process.work(&bot);
        bot
    }

    /// A replica: another bot with the same keys and the same database. It works once [`World::work`] is called.
    pub(crate) async fn replica(&self, name: &str) -> Bot {
        let file = self.data.path().join("bot/countersign.db");
        let own = || format!("sqlite:{}", file.display()).into();
        let args = Args {
            data_dir: Some(self.data.path().join(name)),
            database: Some(self.args.database.clone().unwrap_or_else(own)),
            ..self.args.clone()
        };
        let settings = Arc::new(Settings::from(&args, self.variables()).unwrap());
        self.process.assemble(&settings, &self.skew).await.unwrap()
    }

    /// An executor apart that outlives the gate's process, with memory of its own across calls, on the database that it shares with the gate; `trusting`
    /// when an operator answers for the rules in force.
    pub(crate) async fn apart(&self, trusting: bool) -> Bot {
        let file = self.data.path().join("bot/countersign.db");
        let secrets = self.data.path().join("secrets");
        let policy = self.bot.ledger().read(|book| book.policy());
        let args = Args {
            role: Some(Role::Execute),
            data_dir: Some(self.data.path().join("apart")),
            database: Some(format!("sqlite:{}", file.display()).into()),
            gate_key_file: None,
            webhook_secret_file: None,
            executor_key_file: Some(secrets.join("executor")),
            trusted_policy: trusting.then_some(policy),
            ..self.args.clone()
        };
        let settings = Arc::new(Settings::from(&args, self.variables_of_targets()).unwrap());
        assemble(settings, Self::clock(&self.skew)).await.unwrap()
    }

    /// Lets another bot work on what is due.
    pub(crate) fn work(&self, bot: &Bot) {
        self.process.work(bot);
    }

    pub(super) async fn stop(&mut self) {
        self.server.abort();
        self.bot.stopping().begin();
        self.bot.tasks().idle().await;
        self.bot.close().await;
    }

    /// Moves the bot's clock; GitHub's stays.
    pub(crate) fn later(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.skew.fetch_add(millis, Ordering::SeqCst);
    }

    /// Moves the bot's clock back; GitHub's stays.
    pub(crate) fn earlier(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.skew.fetch_sub(millis, Ordering::SeqCst);
    }

    /// Moves the bot's clock and GitHub's together.
    pub(crate) fn both_later(&self, span: Duration) {
        self.later(span);
        self.github.clock().advance(span.try_into().unwrap());
    }

    /// One sweep, and everything it brings about.
    pub(crate) async fn sweep(&mut self) {
        self.bot.sweep().await;
        self.settle().await;
    }

    /// Waits until nothing is on its way: no webhook, no look, no task.
    pub(crate) async fn settle(&mut self) {
        loop {
            self.github.quiesce().await;
            let before = self.bot.ledger_size();
            self.bot.idle().await;
            self.bot.recording().idle().await;
            self.github.quiesce().await;
            if self.bot.is_idle().await && self.bot.ledger_size() == before {
                return;
            }
        }
    }

    /// The bot's clock, for others who go by it.
    pub(crate) fn clock_of_bot(&self) -> Clock {
        Self::clock(&self.skew)
    }

    /// The time by the bot's clock.
    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millis(now() + self.skew.load(Ordering::SeqCst))
    }
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// What a process of the bot's runs in, so that it can be killed in the middle.
pub(super) struct Process(Option<tokio::runtime::Runtime>);

impl Process {
    pub(super) fn start() -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Self(Some(runtime.worker_threads(2).enable_all().build().unwrap()))
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().unwrap()
    }

    pub(super) async fn assemble(
        &self,
        settings: &Arc<Settings>,
        skew: &Arc<AtomicI64>,
    ) -> Result<Bot, AssembleError> {
        let assembled = assemble(Arc::clone(settings), World::clock(skew));
        match &self.0 {
            Some(runtime) => runtime.spawn(assembled).await.unwrap(),
            // Whoever comes after a crash runs beside what crashed.
            None => assembled.await,
        }
    }

    fn work(&self, bot: &Bot) {
        let _inside = self.runtime().enter();
        bot.start_workers();
    }

    pub(super) fn serve(&self, bot: Bot, listener: tokio::net::TcpListener) -> tokio::task::JoinHandle<()> {
        self.work(&bot);
        let serving = async move { axum::serve(listener, router(bot, None)).await.unwrap() };
        self.runtime().spawn(serving)
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
