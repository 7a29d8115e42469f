//! `countersign serve`: gate and executor, or one of them.

use std::{process::ExitCode, sync::Arc, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, door, logs::Format, paint};
use crate::{
    execute::contained,
    ledger::LedgerError,
    service::{AssembleError, Server, Serving, Stopped, assemble},
    settings::{self, Role, Settings},
};

/// How long work that was begun may take at the end.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often old measurements are let go.
const UPKEEP: Duration = Duration::from_secs(5);

/// Run the bot: take proposals, open pull requests, execute what was approved
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  countersign serve --config countersign.yaml
  countersign serve --config countersign.yaml --listen 0.0.0.0:8080 --log-format json
  countersign serve --config gate.yaml --role gate          # and, on another machine:
  countersign serve --config executor.yaml --role execute

countersign.yaml:
  repo: acme/approvals
  app_id: 12345
  app_key_file: keys/app.pem
  webhook_secret_file: keys/webhook-secret
  gate_key_file: keys/gate
  executor_key_file: keys/executor
  genesis: sha256:...            # as `countersign init` printed it

GitHub sends webhooks to /webhooks/github, agents propose at /api/v1/proposals; /healthz, /readyz and /metrics are \
for the operator. SIGINT and SIGTERM end it in order: what was begun is finished and recorded.")]
pub(super) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// How logs are written
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        env = "COUNTERSIGN_LOG_FORMAT"
    )]
    log_format: Format,
}

impl Args {
    pub(super) const fn log_format(&self) -> Format {
        self.log_format
    }
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    if let Err(error) = contained::hide() {
        tracing::warn!(%error, "other programs of this user can look into this process");
    }
    let settings = Settings::load(&args.settings).map_err(|errors| {
        Failure::many(errors)
            .next("`countersign init` prints a settings file; give it with `--config FILE`")
            .usage()
    })?;
    let settings = Arc::new(settings);
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(Failure::new)?;
    let listener = TcpListener::bind(settings.listen()).await.map_err(|error| {
        Failure::new(format!("can't listen on `{}`: {error}", settings.listen()))
            .next("choose another address with `--listen ADDRESS:PORT`")
    })?;
    let bot = assemble(Arc::clone(&settings), Arc::new(door::now))
        .await
        .map_err(cannot_stand)?;
    tokio::spawn(upkeep(metrics.clone()));
    let sweep_every = Duration::from_millis(settings.sweep_every().millis().unsigned_abs());
    let mut stop = Stop::new()?;
    let server = Server::start(bot, listener, sweep_every, Some(metrics)).map_err(Failure::new)?;
    tell(&server, &settings, args.log_format);
    stop.asked().await;
    tracing::info!("stopping: nothing more is taken in; asked again, it stops at once");
    let stopped = tokio::select! {
        stopped = server.stop(PATIENCE) => stopped,
        () = stop.asked() => Stopped::InTheMiddle,
    };
    match stopped {
        Stopped::Clean => {
            tracing::info!("stopped: everything that was begun is recorded");
            Ok(ExitCode::SUCCESS)
        }
        Stopped::InTheMiddle => Err(Failure::new("stopped in the middle of something")
            .next("start again on the same data directory: it settles what was begun")),
    }
}

fn tell(server: &Server, settings: &Settings, format: Format) {
    let address = server.address();
    let Serving {
        repository,
        policy,
        entries,
        indexed,
        open,
        findings,
        role,
    } = server.bot().serving();
    match format {
        Format::Json => {
            tracing::info!(%repository, %address, %policy, entries, indexed, open, ?role, "serving");
        }
        Format::Text => {
            anstream::eprintln!(
                "{} serving {} on {}",
                paint::good(paint::YES),
                paint::strong(&repository),
                paint::link(format_args!("http://{address}"))
            );
            anstream::eprintln!("  {} {}", paint::soft("policy  "), policy.short());
            anstream::eprintln!(
                "  {} {entries} recorded, {indexed} of them read from the index, {open} open",
                paint::soft("ledger  ")
            );
            let role = match role {
                Role::All => "gate and executor",
                Role::Gate => "gate; an executor apart carries out",
                Role::Execute => "executor; it proves for itself what people approved",
            };
            anstream::eprintln!("  {} {role}", paint::soft("roles   "));
        }
    }
    if findings > 0 {
        tracing::warn!(
            findings,
            "the ledger's branch holds what is not part of the record; run `countersign audit verify`"
        );
    }
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "this is plain HTTP; put a proxy with TLS in front of it");
    }
    if settings.site().api_url().starts_with("http://") {
        tracing::warn!(
            api = settings.site().api_url(),
            "this GitHub is on this machine: a sandbox, not the real one"
        );
    }
}

fn cannot_stand(error: AssembleError) -> Failure {
    let next = match &error {
        AssembleError::GitHub(_) => {
            "check app id, key, API address, and that the app is installed on the repository"
        }
        AssembleError::Sign(_) => "give the keys that `countersign init` made",
        AssembleError::Ledger(LedgerError::NoBranch(_) | LedgerError::Genesis(_)) => {
            "begin a ledger with `countersign init`, or give the genesis digest that it printed"
        }
        AssembleError::Ledger(_) | AssembleError::Mirror(_) => {
            "check that the repository can be reached and the data directory be written, then start again"
        }
        AssembleError::Store(_) => {
            "give a directory of this user's own with `--data-dir DIR`, and a database with `--database URL` or none"
        }
        AssembleError::Credentials(_) => {
            "make their file as this user: `countersign credentials rotate`, with the same settings"
        }
        AssembleError::Policy(_) => "put `policies/` on the base branch back to what is in force",
        AssembleError::Client(_) | AssembleError::Name(_) => "run again with COUNTERSIGN_LOG=debug",
    };
    Failure::new(error).next(next)
}

async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// SIGINT and SIGTERM.
pub(super) struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// From here on the signals do not end the process by themselves.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::new)?,
            terminate: signal(SignalKind::terminate()).map_err(Failure::new)?,
        })
    }
    /// Resolves at the next of them.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
