//! What is looked at, by one worker at a time.

use std::{fmt, str::FromStr};

use crate::domain::ids::PullNumber;

/// Who hears alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// The address that the operator named.
    Address,
    /// An issue of the repository.
    Issue,
}

impl Channel {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Address, Self::Issue];
    /// The name that the store keeps.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Issue => "issue",
        }
    }
}

/// What a webhook, a sweep or a look has looked at (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// One pull request.
    Pull(PullNumber),
    /// The rules on the base branch, and every open proposal after them.
    Base,
    /// How the branches are protected, and every open proposal after that.
    Protection,
    /// What a merge queue asks about.
    Groups,
    /// Every open proposal.
    All,
    /// Alarms that were not given yet.
    Alarms(Channel),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull(pull) => write!(f, "pull {pull}"),
            Self::Base => f.write_str("base"),
            Self::Protection => f.write_str("protection"),
            Self::Groups => f.write_str("groups"),
            Self::All => f.write_str("all"),
            Self::Alarms(channel) => write!(f, "alarms {}", channel.as_str()),
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
            "protection" => Ok(Self::Protection),
            "groups" => Ok(Self::Groups),
            "all" => Ok(Self::All),
            _ => {
                let mut channels = Channel::ALL.into_iter();
                if let Some(name) = text.strip_prefix("alarms ") {
                    let channel = channels.find(|channel| channel.as_str() == name);
                    return channel.map(Self::Alarms).ok_or_else(none);
                }
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
        let pull = Subject::Pull(PullNumber(12));
        for subject in [
            pull,
            Subject::Base,
            Subject::Protection,
            Subject::Groups,
            Subject::All,
            Subject::Alarms(Channel::Address),
            Subject::Alarms(Channel::Issue),
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert_eq!("pull x".parse::<Subject>(), Err(NoSubject("pull x".into())));
    }
}
