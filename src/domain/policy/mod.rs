//! The rules: what agents may do, how risky it is, who must approve, and who everyone is.

mod action;
mod agents;
mod auth;
mod body;
pub mod cases;
mod catalog;
mod checks;
mod command;
mod compile;
mod counting;
mod describe;
mod dry_run;
pub mod editor;
mod error;
mod escalate;
mod execute;
pub mod expression;
mod http;
mod limits;
pub mod lint;
mod owners;
mod param;
mod pattern;
mod people;
mod request;
mod resource;
mod rollback;
mod schema;
mod size;
mod targets;
mod thaw;
mod tiers;
mod tree;
mod url_template;
mod workflow;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop"
)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use super::totals::Over;
pub use action::{Action, Party, Raci};
pub use agents::{Agent, AgentKey, Callback};
pub use auth::{Auth, NotASecret, SECRET_PREFIX, SecretError, SecretName};
pub use body::{BodyError, BodyTemplate, Filling};
pub use checks::{Check, CheckKind};
pub use command::{Bounds, CommandExecute, Filesystem};
pub use compile::{compile, policy_digest};
pub use dry_run::HttpDryRun;
pub use error::{PolicyError, Rule};
pub use escalate::Escalation;
pub use execute::{Connector, Execute, StepRule};
pub use http::{Affected, HttpExecute, HttpObserve, JsonPointer, Method};
pub use limits::{CountedBy, LIMITS, Limit, MAX_WINDOW, Measure};
pub use owners::{Owned, OwnedItem, Owner, OwnerSet, Owners, RawOwners, Requirements, Said};
pub use param::{ParamPath, ResourceError};
pub use people::{Account, Person};
pub use request::HttpRequest;
pub use resource::ResourcePattern;
pub use rollback::{BeforeIt, Rollback, Undoing, UndoingError};
pub use schema::ParamError;
pub use size::{Size, SizeError};
pub use targets::TargetBounds;
pub use thaw::{Thaw, ThawError};
pub use tiers::{
    Approvers, Classified, DataClass, GateRule, Impact, MergeMode, Preview, RollbackKind, StepUp, Tier,
};
pub use url_template::{UrlError, UrlTemplate};
pub use workflow::{InputError, MAX_INPUT_CHARS, MAX_INPUTS, WorkflowExecute};

use super::{
    ids::{AccountId, ActionName, AgentName, Digest, PersonName},
    source::nearest,
};

/// All files of `policies/`, read together and found without error.
#[derive(Debug, Clone)]
pub struct Policy {
    digest: Digest,
    sameness: compile::Sameness,
    actions: BTreeMap<ActionName, Action>,
    tiers: tiers::Tiers,
    owners: Owners,
    checks: checks::Checks,
    people: people::People,
    agents: agents::Agents,
    targets: targets::Targets,
}

impl Policy {
    /// The digest of all files given to [`compile`] (INVARIANT i02).
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// Whether an action has the same rules in another policy, whatever stands in files that bear on no decision.
    pub fn same_rules(&self, other: &Self, action: &str) -> bool {
        self.sameness.same(&other.sameness, action)
    }
    /// Whether another policy gives the same proposal of an action the same tier, for the same reasons, and the same
    /// check results; who may approve may still differ.
    pub fn same_assessment(&self, other: &Self, action: &str) -> bool {
        self.sameness.same_assessment(&other.sameness, action)
    }
    /// An action of the catalog.
    pub fn action(&self, name: &ActionName) -> Option<&Action> {
        self.actions.get(name)
    }
    /// Every action, by name.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }
    /// The action that a mistyped name most likely meant.
    pub fn nearest_action(&self, name: &str) -> Option<&ActionName> {
        let near = nearest(name, self.actions.keys().map(ActionName::as_str))?;
        self.actions.keys().find(|action| action.as_str() == near)
    }
    /// What a call to this address has to keep to, and the name that it is bound by.
    pub fn bounds(&self, url: &url::Url) -> Option<(&str, &TargetBounds)> {
        targets::find(&self.targets, url)
    }
    /// The tier of an action; what no rule matches is high (INVARIANT i10).
    pub fn classify(&self, impact: Impact, data: &BTreeSet<DataClass>, rollback: RollbackKind) -> Classified {
        self.tiers.classify(impact, data, rollback)
    }
    /// The rules of `tiers.yaml`, counted from 1, that can give an action its tier.
    pub fn reachable_rules(&self) -> BTreeSet<usize> {
        self.tiers.reachable()
    }
    /// What the gate of a tier demands.
    pub fn gate(&self, tier: Tier) -> &GateRule {
        self.tiers.gate(tier)
    }
    /// Who owns what.
    pub fn owners(&self) -> &Owners {
        &self.owners
    }
    /// A person by name.
    pub fn person(&self, name: &PersonName) -> Option<&Person> {
        self.people.get(name)
    }
    /// A person by any of their accounts.
    pub fn person_of(&self, account: AccountId) -> Option<&Person> {
        self.people.of_account(account)
    }
    /// Every person, by name.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.all()
    }
    /// An agent by name.
    pub fn agent(&self, name: &AgentName) -> Option<&Agent> {
        self.agents.get(name)
    }
    /// An agent by its account.
    pub fn agent_of(&self, account: AccountId) -> Option<&Agent> {
        self.agents.of_account(account)
    }
    /// Every agent, by name.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.all()
    }
}
