//! One action of the catalog.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::{
    dry_run::HttpDryRun,
    escalate::Escalation,
    execute::Execute,
    http::HttpObserve,
    limits::Limit,
    param::ParamPath,
    resource::ResourcePattern,
    rollback::{Rollback, Undoing},
    schema::{ParamError, ParamSchema},
    tiers::{DataClass, Impact, RollbackKind},
};
use crate::domain::ids::{ActionName, AgentName, CheckName, Digest, PersonName, TeamName};

/// A person or a team.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// A person of `people.yaml`.
    Person(PersonName),
    /// A team named in `people.yaml`.
    Team(TeamName),
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(name) => name.fmt(f),
            Self::Team(name) => name.fmt(f),
        }
    }
}

/// Who does, answers for, is asked about and hears of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Raci {
    pub(super) responsible: AgentName,
    pub(super) accountable: Party,
    pub(super) consulted: Vec<Party>,
    pub(super) informed: Vec<Party>,
}

impl Raci {
    /// The agent that does it.
    pub fn responsible(&self) -> &AgentName {
        &self.responsible
    }
    /// Who answers for it.
    pub fn accountable(&self) -> &Party {
        &self.accountable
    }
    /// Who is asked for a review, without being needed. Their approval counts for nothing unless they own the
    /// resource; like anybody's of `people.yaml`, their request for changes blocks until they take it back.
    pub fn consulted(&self) -> &[Party] {
        &self.consulted
    }
    /// Who hears of the outcome.
    pub fn informed(&self) -> &[Party] {
        &self.informed
    }
}

/// A kind of thing an agent may do.
#[derive(Debug, Clone)]
pub struct Action {
    pub(super) name: ActionName,
    pub(super) summary: String,
    pub(super) system: String,
    pub(super) resource: ResourcePattern,
    pub(super) impact: Impact,
    pub(super) data: BTreeSet<DataClass>,
    pub(super) rollback: Rollback,
    pub(super) raci: Raci,
    pub(super) params: ParamSchema,
    pub(super) describe: String,
    pub(super) escalate: Vec<Escalation>,
    pub(super) limits: Vec<Limit>,
    pub(super) checks: Vec<CheckName>,
    pub(super) sensitive: Vec<ParamPath>,
    pub(super) observe: Option<HttpObserve>,
    pub(super) dry_run: Option<HttpDryRun>,
    pub(super) execute: Execute,
}

impl Action {
    /// The name, as in `payments.create`.
    pub fn name(&self) -> &ActionName {
        &self.name
    }
    /// What it does, in a line.
    pub fn summary(&self) -> &str {
        &self.summary
    }
    /// The system it acts on; the name's first part unless stated.
    pub fn system(&self) -> &str {
        &self.system
    }
    /// Where its resource stands in CODEOWNERS.
    pub fn resource(&self) -> &ResourcePattern {
        &self.resource
    }
    /// What it can do when it goes wrong.
    pub fn impact(&self) -> Impact {
        self.impact
    }
    /// The classes of data it touches; at least one.
    pub fn data(&self) -> &BTreeSet<DataClass> {
        &self.data
    }
    /// How it is taken back.
    pub fn rollback(&self) -> &Rollback {
        &self.rollback
    }
    /// The action that takes it back and what that one is given, where a person can ask for it in a comment.
    pub fn undoing(&self) -> Option<(&ActionName, &Undoing)> {
        let with = self.rollback.with()?;
        match self.rollback.kind() {
            RollbackKind::Inverse => Some((self.rollback.action()?, with)),
            RollbackKind::Restore => Some((&self.name, with)),
            RollbackKind::None => None,
        }
    }
    /// Who does, answers for, is asked about and hears of it.
    pub fn raci(&self) -> &Raci {
        &self.raci
    }
    /// The JSON Schema of its parameters, with `additionalProperties: false` stated.
    pub fn params(&self) -> &Value {
        self.params.value()
    }
    /// The digest of [`Self::params`].
    pub fn schema_digest(&self) -> Digest {
        self.params.digest()
    }
    /// The template of the line that an approver is shown (minijinja; its one variable is `params`).
    pub fn describe(&self) -> &str {
        &self.describe
    }
    /// The conditions that raise its tier.
    pub fn escalate(&self) -> &[Escalation] {
        &self.escalate
    }
    /// How much of it may run in a while. INVARIANT i20.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }
    /// The checks that run on it.
    pub fn checks(&self) -> &[CheckName] {
        &self.checks
    }
    /// The parameters that are sealed in Git and masked where people read (INVARIANT i29).
    pub fn sensitive(&self) -> &[ParamPath] {
        &self.sensitive
    }
    /// How the bot reads before and after.
    pub fn observe(&self) -> Option<&HttpObserve> {
        self.observe.as_ref()
    }
    /// How the bot asks its target what it would do; for tiers that people approve only.
    pub fn dry_run(&self) -> Option<&HttpDryRun> {
        self.dry_run.as_ref()
    }
    /// How it is carried out.
    pub fn execute(&self) -> &Execute {
        &self.execute
    }
    /// Whether the schema states a default anywhere.
    pub fn has_defaults(&self) -> bool {
        self.params.has_defaults()
    }
    /// Fills in the schema's defaults, in nested objects too; gives the JSON pointers of what was filled in.
    pub fn apply_defaults(&self, params: &mut Value) -> Vec<String> {
        self.params.apply_defaults(params)
    }
    /// Everything that is wrong with parameters; empty when they are good.
    pub fn validate(&self, params: &Value) -> Vec<ParamError> {
        self.params.validate(params)
    }
}
