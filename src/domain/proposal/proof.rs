//! How it is known who asked for a proposal, and what people changed of it since.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Binding, Observed};
use crate::domain::ids::{AccountId, CommentId, ItemId, KeyId, Nonce, PersonName, ProposalId, Timestamp};

/// How often people may change what one request asked for; a report stays readable, and an entry within its bounds.
pub const MAX_CORRECTIONS: usize = 20;

/// How it is known that the agent asked for this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AgentProof {
    /// The agent signed the request; anybody with its public key can check. INVARIANT i04.
    Ed25519 {
        /// The agent's key.
        key: KeyId,
        /// Base64 of the 64-byte signature.
        signature: String,
    },
    /// Only the gate saw the proof.
    GateAttested {
        /// What the gate saw.
        by: Attestation,
    },
    /// The agent asked for something else, and people changed it; that they did, only the gate saw.
    Corrected(Box<Corrected>),
    /// The agent asked for nothing: a person has something that ran taken back, and the catalog says how.
    RolledBack(Box<RolledBack>),
}

/// A proof that leaves nothing to check later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// HMAC-SHA256 with a shared secret.
    Hmac,
    /// A pull request opened by the agent's own account.
    Account,
}

/// What an agent asked for, and what people changed of it. Taken back from the proposal, the changes give what the agent's
/// own proof covers. INVARIANT i04.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrected {
    /// How it is known that the agent asked for what was there before; never [`AgentProof::Corrected`].
    pub asked: AgentProof,
    /// The nonce that this proof covers.
    pub nonce: Nonce,
    /// Who changed what, oldest first.
    pub corrections: Vec<Correction>,
}

/// What ran and is taken back, complete enough that anybody who has the catalog can tell what takes it back. INVARIANT
/// i04.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolledBack {
    /// The proposal.
    pub of: ProposalId,
    /// Who asked for it.
    pub by: PersonName,
    /// The account that they wrote by.
    pub account: AccountId,
    /// The comment.
    pub comment: CommentId,
    /// When it had ended, as the ledger says.
    pub ran_at: Timestamp,
    /// What was authorised; its digest is the action digest that the ledger has of it.
    pub binding: Binding,
    /// What the bot had read, with the digests that the binding carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<Observed>,
}

/// What one person changed of a proposal, with one comment on its pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// The proposal that was changed.
    pub from: ProposalId,
    /// Who changed it.
    pub by: PersonName,
    /// The account that they wrote by.
    pub account: AccountId,
    /// The comment.
    pub comment: CommentId,
    /// What they changed; no two at one place.
    pub changes: Vec<Change>,
}

/// One value that a person changed, among the parameters as they were sent: before defaults are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The item.
    pub item: ItemId,
    /// JSON pointer (RFC 6901) into the item's parameters.
    pub at: String,
    /// What stood there; nothing when the agent had sent none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some")]
    pub before: Option<Value>,
    /// What stands there now.
    pub now: Value,
}

/// A value that may be `null` itself.
mod some {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(from).map(Some)
    }
}

impl AgentProof {
    /// What people changed of what the agent asked for, oldest first.
    pub fn corrections(&self) -> &[Correction] {
        match self {
            Self::Corrected(corrected) => &corrected.corrections,
            Self::Ed25519 { .. } | Self::GateAttested { .. } | Self::RolledBack(_) => &[],
        }
    }
    /// What it takes back, where a person asked for that.
    pub fn rolled_back(&self) -> Option<&RolledBack> {
        match self {
            Self::RolledBack(rolled) => Some(rolled),
            Self::Ed25519 { .. } | Self::GateAttested { .. } | Self::Corrected(_) => None,
        }
    }
    /// Whose word it is, beside the agent's or instead of it, and the accounts that they wrote by.
    pub fn co_writers(&self) -> impl Iterator<Item = (&PersonName, AccountId)> {
        let changed = self.corrections().iter();
        let asked = self.rolled_back().into_iter();
        changed
            .map(|one| (&one.by, one.account))
            .chain(asked.map(|one| (&one.by, one.account)))
    }
}

impl Change {
    /// The place as people read it: `amount.minor`.
    pub fn name(&self) -> String {
        dotted(&self.at)
    }
    /// Makes the change among an item's parameters as sent. Nothing when they are not as they stood before it.
    pub(in crate::domain) fn apply(&self, parameters: &mut Value) -> Option<()> {
        (put(parameters, &self.at, Some(self.now.clone()))? == self.before).then_some(())
    }
    /// Takes the change back. Nothing when they are not as it left them.
    pub(in crate::domain) fn undo(&self, parameters: &mut Value) -> Option<()> {
        (put(parameters, &self.at, self.before.clone())?.as_ref() == Some(&self.now)).then_some(())
    }
}

/// A JSON pointer (RFC 6901) as people read it: `amount.minor`.
pub fn dotted(pointer: &str) -> String {
    let path = pointer.strip_prefix('/').unwrap_or(pointer);
    path.replace('/', ".").replace("~1", "/").replace("~0", "~")
}

/// Puts a value at a JSON pointer, or takes it out, and gives what stood there. Nothing where there is no such place: its
/// object is not there, or it is no element of its list.
pub(in crate::domain) fn put(value: &mut Value, pointer: &str, new: Option<Value>) -> Option<Option<Value>> {
    let (outer, _) = pointer.rsplit_once('/')?;
    match (value.pointer_mut(outer)?, new) {
        (Value::Object(fields), new) => Some(field(fields, pointer, new)),
        (Value::Array(_), Some(new)) => Some(Some(std::mem::replace(value.pointer_mut(pointer)?, new))),
        (Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => None,
    }
}

fn field(fields: &mut Map<String, Value>, pointer: &str, new: Option<Value>) -> Option<Value> {
    let name = pointer.rsplit_once('/').map_or("", |(_, name)| name);
    let name = name.replace("~1", "/").replace("~0", "~");
    match new {
        Some(new) => fields.insert(name, new),
        None => fields.remove(&name),
    }
}
