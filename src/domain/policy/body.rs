//! A request body as a JSON tree whose `${...}` leaves are replaced whole.

use serde_json::{Map, Value};

use super::param::ParamPath;
use crate::domain::source::{Fault, Kind, Node};

/// A JSON tree with places to fill; a value is never spliced into text.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyTemplate(Part);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(Value),
    Fill(Filler),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

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
        Part::read(node).map(Self)
    }
    /// The parameters that the template takes.
    pub fn params(&self) -> Vec<&ParamPath> {
        let mut found = Vec::new();
        self.0.collect(&mut found);
        found
    }
    /// The body for these values. A field whose optional parameter is not there is left out. Errors: a missing
    /// parameter anywhere else.
    pub fn fill(&self, with: Filling<'_>) -> Result<Value, BodyError> {
        self.0.fill(with)
    }
}

impl Part {
    fn read(node: &Node) -> Result<Self, Fault> {
        Ok(match node.kind() {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => Self::Literal(node.to_value()),
            Kind::Text(text) => match filler(text) {
                Ok(Some(filler)) => Self::Fill(filler),
                Ok(None) => Self::Literal(node.to_value()),
                Err(message) => return Err(Fault::new(node.mark(), message)),
            },
            Kind::List(items) => Self::List(items.iter().map(Self::read).collect::<Result<_, _>>()?),
            Kind::Map(entries) => {
                let mut fields = Vec::new();
                for (key, node) in entries {
                    if key.text().contains("${") {
                        let message = format!("the field name `{}` must be literal", key.text());
                        return Err(Fault::new(key.mark(), message));
                    }
                    fields.push((key.text().to_owned(), Self::read(node)?));
                }
                Self::Map(fields)
            }
        })
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a ParamPath>) {
        match self {
            Self::Fill(Filler::Param(param)) => found.push(param),
            Self::Literal(_) | Self::Fill(Filler::ProposalId | Filler::ItemId | Filler::StepKey) => {}
            Self::List(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Map(fields) => fields.iter().for_each(|(_, field)| field.collect(found)),
        }
    }

    fn fill(&self, with: Filling<'_>) -> Result<Value, BodyError> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Fill(filler) => filler.value(with)?,
            Self::List(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.fill(with))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Map(fields) => {
                let mut map = Map::new();
                for (name, field) in fields {
                    match field {
                        Self::Fill(Filler::Param(param)) if param.find(with.params).is_none() => {}
                        Self::Literal(_) | Self::Fill(_) | Self::List(_) | Self::Map(_) => {
                            map.insert(name.clone(), field.fill(with)?);
                        }
                    }
                }
                Value::Object(map)
            }
        })
    }
}

impl Filler {
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
