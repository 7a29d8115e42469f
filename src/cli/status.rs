//! `countersign status`: where a proposal stands.

use std::process::ExitCode;

use serde::Deserialize as _;

use super::{Failure, caller::Caller, propose, view};
use crate::{domain::ids::ProposalId, service::Status};

/// Say where a proposal stands
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign status 01JD3W8V3M4N5P6Q7R8S9T0V1W --agent payments-agent --key agent_key
  countersign status 01JD3W8V3M4N5P6Q7R8S9T0V1W --json | jq -r .state

Exit codes: 0 it waits or was executed; 1 failure; 2 bad usage; 3 it ended without running.")]
pub(super) struct Args {
    /// The proposal's id
    id: ProposalId,
    /// Print the gate's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caller: Caller,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let door = args.caller.door()?;
    let answer = match door.status(args.id).await {
        Ok(answer) => answer,
        Err(error) => return propose::refused(error, args.json),
    };
    let status = Status::deserialize(&answer).map_err(propose::unknown)?;
    if args.json {
        view::json(&answer)?;
    } else {
        view::status(&status);
    }
    Ok(if status.ended {
        view::code(status.state)
    } else {
        ExitCode::SUCCESS
    })
}
