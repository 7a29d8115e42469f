//! The demo: a newcomer's first minute.

pub mod policies;
pub mod targets;

mod account;
mod live;
mod proof;
mod script;
mod stage;
mod tell;

use std::{path::PathBuf, process::ExitCode};

use super::{Failure, failure::DENIED, sandbox::new_or_empty, serve::Stop};
use stage::Stage;
use tell::Tell;

/// See it all in a minute: a GitHub, a bot, a bank and a CRM on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign demo                    you review, in the browser
  countersign demo --auto             people and attackers are played; ends by itself
  countersign demo --auto --dir DIR   keeps repositories and keys in DIR

With --auto the exit code is 0 only if exactly the approved actions ran, once each, what failed half-way was undone, \
the freeze held, every attack was stopped, and the ledger verifies; else 3.")]
pub(super) struct Args {
    /// Play the reviewers and the attackers
    #[arg(long)]
    auto: bool,
    /// Keep repositories, keys and data in this new or empty directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The port of the GitHub on this machine; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let dir = args.dir.unwrap_or_else(|| {
        let name = format!("countersign-demo-{:08x}", rand::random::<u32>());
        std::env::temp_dir().join(name)
    });
    new_or_empty(&dir)?;
    let dir = dir
        .canonicalize()
        .map_err(|error| Failure::new(format!("can't use `{}`: {error}", dir.display())))?;
    let mut stop = Stop::new()?;
    let tell = Tell::new();
    tell.title();
    let stage = Stage::raise(&dir, args.port).await?;
    stage.show(&tell);
    let held = if args.auto {
        let before = proof::Seen::of(&stage);
        let played = tokio::select! {
            played = script::play(&stage, &tell) => played?,
            () = stop.asked() => return Err(Failure::new("interrupted")),
        };
        proof::prove(stage, &tell, &before, played).await?
    } else {
        live::run(stage, &tell, &mut stop).await?
    };
    Ok(if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DENIED)
    })
}
