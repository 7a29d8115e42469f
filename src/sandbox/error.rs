//! What can go wrong when the sandbox is started or prepared.
use std::path::PathBuf;

use super::answer::Refusal;

/// A failure of the sandbox itself, or its refusal of what a person tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port could not be bound, or a directory not be made.
    #[error("sandbox cannot use the machine: {0}")]
    Io(#[from] std::io::Error),
    /// The unix socket could not be made.
    #[error("sandbox cannot listen at `{}`: {why}", .path.display())]
    Socket {
        /// Where it was to be.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// A repository could not be read or written.
    #[error("sandbox repository failed: {0}")]
    Git(#[from] git2::Error),
    /// A name that nothing here has.
    #[error("sandbox has no {kind} `{name}`")]
    Unknown {
        /// What kind of thing was looked for.
        kind: &'static str,
        /// The name that was given.
        name: String,
    },
    /// The server refused, as GitHub would.
    #[error("refused with {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// GitHub's message.
        message: String,
    },
    /// A key, an HTTP client or a template could not be made.
    #[error("sandbox cannot start: {0}")]
    Start(String),
}

impl Error {
    pub(crate) fn unknown(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Unknown {
            kind,
            name: name.into(),
        }
    }

    /// The HTTP status and message of a refusal, when it is one.
    pub fn refusal(&self) -> Option<(u16, &str)> {
        match self {
            Self::Refused { status, message } => Some((*status, message)),
            Self::Io(_) | Self::Socket { .. } | Self::Git(_) | Self::Unknown { .. } | Self::Start(_) => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            status: refusal.status,
            message: refusal.text(),
        }
    }
}
