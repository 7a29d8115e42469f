//! `countersign result`: what became of a proposal, answer by answer.

use std::process::ExitCode;

use serde::Deserialize as _;

use super::{
    Failure,
    caller::Caller,
    paint::{self, NO, YES, row},
    propose, view,
};
use crate::{
    domain::{case::Life, entry::Outcome, ids::ProposalId},
    service::{ItemResult, ProposalResult},
};

/// Show what became of a proposal: the target's answers, or why there are none
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign result 01JD3W8V3M4N5P6Q7R8S9T0V1W --agent payments-agent --key agent_key
  countersign result 01JD3W8V3M4N5P6Q7R8S9T0V1W --json | jq '.items[0].body'

Each answer is compared with the commitment to it that the ledger holds.

Exit codes: 0 it was executed; 1 failure, or there is no result yet or any more; 2 bad usage; 3 it ended without running.")]
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
    let answer = match door.result(args.id).await {
        Ok(answer) => answer,
        Err(error) => return propose::refused(error, args.json),
    };
    let result = ProposalResult::deserialize(&answer).map_err(propose::unknown)?;
    if args.json {
        view::json(&answer)?;
    } else {
        show(&result);
    }
    let forged: Vec<&ItemResult> = result.items.iter().filter(|item| !holds(item)).collect();
    if let Some(item) = forged.first() {
        let said = format!(
            "the answer to item `{}` is not the one that the ledger is committed to",
            item.item
        );
        return Err(
            Failure::new(said).next("compare with `countersign audit log`, and ask the gate's operator")
        );
    }
    Ok(view::code(result.state))
}

/// Whether an answer is the one committed to.
fn holds(item: &ItemResult) -> bool {
    match (&item.answer, item.commitment) {
        (Some(answer), Some(commitment)) => answer.is_committed_to(commitment),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn show(result: &ProposalResult) {
    let sign = match result.state {
        Life::Executed => paint::good(YES),
        _ => paint::bad(NO),
    };
    anstream::println!("{sign} {}", result.state.as_str().replace('_', " "));
    row("proposal", result.id);
    for item in &result.items {
        let sign = match item.outcome {
            Outcome::Executed => paint::good(YES),
            Outcome::Refused | Outcome::Errored | Outcome::Undone | Outcome::Partial => paint::bad(NO),
        };
        let step = item
            .step
            .as_ref()
            .map_or_else(String::new, |step| format!(", step {step}"));
        let undo = if item.undo { ", undone" } else { "" };
        let note = item
            .note
            .as_deref()
            .map_or_else(String::new, |note| format!(", {note}"));
        row(
            "item",
            format_args!("{sign} {}{step}{undo}: {}{note}", item.item, item.outcome),
        );
        let Some(answer) = &item.answer else { continue };
        match &answer.body {
            Some(body) => row("answer", body),
            None => row("answer", format_args!("{} (base64)", answer.bytes)),
        }
        if holds(item) {
            row("", paint::soft("as the ledger is committed to"));
        }
    }
    if let Some(refusal) = &result.refusal {
        row("rule", &refusal.rule);
        row("because", &refusal.reason);
        for rule in &refusal.rules {
            row("", format_args!("{} does not hold", rule.rule.as_str()));
        }
        row("next", &refusal.satisfy);
    }
}
