//! A JSON tree whose `${...}` leaves are replaced whole; a value is never spliced into text.

use serde_json::{Map, Value};

use crate::domain::source::{Fault, Kind, Node};

/// What may stand in a leaf, to be replaced.
pub(super) trait Place: Sized {
    /// What it is replaced from.
    type From<'a>: Copy;
    /// Why it can't be replaced.
    type Error;
    /// The place that a text names; none when it is no place. Errors: what may stand there instead.
    fn read(text: &str) -> Result<Option<Self>, String>;
    /// The value that replaces it.
    fn value(&self, from: Self::From<'_>) -> Result<Value, Self::Error>;
    /// Whether a field that holds just this is left out.
    fn is_left_out(&self, from: Self::From<'_>) -> bool;
}

/// A tree with places to fill.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree<P> {
    /// A value that stays as it is.
    Literal(Value),
    /// A place.
    Fill(P),
    /// A list.
    List(Vec<Self>),
    /// An object, in the order of the file.
    Map(Vec<(String, Self)>),
}

impl<P: Place> Tree<P> {
    pub(super) fn read(node: &Node) -> Result<Self, Fault> {
        Ok(match node.kind() {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => Self::Literal(node.to_value()),
            Kind::Text(text) => match P::read(text) {
                Ok(Some(place)) => Self::Fill(place),
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

    /// Every place of the tree.
    pub(super) fn places(&self) -> Vec<&P> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a P>) {
        match self {
            Self::Fill(place) => found.push(place),
            Self::Literal(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Map(fields) => fields.iter().for_each(|(_, field)| field.collect(found)),
        }
    }

    /// The tree with its places replaced.
    pub(super) fn fill(&self, from: P::From<'_>) -> Result<Value, P::Error> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Fill(place) => place.value(from)?,
            Self::List(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.fill(from))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Map(fields) => {
                let mut map = Map::new();
                for (name, field) in fields {
                    match field {
                        Self::Fill(place) if place.is_left_out(from) => {}
                        Self::Literal(_) | Self::Fill(_) | Self::List(_) | Self::Map(_) => {
                            map.insert(name.clone(), field.fill(from)?);
                        }
                    }
                }
                Value::Object(map)
            }
        })
    }
}
