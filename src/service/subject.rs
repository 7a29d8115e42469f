//! What is looked at, by one worker at a time.

use std::{fmt, str::FromStr};

use crate::domain::{
    ids::{AgentName, PullNumber, RepoName},
    workflow::RunId,
};

/// Who is told of what the ledger says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Channel {
    /// Alarms, at the address that the operator named.
    Address,
    /// Alarms, as an issue of the repository.
    Issue,
    /// What becomes of an agent's proposals, at the address that `agents.yaml` names for it.
    Agent(AgentName),
}

impl fmt::Display for Channel {
    /// The name that the store keeps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Issue => f.write_str("issue"),
            Self::Agent(name) => write!(f, "agent {name}"),
        }
    }
}

impl FromStr for Channel {
    type Err = NoSubject;

    fn from_str(text: &str) -> Result<Self, NoSubject> {
        let none = || NoSubject(text.to_owned());
        match text {
            "address" => Ok(Self::Address),
            "issue" => Ok(Self::Issue),
            _ => {
                let name = text.strip_prefix("agent ").and_then(|name| name.parse().ok());
                name.map(Self::Agent).ok_or_else(none)
            }
        }
    }
}

/// What a webhook, a sweep or a look has looked at (again).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// One pull request.
    Pull(PullNumber),
    /// The rules on the base branch, and every open proposal after them.
    Base,
    /// What another process recorded.
    Ledger,
    /// How the branches are protected, and every open proposal after that.
    Protection,
    /// What a merge queue asks about.
    Groups,
    /// Every open proposal.
    All,
    /// A run that waits for the bot's protection rule.
    Run {
        /// Where.
        repository: RepoName,
        /// Its number.
        run: RunId,
        /// What it would enter.
        environment: String,
    },
    /// What somebody was not told of yet.
    Tell(Channel),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull(pull) => write!(f, "pull {pull}"),
            Self::Base => f.write_str("base"),
            Self::Ledger => f.write_str("ledger"),
            Self::Protection => f.write_str("protection"),
            Self::Groups => f.write_str("groups"),
            Self::All => f.write_str("all"),
            Self::Run {
                repository,
                run,
                environment,
            } => write!(f, "run {run} {repository} {environment}"),
            Self::Tell(channel) => write!(f, "tell {channel}"),
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
            "ledger" => Ok(Self::Ledger),
            "protection" => Ok(Self::Protection),
            "groups" => Ok(Self::Groups),
            "all" => Ok(Self::All),
            _ => {
                if let Some(channel) = text.strip_prefix("tell ") {
                    return channel.parse().map(Self::Tell);
                }
                if let Some(run) = text.strip_prefix("run ") {
                    return run_of(run).ok_or_else(none);
                }
                let number = text.strip_prefix("pull ").and_then(|number| number.parse().ok());
                number
                    .map(|number| Self::Pull(PullNumber(number)))
                    .ok_or_else(none)
            }
        }
    }
}

/// `12 acme/ops production`; an environment's name may hold blanks.
fn run_of(text: &str) -> Option<Subject> {
    let mut parts = text.splitn(3, ' ');
    let (run, repository, environment) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Subject::Run {
        repository: repository.parse().ok()?,
        run: RunId(run.parse().ok()?),
        environment: environment.to_owned(),
    })
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
            Subject::Ledger,
            Subject::Protection,
            Subject::Groups,
            Subject::All,
            Subject::Run {
                repository: "acme/ops".parse().unwrap(),
                run: RunId(12),
                environment: "the east".into(),
            },
            Subject::Tell(Channel::Address),
            Subject::Tell(Channel::Issue),
            Subject::Tell(Channel::Agent("payments-agent".parse().unwrap())),
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert_eq!("pull x".parse::<Subject>(), Err(NoSubject("pull x".into())));
        assert!("tell nobody".parse::<Subject>().is_err());
    }
}
