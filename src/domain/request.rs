//! What an agent sends, and the bytes it signs.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    canonical::{NotCanonical, canonical},
    ids::{ActionName, Digest, IdempotencyKey, ItemId, Nonce, PersonName, ProposalId, Timestamp},
    proposal::{ExceptionAsked, Provenance},
};

/// A proposal as an agent sends it, in JSON or YAML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The action, as the catalog names it.
    pub operation: ActionName,
    /// The person accountable for the agent.
    pub sponsor: PersonName,
    /// The parameters of a proposal with one item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// The items of a proposal with several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<RequestItem>,
    /// Used once by this agent.
    pub nonce: Nonce,
    /// When the proposal can no longer be approved; the gate's own expiry holds when it is sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Not to run before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What makes a repeated request the same request; the nonce when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// The proposal this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ProposalId>,
    /// What only the agent says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claimed: Map<String, Value>,
    /// Why the agent asks.
    pub justification: String,
    /// Departures from failed checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ExceptionAsked>,
    /// How the agent would undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_plan: Option<String>,
    /// Where it came from.
    #[serde(default)]
    pub provenance: Provenance,
    /// Base64 of the agent's Ed25519 signature over [`Request::signed_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// One item as sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestItem {
    /// Its name within the proposal.
    pub id: ItemId,
    /// Its parameters.
    pub parameters: Value,
}

/// Why a request's own fields do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Neither or both of the two ways to name parameters.
    #[error("give either `parameters` (one item) or `items` (several); {0} there")]
    Items(&'static str),
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// The signature is not one.
    #[error("`signature` is not the base64 of a 64-byte Ed25519 signature")]
    Malformed,
    /// The signature does not hold.
    #[error(
        "`signature` does not hold for this agent's key over operation, sponsor, items, nonce and expires_at"
    )]
    Invalid,
}

impl Request {
    /// The items, whichever way they were sent; a single one is named `1`.
    pub fn items(&self) -> Result<Vec<RequestItem>, RequestError> {
        match (&self.parameters, self.items.is_empty()) {
            (Some(parameters), true) => Ok(vec![RequestItem {
                id: ItemId::only(),
                parameters: parameters.clone(),
            }]),
            (None, false) => Ok(self.items.clone()),
            (None, true) => Err(RequestError::Items("none is")),
            (Some(_), false) => Err(RequestError::Items("both are")),
        }
    }

    /// What the agent signs. INVARIANT i04.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, RequestError> {
        signed_bytes(
            &self.operation,
            &self.sponsor,
            &self.items()?,
            &self.nonce,
            self.expires_at,
        )
    }

    /// Signs as the agent.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), RequestError> {
        self.signature = Some(BASE64.encode(key.sign(&self.signed_bytes()?).to_bytes()));
        Ok(())
    }
}

/// `countersign proposal v1`, a newline, and the canonical form of what is signed.
pub fn signed_bytes(
    operation: &ActionName,
    sponsor: &PersonName,
    items: &[RequestItem],
    nonce: &Nonce,
    expires_at: Option<Timestamp>,
) -> Result<Vec<u8>, RequestError> {
    let mut bytes = b"countersign proposal v1\n".to_vec();
    bytes.extend(canonical(&json!({
        "operation": operation,
        "sponsor": sponsor,
        "items": items,
        "nonce": nonce,
        "expires_at": expires_at,
    }))?);
    Ok(bytes)
}

/// A signature that holds, whose it is and what it is over: over the same bytes it need not be checked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    over: Digest,
    signature: String,
    key: VerifyingKey,
}

impl Checked {
    /// Checks an agent's signature, strictly (RFC 8032, small-order keys refused).
    pub fn new(bytes: &[u8], signature: &str, key: VerifyingKey) -> Result<Self, RequestError> {
        let raw: [u8; 64] = BASE64
            .decode(signature)
            .ok()
            .and_then(|s| s.try_into().ok())
            .ok_or(RequestError::Malformed)?;
        key.verify_strict(bytes, &Signature::from_bytes(&raw))
            .map_err(|_| RequestError::Invalid)?;
        Ok(Self {
            over: Digest::of(bytes),
            signature: signature.to_owned(),
            key,
        })
    }

    /// Whether it is this signature over these bytes.
    pub(super) fn is(&self, bytes: &[u8], signature: &str, key: &VerifyingKey) -> bool {
        self.key == *key && self.signature == signature && self.over == Digest::of(bytes)
    }
}
