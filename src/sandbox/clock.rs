//! The time the sandbox lives in.
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// A clock that tests can set and move; clones share the same time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<Mode>>);

#[derive(Debug, Clone, Copy)]
enum Mode {
    System { ahead: SignedDuration },
    Fixed { at: Timestamp },
}

impl Clock {
    /// The machine's own time.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(Mode::System {
            ahead: SignedDuration::ZERO,
        })))
    }

    /// A time that stands still until it is set or advanced.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Mode::Fixed { at })))
    }

    /// The present moment, here.
    pub fn now(&self) -> Timestamp {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Mode::System { ahead } => Timestamp::now().saturating_add(ahead).unwrap_or(Timestamp::MAX),
            Mode::Fixed { at } => at,
        }
    }

    /// Moves the clock forward (or back, by a negative duration).
    pub fn advance(&self, by: SignedDuration) {
        let mut mode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *mode = match *mode {
            Mode::System { ahead } => Mode::System {
                ahead: ahead.saturating_add(by),
            },
            Mode::Fixed { at } => Mode::Fixed {
                at: at.saturating_add(by).unwrap_or(Timestamp::MAX),
            },
        };
    }

    /// Stops the clock at `at`.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Mode::Fixed { at };
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// A time as GitHub writes it: UTC, whole seconds.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as an HTTP `Date` header writes it.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
