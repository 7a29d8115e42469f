//! One file a command.

pub mod audit;
pub mod demo;
pub mod policy;

use std::process::ExitCode;

/// Parses the arguments and runs the command they name.
pub async fn run() -> ExitCode {
    ExitCode::SUCCESS
}
