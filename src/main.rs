//! The `countersign` program.
use std::process::ExitCode;

use countersign::cli;

fn main() -> ExitCode {
    // Before there is any thread: the launcher of contained programs is this program as well.
    cli::contained().unwrap_or_else(run)
}

#[tokio::main]
async fn run() -> ExitCode {
    cli::run().await
}
