//! Credentials: made for one call, right before it is sent. INVARIANT i19.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use zeroize::Zeroizing;

use crate::domain::{
    credential::{Claims, KeyRing, LIFE, Vouching},
    entry::Credential,
    ids::{Digest, ItemId, Timestamp},
    warrant::{Claimed, HttpCall},
};

/// Gives the keys as they are now.
pub type Keys = Arc<dyn Fn() -> Result<Arc<KeyRing>, String> + Send + Sync>;

/// Makes credentials.
#[derive(Clone)]
pub struct Minter {
    issuer: String,
    keys: Keys,
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Why there is no credential; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// This process has no keys.
    #[error("this process makes no credentials; run it where the executor has its keys")]
    NoExecutor,
    /// The keys can't be had.
    #[error("the keys of credentials can't be read: {0}")]
    Keys(String),
    /// Every key is for another time.
    #[error("no key signs at {0}; compare the clock with `countersign credentials show`")]
    NoneSigns(Timestamp),
    /// It would be dead at once.
    #[error("a credential would have no time left before {0}")]
    TooLate(Timestamp),
    /// The signature could not be made.
    #[error("the credential could not be signed: {0}")]
    Sign(String),
}

/// What a credential is made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion<'a> {
    pub(super) claimed: &'a Claimed,
    pub(super) item: &'a ItemId,
    pub(super) call: &'a HttpCall,
    /// As it will be sent.
    pub(super) body: Option<&'a Bytes>,
    /// Counted from 1 through the execution; every request has its own, a repeated one too.
    pub(super) number: u32,
    pub(super) now: Timestamp,
}

impl Minter {
    /// Makes credentials in an issuer's name.
    pub const fn new(issuer: String, keys: Keys) -> Self {
        Self { issuer, keys }
    }

    /// Whether a credential could be made now.
    pub(super) fn ready(&self, now: Timestamp) -> Result<(), MintError> {
        let keys = (self.keys)().map_err(MintError::Keys)?;
        keys.signing(now).map(drop).ok_or(MintError::NoneSigns(now))
    }

    /// A token for one request, and what the record keeps of it.
    pub(super) fn mint(
        &self,
        audience: &str,
        at: &Occasion<'_>,
    ) -> Result<(Zeroizing<String>, Credential), MintError> {
        let (claimed, call) = (at.claimed, at.call);
        let keys = (self.keys)().map_err(MintError::Keys)?;
        let key = keys.signing(at.now).ok_or(MintError::NoneSigns(at.now))?;
        let made = at.now.seconds();
        let expires = at.now.plus(LIFE).min(claimed.deadline()).seconds();
        if expires <= made {
            return Err(MintError::TooLate(claimed.deadline()));
        }
        let proposal = claimed.proposal();
        let jti = claimed.tokens().number(at.number);
        let claims = Claims {
            iss: &self.issuer,
            aud: audience,
            sub: proposal.id,
            jti: &jti,
            iat: made,
            nbf: made,
            exp: expires,
            htm: &call.method,
            htu: call.url.as_str(),
            body_digest: at.body.map(|body| Digest::of(body)),
            call: &call.idempotency_key,
            action_digest: proposal.action_digest(),
            plan_digest: claimed.plan(),
            policy_digest: claimed.approved().policy,
            operation: &proposal.binding.operation,
            tier: claimed.approved().tier,
            item: at.item,
            approvers: claimed
                .approved()
                .by
                .iter()
                .map(|person| Vouching { person })
                .collect(),
        };
        let header = Header {
            kid: Some(key.id().to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let signs = EncodingKey::from_ed_der(&key.pkcs8());
        let token = jsonwebtoken::encode(&header, &claims, &signs);
        let token = token.map_err(|error| MintError::Sign(error.to_string()))?;
        let record = Credential {
            call: call.idempotency_key.clone(),
            jti,
            kid: key.id().to_owned(),
            audience: audience.to_owned(),
            expires_at: Timestamp::from_millis(expires.saturating_mul(1_000)),
        };
        Ok((Zeroizing::new(token), record))
    }
}
