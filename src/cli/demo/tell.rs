//! How the demo speaks: a sign, a verb, and a short line.

use std::fmt::Display;

use crate::cli::paint::{self, DOES, NO, WAITS, YES};

/// The column of verbs is this wide.
const VERB: usize = 11;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Somebody does something.
    Does,
    /// Somebody does what they must not.
    Attack,
    /// It is as it should be.
    Good,
    /// It waits for somebody.
    Waits,
    /// It was stopped, as it should be.
    Stopped,
    /// It is not as it should be.
    Wrong,
}

/// The voice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tell;

impl Tell {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) fn title(self) {
        anstream::println!(
            "{}  agents propose, people approve, what was approved runs once\n",
            paint::strong("countersign demo")
        );
    }

    /// A part of the story.
    pub(super) fn act(self, number: u32, title: impl Display) {
        anstream::println!(
            "\n{} {}",
            paint::strong(format_args!("{number}.")),
            paint::strong(title)
        );
    }

    /// A part without a number.
    pub(super) fn part(self, title: impl Display) {
        anstream::println!("\n{}", paint::strong(title));
    }

    /// One thing that happened.
    pub(super) fn line(self, sign: Sign, verb: &str, what: impl Display) {
        let verb = format!("{verb:<VERB$}");
        let (sign, verb) = match sign {
            Sign::Does => (paint::soft(DOES), verb),
            Sign::Attack => (paint::warn("!"), paint::warn(verb)),
            Sign::Good => (paint::good(YES), paint::good(verb)),
            Sign::Waits => (paint::warn(WAITS), verb),
            Sign::Stopped => (paint::good(NO), paint::good(verb)),
            Sign::Wrong => (paint::bad(NO), paint::bad(verb)),
        };
        anstream::println!("  {sign} {verb} {what}");
    }

    /// More about the line above.
    pub(super) fn more(self, what: impl Display) {
        anstream::println!("    {:VERB$} {}", "", paint::soft(what));
    }

    /// A link about the line above.
    pub(super) fn link(self, url: impl Display) {
        anstream::println!("    {:VERB$} {}", "", paint::link(url));
    }

    /// A name and its value.
    pub(super) fn row(self, name: &str, value: impl Display) {
        paint::row(name, value);
    }

    /// A line as it is.
    pub(super) fn plain(self, text: impl Display) {
        anstream::println!("  {text}");
    }
}
