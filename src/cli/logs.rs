//! Logs on standard error; `COUNTERSIGN_LOG` says how much.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The variable that says how much is logged.
const VARIABLE: &str = "COUNTERSIGN_LOG";

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Begins to log; `quietest` holds unless the variable says otherwise.
pub(super) fn begin(quietest: &str, format: Format) {
    let stated = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = match &stated {
        Some(text) => EnvFilter::try_new(text),
        // Libraries speak of what only their makers can use.
        None if quietest == "info" => EnvFilter::try_new("warn,countersign=info"),
        None => EnvFilter::try_new(quietest),
    };
    let filter = filter.unwrap_or_else(|error| {
        anstream::eprintln!("warning: {VARIABLE} is not a log filter ({error}); try `COUNTERSIGN_LOG=debug`");
        EnvFilter::new("warn")
    });
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false);
    let begun = match format {
        Format::Text => logs.compact().try_init(),
        Format::Json => logs.json().flatten_event(true).try_init(),
    };
    // A program that embeds us may log already.
    drop(begun);
}
