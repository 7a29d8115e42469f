//! `countersign inbox`: what webhooks told of and is not done.

use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};

use super::{Failure, door, failure::DENIED, paint, view};
use crate::{
    domain::ids::DeliveryId,
    settings::StoreArgs,
    store::{Inbox, Store, Undone},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign inbox list --data-dir countersign-data
  countersign inbox list --config countersign.yaml --json | jq '.[] | select(.parked)'
  countersign inbox retry 72d3162e-cc78-11e3-81ab-4c9367dc0958
  countersign inbox retry --all

Both work beside a bot that is running. Exit codes of `list`: 0 nothing is given up; 1 failure; 2 bad usage; 3 something is.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the deliveries that wait and those that were given up, oldest first; 10,000 at most
    List(List),
    /// Have deliveries that were given up tried again
    Retry(Retry),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, clap::Args)]
struct Retry {
    /// The delivery, as `list` names it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    delivery: Option<DeliveryId>,
    /// All of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Retry(args) => retry(args).await,
    }
}

async fn open(store: &StoreArgs) -> Result<Inbox, Failure> {
    let (directory, address) = store.place().map_err(|error| Failure::new(error).usage())?;
    let opened = Store::inbox_beside(&directory, address.as_ref()).await;
    opened.map_err(|error| {
        Failure::new(error).next("name the bot's store with `--config`, `--data-dir` or `--database`")
    })
}

async fn list(args: List) -> Result<ExitCode, Failure> {
    let undone = open(&args.store).await?.undone().await.map_err(Failure::new)?;
    let parked = undone.iter().filter(|event| event.parked).count();
    if args.json {
        view::json(&serde_json::to_value(&undone).map_err(Failure::new)?)?;
    } else if undone.is_empty() {
        anstream::println!("{} nothing waits", paint::good(paint::YES));
    } else {
        anstream::println!("{}", table(&undone));
        if parked > 0 {
            anstream::println!(
                "{} {parked} given up; once the cause is mended, `countersign inbox retry --all` has them tried again",
                paint::bad(paint::NO)
            );
        }
    }
    Ok(if parked > 0 {
        ExitCode::from(DENIED)
    } else {
        ExitCode::SUCCESS
    })
}

fn table(undone: &[Undone]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "delivery",
        "about",
        "heard",
        "tries",
        "state",
        "last error",
    ]);
    for event in undone {
        table.add_row([
            event.delivery.clone(),
            event.subject.clone(),
            event.heard_at.for_people(),
            event.tries.to_string(),
            if event.parked { "given up" } else { "waits" }.to_owned(),
            event.error.clone().unwrap_or_default(),
        ]);
    }
    table
}

async fn retry(args: Retry) -> Result<ExitCode, Failure> {
    let inbox = open(&args.store).await?;
    let count = inbox
        .retry(args.delivery.as_ref(), door::now())
        .await
        .map_err(Failure::new)?;
    match (&args.delivery, count) {
        (Some(delivery), 0) => {
            return Err(Failure::new(format!("no delivery `{delivery}` was given up"))
                .next("`countersign inbox list` names those that were"));
        }
        (_, count) => anstream::println!("{} {count} to be tried again", paint::good(paint::YES)),
    }
    Ok(ExitCode::SUCCESS)
}
