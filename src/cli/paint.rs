//! Colours and signs; `anstream` takes the colours out wherever they would be noise.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// It holds.
pub(super) const YES: &str = "✓";
/// It does not, or was stopped.
pub(super) const NO: &str = "✗";
/// Somebody does something.
pub(super) const DOES: &str = "→";
/// It waits.
pub(super) const WAITS: &str = "…";

pub(super) fn good(text: impl Display) -> String {
    styled(text, AnsiColor::Green.on_default())
}
pub(super) fn bad(text: impl Display) -> String {
    styled(text, AnsiColor::Red.on_default().bold())
}
pub(super) fn warn(text: impl Display) -> String {
    styled(text, AnsiColor::Yellow.on_default())
}
pub(super) fn strong(text: impl Display) -> String {
    styled(text, Style::new().bold())
}
pub(super) fn soft(text: impl Display) -> String {
    styled(text, Style::new().dimmed())
}
pub(super) fn link(text: impl Display) -> String {
    styled(text, AnsiColor::Cyan.on_default())
}

fn styled(text: impl Display, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

/// `name        value`, the names of one block in one column.
pub(super) fn row(name: &str, value: impl Display) {
    anstream::println!("  {} {value}", soft(format_args!("{name:<11}")));
}
