//! Credentials and secrets for targets: where the executor's client gets them, and what of the keys is published. INVARIANT
//! i19.

use std::sync::Arc;

use rand::RngExt as _;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Bot, Clock};
use crate::{
    domain::credential::KeyRing,
    execute::{Client, ClientError, Minter},
    settings::Settings,
    store::{CredentialKeys, StoreError},
};

/// The keys of a process that executes; those of its own data directory are made when missing, and others have to be there.
pub(super) fn keys_of(settings: &Settings, clock: &Clock) -> Result<Option<Arc<CredentialKeys>>, StoreError> {
    if settings.executor_key().is_none() {
        return Ok(None);
    }
    let named = settings.credentials().key_file();
    let keys = CredentialKeys::of(settings.data_dir(), named);
    if named.is_none() {
        if keys.ring_if_any()?.is_none() {
            let seed = Zeroizing::new(rand::rng().random());
            let _made: KeyRing = keys.change::<StoreError>(|known| {
                Ok(known.map_or_else(|| KeyRing::begin(seed, clock()), |known| (*known).clone()))
            })?;
        }
        if settings.database().is_some() {
            tracing::warn!(
                "this process signs credentials with keys of its own; replicas share a file with `credential_key_file`, so that \
                 targets find all keys at any of them"
            );
        }
    }
    keys.ring()?;
    Ok(Some(Arc::new(keys)))
}

/// A client that can show targets what the catalog names.
pub(super) fn client_of(
    settings: &Arc<Settings>,
    keys: Option<&Arc<CredentialKeys>>,
) -> Result<Client, ClientError> {
    let holder = Arc::clone(settings);
    let client = Client::new()?.with_secrets(Arc::new(move |name, to| holder.vault().open(name, to)));
    let Some(keys) = keys.map(Arc::clone) else {
        return Ok(client);
    };
    let keys = Arc::new(move || keys.ring().map_err(|error| error.to_string()));
    let issuer = settings.credentials().issuer().to_owned();
    Ok(client.with_minter(Minter::new(issuer, keys)))
}

impl Bot {
    /// What targets verify credentials with (RFC 7517); none in a process that does not execute.
    pub fn published_keys(&self) -> Result<Option<Value>, StoreError> {
        let Some(keys) = &self.inner.parts.credential_keys else {
            return Ok(None);
        };
        Ok(Some(keys.ring()?.published(self.now())))
    }
}
