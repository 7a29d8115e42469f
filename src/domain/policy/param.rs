//! The path of one parameter, and what may stand in a path segment.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use unicode_normalization::is_nfc;

use crate::domain::source::is_visible;

/// A parameter, written `params.amount.minor`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(inline)]
pub struct ParamPath(#[schemars(with = "String", regex(pattern = r"^params\."))] Vec<String>);

impl ParamPath {
    /// A parameter from its path without `params.`, as in `amount.minor`.
    pub(super) fn inner(text: &str) -> Option<Self> {
        let parts: Vec<String> = text.split('.').map(Into::into).collect();
        let well = |part: &String| {
            let mut chars = part.chars();
            chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        (text.len() <= 200 && parts.iter().all(well)).then_some(Self(parts))
    }
    /// The names from the outermost inward.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
    /// The path without `params.`.
    pub fn dotted(&self) -> String {
        self.0.join(".")
    }
    /// The JSON pointer (RFC 6901) into the parameters.
    pub fn pointer(&self) -> String {
        self.0
            .iter()
            .fold(String::new(), |pointer, part| pointer + "/" + part)
    }
    /// The parameter of another name in the same object.
    pub(super) fn beside(&self, name: &str) -> Option<Self> {
        let (_, outer) = self.0.split_last()?;
        Some(Self(outer.iter().cloned().chain([name.to_owned()]).collect()))
    }
    /// The value among the parameters.
    pub fn find<'a>(&self, params: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(params, |value, part| value.get(part))
    }
    /// Whether this parameter is the other or lies in it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for ParamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "params.{}", self.dotted())
    }
}
impl FromStr for ParamPath {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix("params.").and_then(Self::inner).ok_or_else(|| {
            format!(
                "`{}` is not a parameter; write `params.` and its name",
                text.escape_debug()
            )
        })
    }
}
impl Serialize for ParamPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for ParamPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// A parameter's value that must not stand in a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{param}` {why}")]
pub struct ResourceError {
    param: ParamPath,
    why: &'static str,
}

impl ResourceError {
    /// The parameter at fault.
    pub fn param(&self) -> &ParamPath {
        &self.param
    }
    /// What is wrong with its value.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

/// The longest value of a path segment, in bytes.
const MAX_SEGMENT: usize = 128;

/// The text of a parameter for one path segment.
pub(super) fn segment<'a>(param: &ParamPath, params: &'a Value) -> Result<Cow<'a, str>, ResourceError> {
    let no = |why| ResourceError {
        param: param.clone(),
        why,
    };
    let text = scalar(param, params)?;
    if text.is_empty() {
        return Err(no("is empty; a path needs it"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.len() <= MAX_SEGMENT && text.bytes().all(plain) {
        return Ok(text);
    }
    if text.len() > MAX_SEGMENT {
        return Err(no("is longer than 128 bytes, too long for a path"));
    }
    if text == "." || text.contains("..") {
        return Err(no("has a `.` or `..` that would change the path"));
    }
    if text.contains(['/', '\\', '%']) {
        return Err(no("contains `/`, `\\` or `%`, which would change the path"));
    }
    if text.chars().any(|c| c == ' ' || !is_visible(c)) {
        return Err(no(
            "contains a space, a control or an invisible character, which a path can't hold",
        ));
    }
    if !is_nfc(&text) {
        return Err(no(
            "is not in Unicode normal form NFC, so that two spellings would look alike",
        ));
    }
    Ok(text)
}

/// The text of a parameter that is text or an integer.
pub(super) fn scalar<'a>(param: &ParamPath, params: &'a Value) -> Result<Cow<'a, str>, ResourceError> {
    let no = |why| ResourceError {
        param: param.clone(),
        why,
    };
    match param.find(params) {
        Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(number.to_string().into()),
        Some(_) => Err(no("is neither text nor a whole number")),
        None => Err(no("is missing")),
    }
}
