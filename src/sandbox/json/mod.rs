//! The state in GitHub's JSON.
mod account;
mod app;
mod check;
mod commit;
mod issue;
mod pull;
mod repo;
mod rules;
mod workflow;

pub(crate) use self::app::permissions_json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// An opaque node id, different for every kind and number.
pub(crate) fn node(kind: &str, id: impl std::fmt::Display) -> String {
    STANDARD.encode(format!("0:{kind}{id}"))
}

/// `a` with the fields of `b` laid over it.
pub(crate) fn merged(mut a: Value, b: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (a.as_object_mut(), b) {
        fields.extend(more);
    }
    a
}

/// The value at a path of field names (`commit/author/date`), or null.
pub(crate) fn field<'a>(value: &'a Value, path: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    path.split('/')
        .try_fold(value, |value, key| value.get(key))
        .unwrap_or(&NULL)
}
