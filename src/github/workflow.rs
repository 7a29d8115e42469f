//! Workflows: asking for a run, looking at it, and answering the bot's own deployment protection rule. INVARIANT i23.

use http::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    client::{GitHub, segment},
    error::Error,
    pages::following,
    wire,
};
use crate::domain::{
    ids::{RepoName, Sha, Timestamp},
    warrant::WorkflowCall,
    workflow::{Conclusion, Run, RunId},
};

/// 1,000 runs of 100 a page; a longer list is an error, never a short one.
const MAX_PAGES: usize = 10;

#[derive(Deserialize)]
struct Workflow {
    state: String,
}

#[derive(Deserialize)]
struct Rules {
    #[serde(default)]
    custom_deployment_protection_rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    enabled: bool,
    app: wire::App,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: u64,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<RunPart>,
}

#[derive(Deserialize)]
struct RunPart {
    id: u64,
    path: String,
    event: String,
    status: Option<String>,
    conclusion: Option<String>,
    actor: Option<wire::Account>,
    triggering_actor: Option<wire::Account>,
    head_branch: Option<String>,
    head_sha: Sha,
    #[serde(default)]
    run_attempt: u32,
    #[serde(default)]
    display_title: String,
    created_at: Timestamp,
    html_url: String,
    repository: wire::Repository,
}

#[derive(Deserialize)]
struct Pending {
    environment: PendingEnvironment,
}

#[derive(Deserialize)]
struct PendingEnvironment {
    name: Option<String>,
}

/// Why a workflow would not run behind the bot's rule: what is missing, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unguarded {
    /// GitHub's answer can't be used.
    #[error(transparent)]
    GitHub(Error),
    /// There is no such workflow.
    #[error(
        "`{repo}` has no workflow `{workflow}`; add `.github/workflows/{workflow}` on its default branch"
    )]
    NoWorkflow {
        /// The repository.
        repo: RepoName,
        /// The file.
        workflow: String,
    },
    /// Nobody can run it.
    #[error("workflow `{workflow}` of `{repo}` is disabled; enable it on its page")]
    Disabled {
        /// The repository.
        repo: RepoName,
        /// The file.
        workflow: String,
    },
    /// There is no such environment.
    #[error("`{repo}` has no environment `{environment}`; add it in the repository's settings")]
    NoEnvironment {
        /// The repository.
        repo: RepoName,
        /// The environment.
        environment: String,
    },
    /// Its runs need nobody's leave.
    #[error(
        "environment `{environment}` of `{repo}` has no deployment protection rule of this app; enable it in the environment's settings"
    )]
    NoRule {
        /// The repository.
        repo: RepoName,
        /// The environment.
        environment: String,
    },
}

impl RunPart {
    fn run(self, path: &str) -> Result<Run, Error> {
        let repository = self.repository.full_name.parse().map_err(|_| Error::Malformed {
            doing: format!("GET {path}"),
            because: "a run without a repository".to_owned(),
        })?;
        let ended = self.status.as_deref() == Some("completed");
        let conclusion = self.conclusion.as_deref().filter(|_| ended);
        Ok(Run {
            id: RunId(self.id),
            repository,
            path: self.path,
            event: self.event,
            actor: wire::id_of(self.actor.as_ref()),
            triggering: wire::id_of(self.triggering_actor.as_ref()),
            branch: self.head_branch,
            head: self.head_sha,
            attempt: self.run_attempt,
            title: self.display_title,
            created_at: self.created_at,
            conclusion: ended.then(|| Conclusion::of(conclusion.unwrap_or_default())),
            page: self.html_url,
        })
    }
}

impl GitHub {
    /// Whether a workflow can be run, and its environment lets nothing through without this app.
    pub async fn guards(&self, workflow: &str, environment: &str) -> Result<(), Unguarded> {
        let repo = || self.repo().clone();
        let path = self.in_repo(&format!("/actions/workflows/{}", segment(workflow)));
        match self.get::<Workflow>(&path).await {
            Ok(found) if found.state == "active" => {}
            Ok(_) => {
                let workflow = workflow.to_owned();
                return Err(Unguarded::Disabled {
                    repo: repo(),
                    workflow,
                });
            }
            Err(Error::NotFound { .. }) => {
                let workflow = workflow.to_owned();
                return Err(Unguarded::NoWorkflow {
                    repo: repo(),
                    workflow,
                });
            }
            Err(error) => return Err(Unguarded::GitHub(error)),
        }
        let path = self.in_repo(&format!(
            "/environments/{}/deployment_protection_rules",
            segment(environment)
        ));
        let environment = environment.to_owned();
        let rules = match self.get::<Rules>(&path).await {
            Ok(rules) => rules.custom_deployment_protection_rules,
            Err(Error::NotFound { .. }) => {
                return Err(Unguarded::NoEnvironment {
                    repo: repo(),
                    environment,
                });
            }
            Err(error) => return Err(Unguarded::GitHub(error)),
        };
        let ours = |rule: &Rule| rule.enabled && rule.app.id == self.app_id();
        match rules.iter().any(ours) {
            true => Ok(()),
            false => Err(Unguarded::NoRule {
                repo: repo(),
                environment,
            }),
        }
    }

    /// Asks for a run. Gives its number, unless GitHub does not tell it.
    ///
    /// # Errors
    /// When GitHub refuses; and when it does not answer, although the run may have begun.
    pub async fn dispatch(&self, call: &WorkflowCall) -> Result<Option<RunId>, Error> {
        let path = self.in_repo(&format!(
            "/actions/workflows/{}/dispatches",
            segment(&call.workflow)
        ));
        let body = json!({
            "ref": call.branch,
            "inputs": call.inputs,
            "return_run_details": true,
        });
        let said: Option<Dispatched> = self.write(Method::POST, &path, &body).await?;
        Ok(said.map(|said| RunId(said.workflow_run_id)))
    }

    /// Every run of a workflow that was asked for since then, newest first. Not narrowed by GitHub, whose search lags
    /// behind its list.
    ///
    /// # Errors
    /// When the list can't be read, or goes on after 1,000 runs.
    pub async fn runs_since(&self, workflow: &str, since: Timestamp) -> Result<Vec<Run>, Error> {
        let first = self.in_repo(&format!("/actions/workflows/{}/runs", segment(workflow)));
        let mut next = format!("{first}?per_page=100");
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let (page, link): (Runs, _) = self.get_linked(&next).await?;
            for part in page.workflow_runs {
                let run = part.run(&first)?;
                if run.created_at < since {
                    return Ok(all);
                }
                all.push(run);
            }
            let more = link.map(|link| following(&link, self.api())).transpose();
            match more.map(Option::flatten) {
                Ok(Some(path)) => next = path,
                Ok(None) => return Ok(all),
                Err(because) => {
                    return Err(Error::Malformed {
                        doing: format!("GET {first}"),
                        because: because.to_owned(),
                    });
                }
            }
        }
        Err(Error::Truncated {
            doing: format!("GET {first}"),
            because: format!("it goes on after {MAX_PAGES} pages"),
        })
    }

    /// A run at its newest attempt.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn workflow_run(&self, id: RunId) -> Result<Run, Error> {
        let path = self.in_repo(&format!("/actions/runs/{id}"));
        self.get::<RunPart>(&path).await?.run(&path)
    }

    /// A run at its first attempt.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn first_attempt(&self, id: RunId) -> Result<Run, Error> {
        let path = self.in_repo(&format!("/actions/runs/{id}/attempts/1"));
        self.get::<RunPart>(&path).await?.run(&path)
    }

    /// Whether a run waits to be let into an environment.
    ///
    /// # Errors
    /// When that can't be read.
    pub async fn waits(&self, id: RunId, environment: &str) -> Result<bool, Error> {
        let path = self.in_repo(&format!("/actions/runs/{id}/pending_deployments"));
        let pending: Vec<Pending> = self.get(&path).await?;
        // GitHub takes the names of environments in any case.
        let same = |one: &Pending| {
            let name = one.environment.name.as_deref();
            name.is_some_and(|name| name.eq_ignore_ascii_case(environment))
        };
        Ok(pending.iter().any(same))
    }

    /// Answers this app's own protection rule for a run; said again, it changes nothing more.
    ///
    /// # Errors
    /// When GitHub refuses or does not answer.
    pub async fn answer_rule(
        &self,
        id: RunId,
        environment: &str,
        let_through: bool,
        words: &str,
    ) -> Result<(), Error> {
        let path = self.in_repo(&format!("/actions/runs/{id}/deployment_protection_rule"));
        let state = if let_through { "approved" } else { "rejected" };
        let body = json!({ "environment_name": environment, "state": state, "comment": words });
        // What is kept for voiding is there for turning away as well.
        let client = if let_through {
            self.clone()
        } else {
            self.for_voiding()
        };
        let answered = client.write::<Option<IgnoredAny>>(Method::POST, &path, &body);
        answered.await.map(drop)
    }

    /// Asks GitHub to stop a run; one that has ended is left as it is.
    ///
    /// # Errors
    /// When GitHub refuses or does not answer.
    pub async fn cancel_run(&self, id: RunId) -> Result<(), Error> {
        let path = self.in_repo(&format!("/actions/runs/{id}/cancel"));
        let client = self.for_voiding();
        match client.write::<Value>(Method::POST, &path, &json!({})).await {
            Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
