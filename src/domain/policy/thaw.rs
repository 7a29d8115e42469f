//! Letting executions go on after a freeze: an action like any other, always of the high tier. INVARIANT i22.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::param::ParamPath;
use crate::domain::{
    ids::Seq,
    source::{Fault, Node},
};

/// Ends the freeze that a parameter names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thaw {
    freeze: ParamPath,
}

/// A parameter that is no place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the number of a `frozen` entry")]
pub struct ThawError(ParamPath);

/// Ends a freeze.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawThaw {
    /// The parameter that names the freeze by its place in the ledger, as in `${params.freeze}`.
    freeze: String,
}

impl Thaw {
    /// The parameter that names the freeze.
    pub fn freeze(&self) -> &ParamPath {
        &self.freeze
    }
    /// The freeze that these parameters name.
    pub fn fill(&self, params: &Value) -> Result<Seq, ThawError> {
        let number = self.freeze.find(params).and_then(Value::as_u64);
        number.map(Seq).ok_or_else(|| ThawError(self.freeze.clone()))
    }

    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let raw: RawThaw = node.decode().map_err(|fault| vec![fault])?;
        let inner = raw
            .freeze
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'));
        let freeze = inner.and_then(|inner| inner.parse().ok()).ok_or_else(|| {
            let message = "write the parameter that names the freeze, as in `${params.freeze}`";
            vec![Fault::new(node.mark_at("/freeze"), message)]
        })?;
        Ok(Self { freeze })
    }
}
