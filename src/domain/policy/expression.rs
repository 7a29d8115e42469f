//! Conditions in the rules: a bounded subset of CEL, the Common Expression Language.
//!
//! The crate `cel` parses; names, fields, functions and patterns are resolved when the policy compiles, so that what
//! does not exist is an error with its place. Evaluating is our own, because the crate's has no budget. INVARIANT i10.
//!
//! # What it costs
//!
//! A text has at most [`MAX_SOURCE`] bytes, [`MAX_TOKENS`] words and signs, brackets [`MAX_NESTED`] deep and loops
//! [`MAX_LOOPS`] deep. One evaluation makes at most [`MAX_STEPS`] steps: a step is one part of the expression looked
//! at, one element of a list looped over, one node of a value compared, or [`TEXT_STEP`] bytes of text read or
//! written. A loop takes at most [`MAX_LIST`] elements, a joined text has at most [`MAX_TEXT`] bytes. Beyond a bound
//! the evaluation is an error, the same on every machine.
//!
//! # How it differs from CEL
//!
//! Whole numbers of 64 bits are the only numbers. Values of different kinds are never equal *by mistake*: comparing
//! text with a number is an error, except with `null`, and where the kinds are known, as of a parameter by its schema, one
//! that is found when the policy compiles. Lists can be summed with `sum()`. Maps, bytes, types and
//! optional values can't be written.

mod absent;
mod compile;
mod eval;
mod function;
mod kinds;
mod names;
mod node;
mod scope;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::BTreeSet, sync::Arc};

pub(super) use absent::Field;
pub use names::Names;
pub use scope::{Root, Scope};

use super::param::ParamPath;
use node::Node;

/// The longest text of an expression, in bytes.
pub const MAX_SOURCE: usize = 4096;
/// The most words and signs.
pub const MAX_TOKENS: usize = 600;
/// The deepest brackets. The parser takes up to 100 KB of stack a level in a debug build; this keeps it within the
/// 2 MiB that a thread has by default.
pub const MAX_NESTED: usize = 12;
/// The deepest loops: `all`, `exists`, `exists_one`, `filter`, `map` in one another.
pub const MAX_LOOPS: usize = 2;
/// The most elements that a loop takes.
pub const MAX_LIST: usize = 1000;
/// The longest text that joining may give, in bytes.
pub const MAX_TEXT: usize = 1 << 16;
/// The most steps of one evaluation.
pub const MAX_STEPS: u32 = 1_000_000;
/// The bytes of text that one step reads or writes.
pub const TEXT_STEP: usize = 32;

/// A condition that is ready to be asked.
#[derive(Debug, Clone)]
pub struct Expression {
    text: Arc<str>,
    root: Arc<Node>,
    roots: BTreeSet<Root>,
    params: BTreeSet<ParamPath>,
}

/// Why a condition has no answer. An error never opens a gate. INVARIANT i10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// A field that is not there.
    #[error("`{0}` is not there; ask for it with `has()` first")]
    Missing(String),
    /// A claim that the agent did not make.
    #[error("`{0}` is not claimed; ask for it with `has()` first")]
    NotClaimed(String),
    /// A value that an operator or function does not take.
    #[error("`{what}` does not take {found}")]
    Kind {
        /// The operator or function.
        what: &'static str,
        /// The kinds it was given.
        found: String,
    },
    /// A number that 64 bits can't hold.
    #[error("`{0}` gives a number beyond 64 bits")]
    Overflow(&'static str),
    /// A division by nothing.
    #[error("`{0}` divides by zero")]
    ByZero(&'static str),
    /// A place outside a list.
    #[error("the list has no element {0}")]
    Index(i64),
    /// More steps than allowed.
    #[error("it takes more than {MAX_STEPS} steps")]
    Budget,
    /// A list that is too long to loop over.
    #[error("it loops over {0} elements; {MAX_LIST} is the limit")]
    LongList(usize),
    /// A text that grew too long.
    #[error("it joins a text of {0} bytes; {MAX_TEXT} is the limit")]
    LongText(usize),
    /// A sensitive value, which the rules never see in the clear. INVARIANT i29.
    #[error("`{0}` is sealed; no rule can read it")]
    Sealed(String),
    /// A text that is not what it should say.
    #[error("`{what}` can't read the text it was given")]
    Unread {
        /// The function.
        what: &'static str,
    },
    /// An answer that is neither true nor false.
    #[error("it gives {0}; a condition gives true or false")]
    NotBool(&'static str),
}

impl ExpressionError {
    /// Whether it only says that the agent did not claim something.
    pub const fn is_unclaimed(&self) -> bool {
        matches!(self, Self::NotClaimed(_))
    }
}

impl Expression {
    /// The text as its author wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The variables it reads.
    pub fn roots(&self) -> impl Iterator<Item = Root> {
        self.roots.iter().copied()
    }
    /// Whether it reads a variable.
    pub fn reads(&self, root: Root) -> bool {
        self.roots.contains(&root)
    }
    /// The parameters it names outright, the deepest of each path.
    pub fn params(&self) -> impl Iterator<Item = &ParamPath> {
        self.params.iter()
    }
    /// Its answer in one scope. Errors: see [`ExpressionError`]; an answer other than true and false is one.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        eval::run(&self.root, scope, &mut { MAX_STEPS })
    }
    /// [`Self::eval`] within a bound that several evaluations share; the steps taken are taken off it.
    pub fn eval_within(&self, scope: &Scope<'_>, steps: &mut u32) -> Result<bool, ExpressionError> {
        eval::run(&self.root, scope, steps)
    }
    /// Whether it holds for any item of a batch, or for their total: `params` is each item's in turn, and then all
    /// items in one, every whole number summed. For one item this is [`Self::eval`]. The bound of one evaluation
    /// covers all of them.
    ///
    /// Errors: the first one, unless it holds.
    pub fn any(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        let varies = [Root::Params, Root::Change].iter().any(|root| self.reads(*root));
        let mut steps = MAX_STEPS;
        if !varies {
            return eval::run(&self.root, scope, &mut steps);
        }
        let mut failed = None;
        for view in scope.views() {
            match eval::run(&self.root, &view, &mut steps) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => {
                    if failed.as_ref().is_none_or(ExpressionError::is_unclaimed) {
                        failed = Some(error);
                    }
                }
            }
        }
        failed.map_or(Ok(false), Err)
    }
}
