//! `countersign erase`: have a proposal's key and the answers to it destroyed.

use std::process::ExitCode;

use super::{
    Failure,
    gesture::{Gesture, reason},
};
use crate::domain::ids::ProposalId;

/// Have a proposal's sealed values and answers destroyed, as a person of the policy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  GH_TOKEN=$(gh auth token) countersign erase 01JD3W8V3M4N5P6Q7R8S9T0V1W --reason \"erasure request 4711\" --repo acme/approvals

It writes `/erase` below the proposal's pull request in your name and waits for the bot's answer. Only whoever is \
accountable for the action, or owns the rules, may, and only once the proposal has ended. What can't be erased is said in \
docs/erasure.md.

Exit codes: 0 erased; 1 failure, or no answer; 2 bad usage; 3 not recorded, and why.")]
pub(super) struct Args {
    /// The proposal's id
    id: ProposalId,
    /// Why; it stands on the ledger for good, so name no personal data
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    gesture: Gesture,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let command = format!("/erase {} {}", args.id, args.reason);
    args.gesture.make(Some(args.id), &command).await
}
