//! What the record keeps of a credential: which it was, and never the credential.

use serde::{Deserialize, Serialize};

use crate::domain::ids::Timestamp;

/// A token that was made for one call. INVARIANT i19.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The call's idempotency key.
    pub call: String,
    /// The token's own name, which no other token has.
    pub jti: String,
    /// The key that signed it, by its thumbprint (RFC 7638).
    pub kid: String,
    /// The one target that it was for.
    pub audience: String,
    /// Not valid at or after this.
    pub expires_at: Timestamp,
}
