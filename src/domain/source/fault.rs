//! What is wrong at one node of a file, in words of the file rather than of the program.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::{Mark, nearest};
use crate::domain::canonical::escape_pointer;

/// What is wrong at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    mark: Option<Mark>,
    message: String,
    help: Option<String>,
    /// JSON pointer (RFC 6901) from the node that was read to the one at fault.
    pointer: String,
    cause: Cause,
}

/// What kind of fault it is. A byte, since faults are handed up through everything that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The field that the pointer ends in is missing.
    Missing,
    /// A value is of another kind than was expected.
    Misfit,
    /// Anything else.
    Other,
}

impl Fault {
    /// A fault at a mark.
    pub fn new(mark: Option<Mark>, message: impl Into<String>) -> Self {
        Self {
            mark,
            message: message.into(),
            help: None,
            pointer: String::new(),
            cause: Cause::Other,
        }
    }
    /// Whether a value is of another kind than was expected.
    pub fn is_misfit(&self) -> bool {
        self.cause == Cause::Misfit
    }
    /// The field that is missing, when that is all.
    pub fn missing(&self) -> Option<&str> {
        let (_, field) = self.pointer.rsplit_once('/')?;
        (self.cause == Cause::Missing).then_some(field)
    }
    /// The same fault, seen from the list or mapping that holds it under this name.
    #[must_use]
    pub(super) fn within(mut self, name: &str) -> Self {
        self.pointer = format!("/{}{}", escape_pointer(name), self.pointer);
        self
    }
    /// JSON pointer from the node that was read to the one at fault.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
    /// The same fault with its next step.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
    /// The same fault with this mark, unless it has one.
    #[must_use]
    pub fn or_at(mut self, mark: Option<Mark>) -> Self {
        self.mark = self.mark.or(mark);
        self
    }
    /// Mark, message and next step.
    pub fn into_parts(self) -> (Option<Mark>, String, Option<String>) {
        (self.mark, self.message, self.help)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(None, message.to_string())
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = wanted(expected);
        let whole = match found {
            Unexpected::Float(_) if wanted == "a whole number" || wanted == "an integer" => {
                Some("write it without a fraction, money in minor units: 5000 is 50.00".into())
            }
            _ => None,
        };
        Self {
            cause: Cause::Misfit,
            ..Self::new(None, format!("expected {wanted}, found {}", shown(found))).with_help(whole)
        }
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(
            None,
            format!("expected {}, found {length} values", wanted(expected)),
        )
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(None, format!("unknown field `{}`", field.escape_debug())).with_help(Some(did_you_mean(
            field,
            "the fields here are",
            expected,
        )))
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(None, format!("unknown value `{}`", variant.escape_debug())).with_help(Some(did_you_mean(
            variant,
            "the values here are",
            expected,
        )))
    }
    fn missing_field(field: &'static str) -> Self {
        Self {
            cause: Cause::Missing,
            ..Self::new(None, format!("the field `{field}` is missing")).within(field)
        }
    }
    fn duplicate_field(field: &'static str) -> Self {
        Self::new(None, format!("the field `{field}` appears twice; keep one"))
    }
}

fn did_you_mean(name: &str, all: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "nothing is expected here".into(),
        None => format!("{all} `{}`", names.join("`, `")),
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        // `50000.0` and not `50000`, which would be one.
        Unexpected::Float(value) => format!("`{value:?}`"),
        Unexpected::Str(value) => {
            let short: String = value.chars().take(80).flat_map(char::escape_debug).collect();
            format!("the text `{short}`")
        }
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        other => other.to_string(),
    }
}

/// What was expected, in words of the file rather than of the program.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".into(),
        "a string" | "string" => "text".into(),
        "a boolean" => "`true` or `false`".into(),
        "a sequence" => "a list".into(),
        "a map" => "a mapping".into(),
        other if other.starts_with("struct ") => "a mapping".into(),
        other if other.starts_with("enum ") || other == "string or map" => "one of the known values".into(),
        _ => text,
    }
}
