//! What can go wrong between the bot and GitHub.

use crate::domain::ids::{PullNumber, Timestamp};

/// A call that gave no answer to build on. `doing` names the stage: the method and path that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The client can't be made from this configuration.
    #[error("can't set up the GitHub client: {because}")]
    Setup {
        /// Why, and what to change.
        because: String,
    },
    /// GitHub does not accept the app's key or token.
    #[error("GitHub refused the app's credentials at `{doing}`; check the app id and its private key")]
    Unauthorised {
        /// The call.
        doing: String,
    },
    /// The app may not do this.
    #[error("GitHub forbids `{doing}`: {message}; grant the app the permission it lacks")]
    Forbidden {
        /// The call.
        doing: String,
        /// What GitHub said.
        message: String,
    },
    /// It does not exist, or the app may not know of it.
    #[error(
        "GitHub knows nothing at `{doing}`: {message}; check that the app is installed on the repository"
    )]
    NotFound {
        /// The call.
        doing: String,
        /// What GitHub said.
        message: String,
    },
    /// 405: the state of things does not allow it.
    #[error("GitHub does not allow `{doing}` as things stand: {message}")]
    NotAllowed {
        /// The call.
        doing: String,
        /// What GitHub said.
        message: String,
    },
    /// 409: something moved in between.
    #[error("`{doing}` met a conflict: {message}; look again and decide anew")]
    Conflict {
        /// The call.
        doing: String,
        /// What GitHub said.
        message: String,
    },
    /// 422, or another refusal of the request itself.
    #[error("GitHub can't process `{doing}`: {message}")]
    Unprocessable {
        /// The call.
        doing: String,
        /// What GitHub said.
        message: String,
    },
    /// A limit that lasts longer than a call may wait.
    #[error("GitHub's rate limit holds back `{doing}`; try again at {until}")]
    RateLimited {
        /// The call.
        doing: String,
        /// When GitHub answers again.
        until: Timestamp,
    },
    /// 5xx: the effect may or may not have taken place.
    #[error("GitHub failed at `{doing}` with status {status}; try again")]
    Server {
        /// The call.
        doing: String,
        /// The status.
        status: u16,
    },
    /// No complete answer: the effect may or may not have taken place.
    #[error("no answer to `{doing}`: {because}; check the network and try again")]
    Network {
        /// The call.
        doing: String,
        /// Why.
        because: String,
    },
    /// A list that could not be read to its end; never taken for a short one. INVARIANT i09.
    #[error("`{doing}` has more entries than are read: {because}")]
    Truncated {
        /// The call.
        doing: String,
        /// Where it ended.
        because: String,
    },
    /// An answer that is not what GitHub documents.
    #[error("the answer to `{doing}` can't be read: {because}")]
    Malformed {
        /// The call.
        doing: String,
        /// Why.
        because: String,
    },
    /// More than is read or written.
    #[error("`{what}` is larger than {limit} bytes; make it smaller or split it")]
    TooLarge {
        /// What.
        what: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The pull request changed while it was read, again and again.
    #[error("pull request {pull} kept changing while it was read; look again later")]
    Moving {
        /// The pull request.
        pull: PullNumber,
    },
    /// Somebody else's open pull request has the branch.
    #[error("pull request {pull} by somebody else already offers this branch; close it first")]
    Taken {
        /// The other pull request.
        pull: PullNumber,
    },
}

impl Error {
    /// Whether the effect may have taken place although the call failed: read back before trying again. INVARIANT i31.
    pub const fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::Server { .. } | Self::Network { .. } | Self::Malformed { .. }
        )
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Server { .. }
                | Self::Network { .. }
                | Self::Malformed { .. }
                | Self::RateLimited { .. }
                | Self::Conflict { .. }
                | Self::Moving { .. }
        )
    }

    /// Whether nothing at all can be learnt from GitHub now, so that a fact can't even be called unknown.
    pub(super) const fn stops_everything(&self) -> bool {
        matches!(
            self,
            Self::Unauthorised { .. } | Self::RateLimited { .. } | Self::Setup { .. }
        )
    }
}
