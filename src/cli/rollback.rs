//! `countersign rollback`: have what ran taken back.

use std::process::ExitCode;

use super::{
    Failure,
    gesture::{Gesture, reason},
};
use crate::domain::ids::ProposalId;

/// Have what a proposal did taken back, as a person of the policy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  GH_TOKEN=$(gh auth token) countersign rollback 01JD3W8V3M4N5P6Q7R8S9T0V1W --reason \"paid twice\" --repo acme/approvals

It writes `/rollback` below the proposal's pull request in your name and waits for the bot's answer. What takes it back is \
a proposal of its own, with the action and the parameters that the catalog names under `rollback`; others approve it, and \
you don't.

Exit codes: 0 proposed; 1 failure, or no answer; 2 bad usage; 3 not proposed, and why.")]
pub(super) struct Args {
    /// The id of the proposal that ran
    id: ProposalId,
    /// Why; it stands in the new proposal for good
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    gesture: Gesture,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let command = format!("/rollback {} {}", args.id, args.reason);
    args.gesture.make(Some(args.id), &command).await
}
