//! An expression with every name resolved.

use std::sync::Arc;

use regex::Regex;

use super::{function::Function, scope::Root};
use crate::domain::source::Mark;

/// One part of an expression.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Text(Arc<str>),
    Root(Root),
    /// The variable of the loop so deep.
    Local(usize),
    Field(Box<Access>),
    Has(Box<Access>),
    Index {
        of: Box<Self>,
        at: Box<Self>,
        path: Path,
    },
    Not(Box<Self>),
    Negate(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    If(Box<[Self; 3]>),
    Binary(Binary, Box<Self>, Box<Self>),
    List(Vec<Self>),
    Loop(Box<Loop>),
    Call(Function, Vec<Self>),
    Matches(Box<Self>, Regex),
}

/// A field of a value.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) of: Node,
    pub(super) field: Arc<str>,
    pub(super) path: Path,
}

/// How a place is written, for errors, whether it lies in what is only claimed, and where its text stands.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) text: Arc<str>,
    pub(super) claimed: bool,
    pub(super) mark: Option<Mark>,
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Binary {
    /// The operator as it is written.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

/// A loop over a list, or over the keys of a map.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    /// How many loops it stands in; the place of its variable.
    pub(super) depth: usize,
    pub(super) over: Node,
    /// The condition of `map` with three arguments.
    pub(super) when: Option<Node>,
    pub(super) body: Node,
}

/// What a loop gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl LoopKind {
    /// The kind by its name in CEL.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "exists" => Some(Self::Exists),
            "exists_one" | "existsOne" => Some(Self::ExistsOne),
            "filter" => Some(Self::Filter),
            "map" => Some(Self::Map),
            _ => None,
        }
    }
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }
}
