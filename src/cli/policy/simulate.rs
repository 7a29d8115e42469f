//! `countersign policy simulate`: what would be different if.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{
    Failure,
    asked::{Review, Set, ask},
    human, load,
    past::Past,
};
use crate::domain::{
    facts::{Judged, judge},
    gate::Because,
    ids::Timestamp,
};

/// What may be different.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The proposal, in YAML or JSON, as `countersign propose` sends it; with `--ledger`, the id of a recorded one
    #[arg(value_name = "PROPOSAL")]
    proposal: PathBuf,
    #[command(flatten)]
    past: Past,
    /// What somebody would say; may be given several times
    #[arg(long = "review", value_name = "NAME=approve|changes")]
    reviews: Vec<Review>,
    /// A value to put in, as in `parameters.amount.minor=5000`; may be given several times
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<Set>,
    /// Other rules to judge it by
    #[arg(long, value_name = "DIR")]
    candidate: Option<PathBuf>,
    /// The rules as they are: `policies` unless stated, and with `--ledger` those that the ledger says are in force
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// One JSON object: `before` and `after`
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Simulated {
    before: Judged,
    after: Judged,
}

pub(super) fn run(args: &Args, now: Timestamp) -> Result<ExitCode, Failure> {
    let (policy, asked) = ask(&args.proposal, &args.past, args.policies.as_deref(), now)?;
    let heading = asked.heading().map(ToOwned::to_owned);
    let before = judge(&asked.facts(&[])?, &policy);
    let other = |folder: &Path| load::policy(folder);
    let candidate = args.candidate.as_deref().map(other).transpose()?;
    let facts = asked.with(&args.sets)?.facts(&args.reviews)?;
    let after = judge(&facts, candidate.as_ref().unwrap_or(&policy));
    let simulated = Simulated { before, after };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &simulated).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    } else {
        if let Some(heading) = heading {
            writeln!(out, "{heading}")?;
        }
        tell(&mut out, &simulated)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(out: &mut impl Write, Simulated { before, after }: &Simulated) -> io::Result<()> {
    let change = |name: &str, before: &dyn std::fmt::Display, after: &dyn std::fmt::Display| {
        let (before, after) = (before.to_string(), after.to_string());
        match before == after {
            true => format!("{name}: {after}, as before"),
            false => format!("{name}: {before} -> {after}"),
        }
    };
    writeln!(out, "{}", change("tier", &before.tier, &after.tier))?;
    writeln!(out, "{}", change("gate", &before.gate, &after.gate))?;
    let new = |mine: &[Because], other: &[Because]| -> Vec<Because> {
        mine.iter().filter(|one| !other.contains(one)).cloned().collect()
    };
    let gone = new(&before.because, &after.because);
    let came = new(&after.because, &before.because);
    for (sign, rules) in [('-', gone), ('+', came)] {
        for because in rules {
            human::rule(out, sign, &because)?;
        }
    }
    Ok(())
}
