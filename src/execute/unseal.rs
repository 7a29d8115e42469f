//! Sealed values, put into a body at the moment it is sent and wiped afterwards. INVARIANT i29.

use std::io::{self, Write};

use bytes::Bytes;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::domain::{
    ids::ItemId,
    proposal::Proposal,
    sealed::{DataKey, SealError, placeholder_of},
};

/// A JSON tree that may hold clear values; wiped when it goes.
pub(crate) struct Clear(Value);

impl Clear {
    /// Takes over a tree that holds clear values.
    pub(crate) const fn new(value: Value) -> Self {
        Self(value)
    }
    /// The tree.
    pub(super) const fn value(&self) -> &Value {
        &self.0
    }
    /// The body's bytes, wiped once they were sent.
    pub(super) fn to_bytes(&self) -> Result<Bytes, serde_json::Error> {
        let mut size = Count(0);
        serde_json::to_writer(&mut size, &self.0)?;
        // Of the exact size, so that growing leaves no copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
        serde_json::to_writer(&mut *bytes, &self.0)?;
        Ok(Bytes::from_owner(bytes))
    }
}

impl Drop for Clear {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// A body whose placeholders are replaced by the item's own sealed values. Errors: a placeholder that no sealed value
/// of this item stands behind, or a value that does not open.
pub(super) fn unseal(
    body: &Value,
    proposal: &Proposal,
    item: &ItemId,
    key: Option<&DataKey>,
) -> Result<Clear, SealError> {
    let mut clear = Clear(body.clone());
    fill(&mut clear.0, proposal, item, key)?;
    Ok(clear)
}

/// Whether a sealed value stands behind anything in a body.
pub(super) fn holds_sealed(body: &Value) -> bool {
    placeholder_of(body).is_some()
        || match body {
            Value::Array(items) => items.iter().any(holds_sealed),
            Value::Object(fields) => fields.values().any(holds_sealed),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

fn fill(
    value: &mut Value,
    proposal: &Proposal,
    item: &ItemId,
    key: Option<&DataKey>,
) -> Result<(), SealError> {
    if let Some(commitment) = placeholder_of(value) {
        let sealed = proposal
            .sealed
            .iter()
            .find(|sealed| sealed.item() == item && sealed.commitment() == commitment)
            .ok_or_else(|| SealError::Commitment(commitment.to_string()))?;
        let key = key.ok_or_else(|| SealError::Open(sealed.pointer().to_owned()))?;
        *value = sealed.open(proposal.id, key)?;
        return Ok(());
    }
    match value {
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|inner| fill(inner, proposal, item, key)),
        Value::Object(fields) => fields
            .values_mut()
            .try_for_each(|inner| fill(inner, proposal, item, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
