//! `countersign resolve`: settle an execution whose end nobody knows.

use std::process::ExitCode;

use super::{
    Failure,
    gesture::{Gesture, reason},
};
use crate::domain::ids::ProposalId;

/// Settle an execution whose end nobody knows, as a person of the policy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  GH_TOKEN=$(gh auth token) countersign resolve 01JD3W8V3M4N5P6Q7R8S9T0V1W --as executed \\
      --reason \"it is on the bank's statement\" --repo acme/approvals

Look in the target system first, with the key that the pull request names. It writes `/resolve` below the proposal's pull \
request in your name and waits for the bot's answer. The sponsor and whoever changed the proposal may not. Nothing is run \
again.

Exit codes: 0 settled; 1 failure, or no answer; 2 bad usage; 3 not recorded, and why.")]
pub(super) struct Args {
    /// The proposal's id
    id: ProposalId,
    /// What became of it
    #[arg(long = "as", value_enum)]
    found: Found,
    /// How you know; it stands on the ledger for good
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    gesture: Gesture,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Found {
    /// It ran
    Executed,
    /// It did not run
    NotExecuted,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let found = match args.found {
        Found::Executed => "executed",
        Found::NotExecuted => "not-executed",
    };
    let command = format!("/resolve {} {found} {}", args.id, args.reason);
    args.gesture.make(Some(args.id), &command).await
}
