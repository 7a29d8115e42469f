//! `countersign revise`: a corrected proposal in place of one that people review.

use std::process::ExitCode;

use super::{Failure, propose};
use crate::domain::ids::ProposalId;

/// Replace a proposal of the agent's by a corrected one
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  countersign status 01JD7XQ4T9ZK3M5V8W2YB6CDEF        # who asks for which changes
  countersign revise 01JD7XQ4T9ZK3M5V8W2YB6CDEF -f payment.yaml --agent payments-agent --key agent_key

The old proposal ends, and its pull request closes. The new one opens with what is new since, and asks the same \
reviewers again: approvals of the old one do not count. What it reserved of a limit is reserved for the new one. A \
proposal that is merged or ran can't be replaced.

Exit codes: as of `countersign propose`.")]
pub(super) struct Args {
    /// The proposal to replace
    #[arg(value_name = "ID")]
    id: ProposalId,
    #[command(flatten)]
    propose: propose::Args,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    propose::replacing(args.propose, Some(args.id)).await
}
