//! A request body as a JSON tree whose `${...}` leaves are replaced whole.

use serde_json::Value;

use super::{
    param::ParamPath,
    tree::{Place, Tree},
};
use crate::domain::source::{Fault, Node};

/// A JSON tree with places to fill; a value is never spliced into text.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyTemplate(Tree<Filler>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Filler {
    Param(ParamPath),
    ProposalId,
    ItemId,
    StepKey,
}

/// Stands for a step's idempotency key.
pub(super) const STEP_KEY: &str = "${step.key}";

/// What fills the places of a body.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// The item's parameters, defaults included.
    pub params: &'a Value,
    /// The proposal's id.
    pub proposal: &'a str,
    /// The item's id.
    pub item: &'a str,
    /// The step's idempotency key; for an undo, the key of the step that it takes back.
    pub key: &'a str,
}

/// A parameter that the body needs and the proposal does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{param}` is missing; the request's body needs it")]
pub struct BodyError {
    param: ParamPath,
}

impl BodyError {
    /// The parameter.
    pub fn param(&self) -> &ParamPath {
        &self.param
    }
}

impl BodyTemplate {
    pub(super) fn read(node: &Node) -> Result<Self, Fault> {
        Tree::read(node).map(Self)
    }
    /// The parameters that the template takes.
    pub fn params(&self) -> Vec<&ParamPath> {
        self.0.places().into_iter().filter_map(Filler::param).collect()
    }
    /// Whether the catalog's own text tells it from another, whatever fills the places of both.
    pub(super) fn is_told_from(&self, other: &Self) -> bool {
        self.0.is_told_from(&other.0)
    }
    /// Whether anything of it is the catalog's own text.
    pub(super) fn has_literal(&self) -> bool {
        self.0.has_literal()
    }
    /// The body for these values. A field whose optional parameter is not there is left out. Errors: a missing
    /// parameter anywhere else.
    pub fn fill(&self, with: Filling<'_>) -> Result<Value, BodyError> {
        self.0.fill(with)
    }
}

impl Filler {
    const fn param(&self) -> Option<&ParamPath> {
        match self {
            Self::Param(param) => Some(param),
            Self::ProposalId | Self::ItemId | Self::StepKey => None,
        }
    }
}

impl Place for Filler {
    type From<'a> = Filling<'a>;
    type Error = BodyError;

    fn read(text: &str) -> Result<Option<Self>, String> {
        filler(text)
    }

    fn value(&self, with: Filling<'_>) -> Result<Value, BodyError> {
        match self {
            Self::Param(param) => param
                .find(with.params)
                .cloned()
                .ok_or_else(|| BodyError { param: param.clone() }),
            Self::ProposalId => Ok(with.proposal.into()),
            Self::ItemId => Ok(with.item.into()),
            Self::StepKey => Ok(with.key.into()),
        }
    }

    fn is_left_out(&self, with: Filling<'_>) -> bool {
        matches!(self, Self::Param(param) if param.find(with.params).is_none())
    }
}

fn filler(text: &str) -> Result<Option<Filler>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match inner {
        Some("proposal.id") => Some(Filler::ProposalId),
        Some("item.id") => Some(Filler::ItemId),
        Some("step.key") => Some(Filler::StepKey),
        Some(inner) => inner.parse().ok().map(Filler::Param),
        None => None,
    }
    .map(Some)
    .ok_or_else(|| {
        let text = text.escape_debug();
        format!("`{text}` is not a place to fill; the whole text must be `${{params.name}}`, `${{proposal.id}}`, `${{item.id}}` or `${{step.key}}`")
    })
}
