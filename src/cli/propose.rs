//! `countersign propose`: ask for an action as an agent, and follow what becomes of it.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize as _;
use serde_json::Value;

use super::{
    Failure,
    caller::Caller,
    door::{Door, DoorError, fresh_nonce},
    failure::DENIED,
    view,
};
use crate::{
    domain::{
        ids::{ProposalId, Span},
        request::Request,
        source::{MAX_BYTES, SourceFile, read_value, read_yaml},
    },
    service::{Preview, Status},
};

/// Propose an action as an agent
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign propose -f payment.yaml --agent payments-agent --key agent_key --dry-run
  countersign propose -f payment.yaml --agent payments-agent --key agent_key --wait
  echo '{ \"operation\": \"crm.note\", ... }' | countersign propose -f - --json

payment.yaml:
  operation: payments.create
  sponsor: carol
  parameters:
    supplier_id: acme-ltd
    amount: { minor: 1250000, currency: EUR }
    reference: Invoice 2026-117
  justification: The invoice is due on Friday and its goods have arrived

Exit codes: 0 accepted, or executed with --wait; 1 failure, or not ended within --timeout; 2 bad usage; 3 it ended without running, or a check \
keeps it from being approved.")]
pub(super) struct Args {
    /// The proposal, YAML or JSON; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Say which tier, checks and approvers it would have; nothing is recorded
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Wait until it ends
    #[arg(long)]
    wait: bool,
    /// How long to wait at most; without it, until it ends
    #[arg(long, value_name = "SPAN", requires = "wait")]
    timeout: Option<Span>,
    /// Print the gate's answer as JSON; with --wait the last one
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caller: Caller,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    replacing(args, None).await
}

/// Proposes in place of another proposal of the agent's.
pub(super) async fn replacing(args: Args, old: Option<ProposalId>) -> Result<ExitCode, Failure> {
    let door = args.caller.door()?;
    let mut request = read(&args.file)?;
    if let Some(old) = old {
        request.supersedes = Some(old);
    }
    door.sign(&mut request)?;
    let answer = match door.propose(&request, args.dry_run).await {
        Ok(answer) => answer,
        Err(error) => return refused(error, args.json),
    };
    if args.dry_run {
        let preview = Preview::deserialize(&answer).map_err(unknown)?;
        if args.json {
            view::json(&answer)?;
        } else {
            view::preview(&preview);
        }
        return Ok(if preview.blocked {
            ExitCode::from(DENIED)
        } else {
            ExitCode::SUCCESS
        });
    }
    let first = Status::deserialize(&answer).map_err(unknown)?;
    if !args.json {
        view::status(&first);
    }
    if !args.wait {
        if args.json {
            view::json(&answer)?;
        } else if !first.ended {
            view::how_to_follow(&first);
        }
        return Ok(if first.ended {
            view::code(first.state)
        } else {
            ExitCode::SUCCESS
        });
    }
    follow(&door, answer, first, args.json, args.timeout).await
}

/// Waits until nothing more can come of it.
async fn follow(
    door: &Door,
    mut answer: Value,
    mut last: Status,
    json: bool,
    at_most: Option<Span>,
) -> Result<ExitCode, Failure> {
    let until = at_most.map(|span| {
        let long = Duration::from_millis(u64::try_from(span.millis()).unwrap_or(0));
        (span, Instant::now() + long)
    });
    let spinner = spinner();
    while !last.ended {
        spinner.set_message(view::waits_for(&last));
        let left = until.map(|(_, until)| until.saturating_duration_since(Instant::now()));
        if let (Some((span, _)), Some(Duration::ZERO)) = (until, left) {
            spinner.finish_and_clear();
            return gave_up(answer, &last, json, span);
        }
        answer = match door.moved(last.id, left).await {
            Ok(answer) => answer,
            Err(error) => {
                spinner.finish_and_clear();
                return refused(error, json);
            }
        };
        let now = Status::deserialize(&answer).map_err(unknown)?;
        if !json && (now.state, now.gate) != (last.state, last.gate) {
            spinner.suspend(|| view::step(&now));
        }
        last = now;
    }
    spinner.finish_and_clear();
    if json {
        view::json(&answer)?;
    } else {
        view::end(&last);
    }
    Ok(view::code(last.state))
}

/// It goes on, and nobody waits for it any more.
fn gave_up(answer: Value, last: &Status, json: bool, waited: Span) -> Result<ExitCode, Failure> {
    if json {
        view::json(&answer)?;
        return Ok(ExitCode::FAILURE);
    }
    let said = format!("it has not ended within {waited}; it is {}", last.state);
    Err(Failure::new(said).next(format!("follow it with `countersign status {}`", last.id)))
}

/// What the gate said against it: its own JSON, or words.
pub(super) fn refused(error: DoorError, json: bool) -> Result<ExitCode, Failure> {
    match error {
        DoorError::Problem(raw, _) if json => {
            view::json(&raw)?;
            Ok(ExitCode::FAILURE)
        }
        other => Err(other.failure()),
    }
}

/// The gate speaks another version.
pub(super) fn unknown(error: serde_json::Error) -> Failure {
    Failure::new(format!(
        "the gate's answer is not as this version knows it: {error}"
    ))
    .next("use the `countersign` of the gate's version")
}

/// Reads a proposal; a missing nonce is filled in.
fn read(path: &Path) -> Result<Request, Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let unreadable = |error: io::Error| Failure::new(format!("can't read `{name}`: {error}"));
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    if stdin {
        io::stdin()
            .take(most)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
    } else {
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(most).read_to_string(&mut text).map_err(unreadable)?;
    }
    let source = SourceFile::new(name.clone(), text);
    let mut value = read_value(&source).map_err(Failure::new)?;
    let Some(fields) = value.as_object_mut() else {
        return Err(
            Failure::new(format!("`{name}` is not a proposal: it holds no fields"))
                .next("see `countersign propose --help` for one"),
        );
    };
    let had_nonce = fields.contains_key("nonce");
    if !had_nonce {
        fields.insert("nonce".to_owned(), Value::String(fresh_nonce()?.to_string()));
    }
    serde_json::from_value(value).map_err(|error| {
        // Read again for the place; without a nonce that reading would only miss the nonce.
        let placed = read_yaml::<Request>(&source).err().filter(|_| had_nonce);
        let said = placed.map_or_else(|| format!("`{name}`: {error}"), |error| error.to_string());
        Failure::new(said).next("see `countersign propose --help` for the fields of a proposal")
    })
}

/// Turns on terminals, shows nothing elsewhere.
fn spinner() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
