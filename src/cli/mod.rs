//! One file a command.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the command line is where the program speaks"
)]
#![allow(
    rustdoc::bare_urls,
    reason = "what documents an argument is also its help text on a terminal"
)]

pub mod audit;
mod caller;
mod credentials;
pub mod demo;
mod doctor;
mod door;
mod erase;
mod failure;
mod freeze;
mod gesture;
mod house;
mod inbox;
mod index;
mod init;
mod logs;
mod manual;
mod paint;
pub mod policy;
mod progress;
mod propose;
mod resolve;
mod result;
mod revise;
mod rollback;
mod sandbox;
mod scratch;
mod secrets;
mod serve;
mod status;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::execute::contained;
use failure::Failure;
use logs::Format;

/// Approval-as-code for AI agents: proposals become pull requests, people approve them, what was approved runs once.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    arg_required_else_help = true,
    after_help = "Begin with `countersign demo`: a GitHub, a bot, a bank and a CRM on this machine, in a minute.\n\
        Exit codes: 0 fine, 1 failure, 2 bad usage, 3 denied or findings. COUNTERSIGN_LOG=debug shows more."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(Box<init::Args>),
    Serve(Box<serve::Args>),
    Doctor(Box<doctor::Args>),
    Sandbox(sandbox::Args),
    Propose(propose::Args),
    Revise(revise::Args),
    Status(status::Args),
    Result(result::Args),
    Freeze(freeze::Args),
    Resolve(resolve::Args),
    Rollback(rollback::Args),
    Erase(erase::Args),
    /// See and try again what webhooks told of and could not be worked on
    Inbox(inbox::Args),
    /// See, and make again from Git, what a start reads instead of folding the whole ledger
    Index(Box<index::Args>),
    /// See and change the keys that targets verify credentials with
    Credentials(credentials::Args),
    /// Prove and read a ledger, from any clone and without a server
    Audit(audit::Args),
    /// Ask what the rules say, without a server
    Policy(policy::Args),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// Becomes a contained program, when the executor started this process for that. It comes back only when it can't.
pub fn contained() -> Option<ExitCode> {
    contained::is_launcher().then(contained::become_program)
}

/// Parses the arguments and runs the command they name.
pub async fn run() -> ExitCode {
    let command = Cli::parse().command;
    match &command {
        Command::Serve(args) => logs::begin("info", args.log_format()),
        // The demo tells its own story.
        Command::Demo(_) => logs::begin("off", Format::Text),
        _ => logs::begin("warn", Format::Text),
    }
    let done = match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Init(args) => init::run(*args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::Doctor(args) => doctor::run(*args).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Propose(args) => propose::run(args).await,
        Command::Revise(args) => revise::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Result(args) => result::run(args).await,
        Command::Freeze(args) => freeze::run(args).await,
        Command::Resolve(args) => resolve::run(args).await,
        Command::Rollback(args) => rollback::run(args).await,
        Command::Erase(args) => erase::run(args).await,
        Command::Inbox(args) => inbox::run(args).await,
        Command::Index(args) => index::run(*args),
        Command::Credentials(args) => credentials::run(args),
        Command::Audit(args) => Ok(audit::run(args)),
        Command::Policy(args) => Ok(policy::run(args)),
        Command::Completions(args) => manual::completions(args, Cli::command()),
        Command::Man(args) => manual::man(args, Cli::command()),
    };
    done.unwrap_or_else(|failure| failure.show())
}
