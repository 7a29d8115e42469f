//! `countersign index`: what a start reads instead of folding the whole ledger, and making it again from Git alone.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    Failure,
    failure::DENIED,
    paint::{self, NO, YES, row},
    progress::{bar, tell},
    view,
};
use crate::{
    domain::entry::Role,
    ledger::{Indexed, LedgerError, NoIndex, RebuildError, Signer, index_of, rebuild_index},
    service::{LEDGER_BRANCH, ledger_dir},
    settings::{self, Gate, Settings},
    store::{Held, StoreError},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign index status --config countersign.yaml
  countersign index rebuild --config countersign.yaml          # with the bot stopped
  countersign index rebuild --config countersign.yaml --json | jq .size

The index is a cache in the data directory: `ledger/book.json` and `ledger/cases.jsonl`, sealed with the signing key of the bot's role. A bot that \
does not believe it folds the ledger and makes it again by itself. Neither command asks GitHub. Exit codes: 0 fine; 1 failure; \
2 bad usage; 3 the index is missing or not believed, or the ledger was rolled back or holds what is no part of the record.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say how far the index goes, and whether it is believed; works beside a bot that is running
    Status(Asked),
    /// Remove the index and make it again from the local copy of the ledger, every signature checked
    Rebuild(Asked),
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: settings::Args,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Status(asked) => status(&asked),
        Command::Rebuild(asked) => rebuild(&asked),
    }
}

fn read(asked: &Asked) -> Result<(Settings, Role, Signer), Failure> {
    let settings = Settings::load(&asked.settings).map_err(|errors| {
        Failure::many(errors)
            .next("give the bot's settings file with `--config FILE`")
            .usage()
    })?;
    let key = settings.gate().map(Gate::key).or_else(|| settings.executor_key());
    let key = key.ok_or_else(|| Failure::new("the settings name no signing key").usage())?;
    let role = match settings.gate() {
        Some(_) => Role::Gate,
        None => Role::Executor,
    };
    let signer =
        Signer::read(key.expose_secret().as_bytes(), Path::new("the signing key")).map_err(Failure::new)?;
    Ok((settings, role, signer))
}

fn status(asked: &Asked) -> Result<ExitCode, Failure> {
    let (settings, role, signer) = read(asked)?;
    let dir = ledger_dir(settings.data_dir());
    let why = match index_of(&dir, settings.genesis(), (role, &signer)) {
        Ok(indexed) => {
            show(&indexed, "believed", asked.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(error @ NoIndex::Io { .. }) => return Err(Failure::new(error)),
        Err(why @ (NoIndex::Missing(_) | NoIndex::Unfit { .. })) => why,
    };
    if asked.json {
        view::json(&json!({ "believed": false, "why": why.to_string() }))?;
    } else {
        anstream::println!("{} {why}", paint::bad(NO));
        row(
            "next",
            "start the bot, or run `countersign index rebuild`: either makes it again",
        );
    }
    Ok(ExitCode::from(DENIED))
}

fn rebuild(asked: &Asked) -> Result<ExitCode, Failure> {
    let (settings, role, signer) = read(asked)?;
    let data = settings.data_dir();
    let _held = Held::take(data).map_err(|error| match error {
        StoreError::Locked(_) => Failure::new(format!("a bot runs on `{}`", data.display()))
            .next("stop it (SIGINT or SIGTERM ends it in order), run this again, and start it"),
        other => Failure::new(other),
    })?;
    let branch = LEDGER_BRANCH.parse().map_err(Failure::new)?;
    let bar = bar();
    let made = rebuild_index(
        &ledger_dir(data),
        &branch,
        settings.genesis(),
        (role, &signer),
        |done, of| {
            tell(&bar, done, of);
        },
    );
    bar.finish_and_clear();
    match made {
        Ok(indexed) => {
            show(&indexed, "made again from Git", asked.json)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(cannot(error)),
    }
}

fn cannot(error: RebuildError) -> Failure {
    let failure = Failure::new(&error);
    match error {
        RebuildError::NoCopy(_) => {
            failure.next("start the bot: it fetches the ledger, folds it and writes the index")
        }
        RebuildError::Findings(_) => failure.next("see them with `countersign audit verify`").found(),
        RebuildError::Ledger(LedgerError::Rewritten { .. }) => failure
            .next("put the branch back to the head that is kept, or look into it")
            .found(),
        RebuildError::Ledger(LedgerError::Genesis(_)) => failure
            .next("give the genesis digest that `countersign init` printed")
            .found(),
        RebuildError::Ledger(_) | RebuildError::Index(_) => failure
            .next("remove `ledger` in the data directory but for `ledger-head.json`, and start the bot"),
    }
}

fn show(indexed: &Indexed, what: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let mut told = serde_json::to_value(indexed).map_err(Failure::new)?;
        if let Some(fields) = told.as_object_mut() {
            fields.insert("believed".to_owned(), true.into());
        }
        return view::json(&told);
    }
    anstream::println!("{} the index is {what}", paint::good(YES));
    row("entries", indexed.size);
    row(
        "head",
        format_args!("{} in commit {}", indexed.digest.short(), indexed.commit.short()),
    );
    row("open", indexed.open);
    row("ended", indexed.ended);
    Ok(())
}
