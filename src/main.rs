//! The `countersign` program.
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    countersign::cli::run().await
}
