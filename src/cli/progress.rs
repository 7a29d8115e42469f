//! How far the reading of a ledger is.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on terminals, nothing elsewhere.
pub(super) fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} commits, {eta} left")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Moves it now and then.
pub(super) fn tell(bar: &ProgressBar, done: u64, of: u64) {
    if done.is_multiple_of(256) || done == of {
        bar.set_length(of);
        bar.set_position(done);
    }
}
