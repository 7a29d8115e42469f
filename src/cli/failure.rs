//! Why a command did not do its work: what went wrong, and the next step.

use std::{fmt::Display, process::ExitCode};

use super::paint;

/// Denied, or something was found that must be looked at.
pub(super) const DENIED: u8 = 3;
/// The command was asked for what it can't mean.
const USAGE: u8 = 2;

/// Everything that went wrong, each in one line, and what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    said: Vec<String>,
    next: Option<String>,
    code: u8,
}

impl Failure {
    /// One thing that went wrong.
    pub(super) fn new(said: impl Display) -> Self {
        Self::many([said])
    }
    /// Several things that went wrong.
    pub(super) fn many(said: impl IntoIterator<Item = impl Display>) -> Self {
        Self {
            said: said.into_iter().map(|one| one.to_string()).collect(),
            next: None,
            code: 1,
        }
    }
    /// What to do about it.
    pub(super) fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }
    /// The arguments or settings were at fault.
    pub(super) fn usage(mut self) -> Self {
        self.code = USAGE;
        self
    }

    /// Something was found that must be looked at.
    pub(super) fn found(mut self) -> Self {
        self.code = DENIED;
        self
    }

    /// Says it on standard error; gives the exit code.
    pub(super) fn show(&self) -> ExitCode {
        for line in &self.said {
            anstream::eprintln!("{} {line}", paint::bad("error:"));
        }
        if let Some(next) = &self.next {
            anstream::eprintln!("  {} {next}", paint::soft("next:"));
        }
        ExitCode::from(self.code)
    }
}
