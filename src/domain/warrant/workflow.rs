//! A call that has a workflow run on GitHub's runners. INVARIANT i23.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{
    ids::{BranchName, RepoName, Span},
    policy::{Filling, InputError, WorkflowExecute},
};

/// A workflow to run once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowCall {
    /// The repository that holds it; the bot's own without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepoName>,
    /// Its file, below `.github/workflows/`.
    pub workflow: String,
    /// The branch whose workflow runs.
    #[serde(rename = "ref")]
    pub branch: BranchName,
    /// The environment whose protection rule is the bot.
    pub environment: String,
    /// Its inputs, the nonce included.
    pub inputs: BTreeMap<String, String>,
    /// The input that carries the call's own name and that the run's name shows, so that the run is found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The call's own name.
    pub idempotency_key: String,
    /// How long the run may take, from being asked for to its end.
    pub within: Span,
}

impl WorkflowCall {
    /// The call for one item, from the approved parameters and the catalog alone. Errors: a parameter is missing, is no
    /// text, or all of them are too long.
    pub(super) fn fill(
        workflow: &WorkflowExecute,
        with: Filling<'_>,
        idempotency_key: String,
    ) -> Result<Self, InputError> {
        Ok(Self {
            repository: workflow.repository().cloned(),
            workflow: workflow.workflow().to_owned(),
            branch: workflow.branch().clone(),
            environment: workflow.environment().to_owned(),
            inputs: workflow.fill(with, &idempotency_key)?,
            nonce: workflow.nonce().map(str::to_owned),
            idempotency_key,
            within: workflow.within(),
        })
    }
    /// Whether a run that was asked for can be found again, so that none is asked for twice. INVARIANT i21.
    pub const fn repeatable(&self) -> bool {
        self.nonce.is_some()
    }
}
