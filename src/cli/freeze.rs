//! `countersign freeze`: stop executions at once.

use std::process::ExitCode;

use super::{
    Failure,
    gesture::{Gesture, reason},
};
use crate::domain::ids::{ActionName, AgentName};

/// Stop executions at once, in every replica, as a person of the policy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  GH_TOKEN=$(gh auth token) countersign freeze --all --reason \"the bank is down\" --repo acme/approvals
  countersign freeze --action payments.create --reason \"too many\" --repo acme/approvals
  countersign freeze --agent payments-agent --reason \"it behaves strangely\" --repo acme/approvals

It writes `/freeze` below the newest proposal's pull request in your name and waits for the bot's answer, which names the \
freeze. A proposal of an action that thaws ends it, such as `executions.thaw` of the starter set, which is of the high \
tier: `countersign propose`.

Exit codes: 0 frozen; 1 failure, or no answer; 2 bad usage; 3 not recorded, and why.")]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    /// Why; it stands on the ledger for good
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    gesture: Gesture,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Every execution
    #[arg(long)]
    all: bool,
    /// Executions of this action
    #[arg(long, value_name = "NAME")]
    action: Option<ActionName>,
    /// Executions of whatever this agent proposed
    #[arg(long, value_name = "NAME")]
    agent: Option<AgentName>,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let what = match (&args.what.action, &args.what.agent) {
        (Some(action), _) => format!("action {action}"),
        (None, Some(agent)) => format!("agent {agent}"),
        (None, None) => "all".to_owned(),
    };
    args.gesture
        .make(None, &format!("/freeze {what} {}", args.reason))
        .await
}
