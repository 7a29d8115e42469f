//! The demo: a newcomer's first minute.

pub mod policies;
pub mod targets;

use std::process::ExitCode;

use super::Failure;

/// See it all in a minute: a GitHub, a bot, a bank and a CRM on this machine
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: Args) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
