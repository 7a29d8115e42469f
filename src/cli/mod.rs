//! One file a command.

pub mod audit;
pub mod demo;
pub mod policy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Approval-as-code for AI agents.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand_required = true)]
    Audit(audit::Args),
}

/// Parses the arguments and runs the command they name.
pub async fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Audit(args) => audit::run(args),
    }
}
