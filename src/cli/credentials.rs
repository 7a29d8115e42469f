//! `countersign credentials`: the keys that targets verify credentials with, and changing them while the bot runs.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Failure, door,
    paint::{self, YES, row},
    view,
};
use crate::{
    domain::credential::{KeyRing, Rotating},
    settings::CredentialArgs,
    store::{CredentialKeys, StoreError},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign credentials show --config countersign.yaml
  countersign credentials rotate --config countersign.yaml
  countersign credentials rotate --config countersign.yaml --at-once    # the key is out

The keys are a file: `credential-keys.json` in the data directory, or the one that `credential_key_file` names. Both commands work \
beside a bot that is running, which reads the file again when it changed; run them as its user. `rotate` makes the file when there \
is none. A new key is published for 15 minutes before it signs, and the old one until no token of it can be valid.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the keys, without what is secret of them
    Show(Asked),
    /// Make a new key that signs after the old one
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: CredentialArgs,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    /// Sign with the new key now and publish no other: tokens of the old ones are refused as soon as targets ask again
    #[arg(long)]
    at_once: bool,
    #[command(flatten)]
    asked: Asked,
}

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
enum NotRotated {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rotating(#[from] Rotating),
}

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Show(asked) => {
            let ring = keys(&asked)?.ring().map_err(|error| {
                Failure::new(error).next("name the bot's data directory or file; `rotate` makes one")
            })?;
            show(&ring, "these keys sign credentials", &asked)?;
        }
        Command::Rotate(Rotate { at_once, asked }) => {
            let (seed, now) = (Zeroizing::new(rand::random()), door::now());
            let changed = keys(&asked)?.change(|known| match known {
                Some(known) if !at_once => Ok((*known).clone().rotated(seed, now)?),
                Some(_) | None => Ok(KeyRing::begin(seed, now)),
            });
            let ring = changed.map_err(|error| match error {
                NotRotated::Store(error) => Failure::new(error),
                NotRotated::Rotating(error) => {
                    Failure::new(error).next("or change them now with `--at-once`, when the key is out")
                }
            })?;
            show(&ring, "there is a new key", &asked)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn keys(asked: &Asked) -> Result<CredentialKeys, Failure> {
    let (directory, named) = asked
        .settings
        .place()
        .map_err(|error| Failure::new(error).usage())?;
    Ok(CredentialKeys::of(&directory, named.as_deref()))
}

fn show(ring: &KeyRing, what: &str, asked: &Asked) -> Result<(), Failure> {
    let now = door::now();
    if asked.json {
        let keys = ring
            .keys()
            .iter()
            .map(|key| json!({ "kid": key.id(), "signs_from": key.from(), "signs_until": key.until() }));
        let signing = ring.signing(now).map(|key| key.id().to_owned());
        return view::json(&json!({
            "signing": signing,
            "keys": keys.collect::<Vec<_>>(),
            "published": ring.published(now),
        }));
    }
    anstream::println!("{} {what}", paint::good(YES));
    for key in ring.keys() {
        let until = key
            .until()
            .map_or_else(String::new, |until| format!(" until {}", until.for_people()));
        row(
            "key",
            format_args!("{} from {}{until}", key.id(), key.from().for_people()),
        );
    }
    if ring.signing(now).is_none() {
        row("next", "no key signs now; compare the clock of this machine");
    }
    Ok(())
}
