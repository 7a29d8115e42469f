//! One file a command.
use std::process::ExitCode;

/// Parses the arguments and runs the command they name.
pub async fn run() -> ExitCode {
    ExitCode::SUCCESS
}
