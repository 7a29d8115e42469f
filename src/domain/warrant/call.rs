//! One call to make, filled from the approved parameters and the catalog alone.

use serde::Serialize;
use serde_json::Value;

use super::{command::CommandCall, workflow::WorkflowCall};
use crate::domain::{
    ids::{Seq, Span, StepName},
    policy::{Auth, BodyError, Connector, Filling, HttpExecute, InputError, ThawError, UrlError},
    proposal::{Item, Proposal, step_key},
};

/// A call, complete but for sealed values.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Over HTTP.
    Http(HttpCall),
    /// A program on the executor's machine.
    Command(CommandCall),
    /// A workflow on GitHub's runners.
    Workflow(WorkflowCall),
    /// To the ledger: a freeze ends. INVARIANT i22.
    Thaw(ThawCall),
}

/// The end of a freeze.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThawCall {
    /// Its place in the ledger.
    pub freeze: Seq,
    /// The call's own name; the ledger ends a freeze once.
    pub idempotency_key: String,
}

/// A call over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpCall {
    /// Whether the catalog allows a private or loopback address.
    pub allow_private: bool,
    /// What the target is shown; secrets by name only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Box<Auth>>,
    /// The JSON body; sensitive values are placeholders until the moment it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The header that carries the idempotency key.
    pub idempotency_header: String,
    /// What the target is given so that a repetition has no second effect.
    pub idempotency_key: String,
    /// The method.
    pub method: String,
    /// Whether it may be sent on a connection that served another call before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
    /// Whether the target acts once for one key, so that an unclear call may be repeated with it. INVARIANT i21.
    pub repeatable: bool,
    /// How long it may take.
    pub timeout: Span,
    /// Where to.
    pub url: url::Url,
}

/// Why a template of the catalog can't be filled with the approved parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The address.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The inputs of a workflow.
    #[error(transparent)]
    Inputs(#[from] InputError),
    /// The freeze.
    #[error(transparent)]
    Thaw(#[from] ThawError),
}

/// What a call is made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct For<'a> {
    pub(super) proposal: &'a Proposal,
    pub(super) item: &'a Item,
    pub(super) step: Option<&'a StepName>,
}

impl Call {
    /// The call that takes a step.
    pub(super) fn doing(connector: &Connector, of: For<'_>) -> Result<Self, FillError> {
        let key = step_key(of.proposal.id, &of.item.id, of.step);
        Self::fill(connector, of, &key, key.clone())
    }

    /// The call that takes a step back; it has a key of its own, and may name the step's.
    pub(super) fn undoing(connector: &Connector, of: For<'_>) -> Result<Self, FillError> {
        let key = step_key(of.proposal.id, &of.item.id, of.step);
        Self::fill(connector, of, &key, format!("{key}/undo"))
    }

    fn fill(connector: &Connector, of: For<'_>, step: &str, own: String) -> Result<Self, FillError> {
        let id = of.proposal.id.to_string();
        let with = Filling {
            params: &of.item.parameters,
            proposal: &id,
            item: of.item.id.as_str(),
            key: step,
        };
        match connector {
            Connector::Http(http) => HttpCall::fill(http, with, own).map(Self::Http),
            Connector::Command(command) => Ok(Self::Command(CommandCall::fill(command, with, own)?)),
            Connector::Workflow(workflow) => Ok(Self::Workflow(WorkflowCall::fill(workflow, with, own)?)),
            Connector::Thaw(thaw) => Ok(Self::Thaw(ThawCall {
                freeze: thaw.fill(with.params)?,
                idempotency_key: own,
            })),
        }
    }

    /// What it sends that may hold sensitive values, which are placeholders.
    pub const fn body(&self) -> Option<&Value> {
        match self {
            Self::Http(http) => http.body.as_ref(),
            Self::Command(command) => Some(&command.stdin),
            Self::Workflow(_) | Self::Thaw(_) => None,
        }
    }
    /// How long it may take.
    pub const fn timeout(&self) -> Span {
        match self {
            Self::Http(http) => http.timeout,
            Self::Command(command) => command.bounds.timeout,
            Self::Workflow(workflow) => workflow.within,
            Self::Thaw(_) => Span::seconds(60),
        }
    }
    /// Whether making it again with its key has no second effect.
    pub const fn repeatable(&self) -> bool {
        match self {
            Self::Http(http) => http.repeatable,
            Self::Command(command) => command.repeatable,
            Self::Workflow(workflow) => workflow.repeatable(),
            Self::Thaw(_) => true,
        }
    }
    /// What the target is given so that a repetition has no second effect.
    pub fn idempotency_key(&self) -> &str {
        match self {
            Self::Http(http) => &http.idempotency_key,
            Self::Command(command) => &command.idempotency_key,
            Self::Workflow(workflow) => &workflow.idempotency_key,
            Self::Thaw(thaw) => &thaw.idempotency_key,
        }
    }
    /// The freeze that it ends.
    pub const fn thaws(&self) -> Option<Seq> {
        match self {
            Self::Http(_) | Self::Command(_) | Self::Workflow(_) => None,
            Self::Thaw(thaw) => Some(thaw.freeze),
        }
    }
}

impl HttpCall {
    fn fill(http: &HttpExecute, with: Filling<'_>, key: String) -> Result<Self, FillError> {
        let request = http.request();
        Ok(Self {
            method: request.method().as_str().to_owned(),
            url: request.url().fill(with.params)?,
            body: request.body().map(|body| body.fill(with)).transpose()?,
            idempotency_header: http.idempotency_header().to_owned(),
            idempotency_key: key,
            persistent: http.persistent(),
            repeatable: http.repeatable(),
            timeout: request.timeout(),
            allow_private: request.allow_private(),
            auth: request.auth().cloned().map(Box::new),
        })
    }
}
