//! `countersign doctor`: what stands around the gate on GitHub, what is wrong about it, and what to do.

mod look;
mod told;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use super::{Failure, failure::DENIED};
use crate::{
    domain::protection::{Change, Finding, changes, findings},
    settings::{self, Site},
};
use look::Doctor;

/// Look around the gate: branch rules, the app's permissions, clocks, the ledger
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  countersign doctor --config countersign.yaml
  countersign doctor --config countersign.yaml --watch-token-file watch-token
  countersign doctor --config countersign.yaml --watch-token-file watch-token --fix

It only looks, unless `--fix` is given; then it shows what it would change, asks, changes it, and looks again. Who may go \
around a ruleset is shown by GitHub only to those who may administer the repository: give a token of such an account or \
app with `--watch-token-file`, or doctor says what it could not see. Signing keys and the webhook's secret are not needed.

Exit codes: 0 nothing is wrong; 1 it could not look; 2 bad usage; 3 something is wrong, or could not be seen.")]
pub(super) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Put right what rulesets and settings can, with the token of `--watch-token-file`
    #[arg(long)]
    fix: bool,
    /// Do not ask before changing anything
    #[arg(long, requires = "fix")]
    yes: bool,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let site = Site::load(&args.settings).map_err(|errors| {
        Failure::many(errors)
            .next("`countersign init` prints a settings file; give it with `--config FILE`")
            .usage()
    })?;
    let doctor = Doctor::new(&site)?;
    let (sight, demands) = doctor.look().await?;
    let mut found = findings(&sight, &demands);
    let wanted = changes(&found, &demands);
    if args.fix && !wanted.is_empty() {
        if !args.json {
            told::people(&site, &found);
        }
        told::changes(&wanted, site.repo());
        if !agreed(args.yes)? {
            return Ok(code(&found));
        }
        doctor.fix(&wanted).await?;
        let (sight, demands) = doctor.look().await?;
        found = findings(&sight, &demands);
        return ended(&args, &site, &found, &wanted);
    }
    ended(&args, &site, &found, &[])
}

fn ended(args: &Args, site: &Site, found: &[Finding], changed: &[Change]) -> Result<ExitCode, Failure> {
    if args.json {
        super::view::json(&told::json(site.repo(), found, changed))?;
    } else {
        if !changed.is_empty() {
            told::changed(changed);
        }
        told::people(site, found);
    }
    Ok(code(found))
}

fn code(found: &[Finding]) -> ExitCode {
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DENIED)
    }
}

/// Whether the operator wants the changes made.
fn agreed(yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new("nothing was changed: nobody is there to ask")
            .next("read the changes above, then run it with `--fix --yes`"));
    }
    anstream::eprint!("make these changes? [y/N] ");
    io::stderr().flush().map_err(Failure::new)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::new)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
