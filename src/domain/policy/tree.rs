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

    /// Whether literals tell it from another tree, whatever the places of both are replaced by.
    pub(super) fn is_told_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fill(_), _) | (_, Self::Fill(_)) => false,
            (Self::Literal(one), Self::Literal(other)) => one != other,
            (Self::List(one), Self::List(other)) => {
                let (short, long) = if one.len() < other.len() {
                    (one, other)
                } else {
                    (other, one)
                };
                short.iter().zip(long).any(|(one, other)| one.is_told_from(other))
                    || long.iter().skip(short.len()).any(Self::has_literal)
            }
            (Self::Map(one), Self::Map(other)) => {
                one.iter().any(|(name, field)| match of(other, name) {
                    Some(other) => field.is_told_from(other),
                    None => field.has_literal(),
                }) || other
                    .iter()
                    .any(|(name, field)| of(one, name).is_none() && field.has_literal())
            }
            (
                Self::Literal(_) | Self::List(_) | Self::Map(_),
                Self::Literal(_) | Self::List(_) | Self::Map(_),
            ) => true,
        }
    }

    /// Whether there is a literal anywhere in it.
    pub(super) fn has_literal(&self) -> bool {
        match self {
            Self::Literal(_) => true,
            Self::Fill(_) => false,
            Self::List(items) => items.iter().any(Self::has_literal),
            Self::Map(fields) => fields.iter().any(|(_, field)| field.has_literal()),
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

fn of<'a, P>(fields: &'a [(String, Tree<P>)], name: &str) -> Option<&'a Tree<P>> {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, field)| field)
}
