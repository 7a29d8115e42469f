//! A run of a workflow as GitHub shows it, and whether it is the one that an execution asked for. INVARIANT i23.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountId, RepoName, Sha, Timestamp},
    warrant::WorkflowCall,
};

/// The event of a run that somebody asked for by the API or the page.
const DISPATCHED: &str = "workflow_dispatch";
/// Where GitHub looks for workflows.
const FOLDER: &str = ".github/workflows/";

/// A run's number, the same for every attempt at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run as GitHub shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The repository that it runs in.
    pub repository: RepoName,
    /// The workflow's path; GitHub may add `@` and a ref.
    pub path: String,
    /// What began it.
    pub event: String,
    /// Whom it began for; nobody when the account is gone.
    pub actor: Option<AccountId>,
    /// Who began this attempt.
    pub triggering: Option<AccountId>,
    /// The branch whose workflow runs.
    pub branch: Option<String>,
    /// The commit whose workflow runs.
    pub head: Sha,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// Its name, as `run-name` makes it.
    pub title: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How it ended; none while it goes on.
    pub conclusion: Option<Conclusion>,
    /// Its page.
    pub page: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// Every job did what it should.
    Success,
    /// A job failed, or was not let through.
    Failure,
    /// Somebody stopped it.
    Cancelled,
    /// A job took too long.
    TimedOut,
    /// The workflow's file is wrong: no job began.
    StartupFailure,
    /// Every job was left out.
    Skipped,
    /// Something else, as a word that GitHub may add.
    Other,
}

impl Conclusion {
    /// From GitHub's word; a word that is not known is no success.
    pub fn of(word: &str) -> Self {
        match word {
            "success" => Self::Success,
            "failure" => Self::Failure,
            "cancelled" => Self::Cancelled,
            "timed_out" => Self::TimedOut,
            "startup_failure" => Self::StartupFailure,
            "skipped" => Self::Skipped,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed out",
            Self::StartupFailure => "startup failure",
            Self::Skipped => "skipped",
            Self::Other => "neither success nor failure",
        })
    }
}

/// Why a run is not the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its {0} is not what was asked for")]
pub struct Stranger(&'static str);

impl Run {
    /// Whether it is the first attempt at what this call asked for, by the bot itself, in this repository. Errors: what
    /// differs.
    pub fn is_of(&self, call: &WorkflowCall, repository: &RepoName, me: AccountId) -> Result<(), Stranger> {
        let path = self.path.split('@').next().unwrap_or_default();
        let file = path.strip_prefix(FOLDER);
        let same_repository = self.repository.as_str().eq_ignore_ascii_case(repository.as_str());
        for (holds, what) in [
            (same_repository, "repository"),
            (self.event == DISPATCHED, "event"),
            (self.actor == Some(me) && self.triggering == Some(me), "actor"),
            (file == Some(call.workflow.as_str()), "workflow"),
            (self.branch.as_deref() == Some(call.branch.as_str()), "branch"),
            (self.attempt == 1, "attempt"),
        ] {
            if !holds {
                return Err(Stranger(what));
            }
        }
        Ok(())
    }

    /// Whether its name is a call's own, and no part of it.
    pub fn is_named(&self, call: &WorkflowCall) -> bool {
        call.nonce.is_some() && self.title == call.idempotency_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: AccountId = AccountId(7);

    fn call() -> WorkflowCall {
        WorkflowCall {
            repository: None,
            workflow: "deploy.yml".into(),
            branch: "main".parse().unwrap(),
            environment: "production".into(),
            inputs: [("nonce".to_owned(), "01A/1".to_owned())].into(),
            nonce: Some("nonce".into()),
            idempotency_key: "01A/1".into(),
            within: "30m".parse().unwrap(),
        }
    }

    fn run() -> Run {
        Run {
            id: RunId(9),
            repository: "acme/ops".parse().unwrap(),
            path: ".github/workflows/deploy.yml".into(),
            event: "workflow_dispatch".into(),
            actor: Some(ME),
            triggering: Some(ME),
            branch: Some("main".into()),
            head: "0123456789012345678901234567890123456789".parse().unwrap(),
            attempt: 1,
            title: "01A/1".into(),
            created_at: Timestamp::from_millis(0),
            conclusion: None,
            page: "https://github.com/acme/ops/actions/runs/9".into(),
        }
    }

    fn differs(change: impl FnOnce(&mut Run)) -> Option<&'static str> {
        let mut run = run();
        change(&mut run);
        let repository = "acme/ops".parse().unwrap();
        run.is_of(&call(), &repository, ME)
            .err()
            .map(|Stranger(what)| what)
    }

    #[test]
    fn i23_only_the_first_attempt_of_the_very_run_that_was_asked_for_is_ours() {
        assert_eq!(differs(|_| {}), None);
        assert_eq!(differs(|run| run.path.push_str("@refs/heads/main")), None);
        assert_eq!(differs(|run| run.repository = "Acme/Ops".parse().unwrap()), None);
        assert_eq!(
            differs(|run| run.repository = "acme/ops2".parse().unwrap()),
            Some("repository")
        );
        assert_eq!(differs(|run| run.event = "push".into()), Some("event"));
        assert_eq!(differs(|run| run.actor = None), Some("actor"));
        assert_eq!(differs(|run| run.actor = Some(AccountId(8))), Some("actor"));
        assert_eq!(differs(|run| run.triggering = Some(AccountId(8))), Some("actor"));
        for path in [
            "deploy.yml",
            ".github/workflows/deploy.yaml",
            ".github/workflows/x/deploy.yml",
            ".github/workflows/deploy.yml/x",
            "x/.github/workflows/deploy.yml",
        ] {
            assert_eq!(differs(|run| run.path = path.into()), Some("workflow"), "{path}");
        }
        assert_eq!(differs(|run| run.branch = Some("main2".into())), Some("branch"));
        assert_eq!(differs(|run| run.branch = None), Some("branch"));
        assert_eq!(differs(|run| run.attempt = 2), Some("attempt"));
        assert_eq!(differs(|run| run.attempt = 0), Some("attempt"));
    }

    #[test]
    fn i21_a_run_is_found_by_its_whole_name_alone() {
        assert!(run().is_named(&call()));
        for title in ["01A/1 ", "01A/10", "x 01A/1", "01a/1", ""] {
            let other = Run {
                title: title.into(),
                ..run()
            };
            assert!(!other.is_named(&call()), "{title}");
        }
        let nameless = WorkflowCall {
            nonce: None,
            ..call()
        };
        assert!(!run().is_named(&nameless));
    }

    #[test]
    fn a_word_that_github_may_add_is_no_success() {
        assert_eq!(Conclusion::of("success"), Conclusion::Success);
        for word in ["Success", "neutral", "stale", "action_required", ""] {
            assert_eq!(Conclusion::of(word), Conclusion::Other, "{word}");
        }
    }
}
