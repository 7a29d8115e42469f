//! A run that waits for the app's own deployment protection rule.

use serde::Deserialize;

use super::{Hint, Malformed};
use crate::domain::{ids::RepoName, workflow::RunId};

#[derive(Deserialize)]
pub(super) struct OfDeployment {
    environment: String,
    deployment_callback_url: String,
}

/// Reads the run's number out of the address that answers go to. The address itself is never called.
pub(super) fn of_deployment(repo: RepoName, event: &str, part: OfDeployment) -> Result<Hint, Malformed> {
    let run = run_of(&part.deployment_callback_url).ok_or_else(|| Malformed {
        event: event.to_owned(),
        because: "`deployment_callback_url` names no run".to_owned(),
    })?;
    Ok(Hint::Deployment {
        repo,
        run,
        environment: part.environment,
    })
}

fn run_of(callback: &str) -> Option<RunId> {
    let (_, rest) = callback.rsplit_once("/actions/runs/")?;
    let number = rest.strip_suffix("/deployment_protection_rule")?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| digits).map(RunId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_the_address_of_its_rule() {
        let run = |number: &str| {
            run_of(&format!(
                "https://api.github.com/repos/acme/ops/actions/runs/{number}/deployment_protection_rule"
            ))
        };
        assert_eq!(run("123"), Some(RunId(123)));
        for bad in ["", "-1", "+1", "1/2", "99999999999999999999", "1x"] {
            assert_eq!(run(bad), None, "{bad}");
        }
        assert_eq!(
            run_of("https://api.github.com/repos/acme/ops/actions/runs/1"),
            None
        );
    }
}
