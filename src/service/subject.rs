//! What is looked at, by one worker at a time.

use std::{fmt, str::FromStr};

use crate::domain::ids::PullNumber;

/// What a webhook, a sweep or a look has looked at (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// One pull request.
    Pull(PullNumber),
    /// The rules on the base branch, and every open proposal after them.
    Base,
    /// Every open proposal.
    All,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull(pull) => write!(f, "pull {pull}"),
            Self::Base => f.write_str("base"),
            Self::All => f.write_str("all"),
        }
    }
}

/// A subject that this program did not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing to look at")]
pub(super) struct NoSubject(String);

impl FromStr for Subject {
    type Err = NoSubject;

    fn from_str(text: &str) -> Result<Self, NoSubject> {
        let none = || NoSubject(text.to_owned());
        match text {
            "base" => Ok(Self::Base),
            "all" => Ok(Self::All),
            _ => {
                let number = text.strip_prefix("pull ").and_then(|number| number.parse().ok());
                number
                    .map(|number| Self::Pull(PullNumber(number)))
                    .ok_or_else(none)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_back() {
        for subject in [Subject::Pull(PullNumber(12)), Subject::Base, Subject::All] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert_eq!("pull x".parse::<Subject>(), Err(NoSubject("pull x".into())));
    }
}
