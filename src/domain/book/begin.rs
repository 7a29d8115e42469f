//! The first entry of a ledger.

use super::super::{
    canonical::NotCanonical,
    entry::{Actor, Digests, Entry, Event, Genesis, Role, RoleKey, SEMANTICS},
    ids::{Digest, KeyId, Seq, Timestamp},
    keys::{KeyError, Keys},
};

/// Why a ledger could not be begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// A key can't be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

/// The first entry of a ledger, to be signed by the gate's key.
pub fn genesis_entry(genesis: Genesis, key: KeyId, time: Timestamp) -> Result<(Entry, Digest), BeginError> {
    Keys::of(&genesis.keys)?;
    let policy = Some(genesis.policy);
    let entry = Entry {
        seq: Seq(0),
        previous: None,
        time,
        semantics: SEMANTICS,
        actor: Actor {
            role: Role::Gate,
            key,
            person: None,
            agent: None,
        },
        proposal: None,
        digests: Digests {
            policy,
            ..Default::default()
        },
        event: Event::Genesis(genesis),
    };
    let digest = Digest::of(entry.line()?.as_bytes());
    Ok((entry, digest))
}

/// A role's key as the genesis entry names it, from the first position on.
pub fn first_key(role: Role, key: String) -> RoleKey {
    RoleKey {
        role,
        key,
        from: Seq(0),
        until: None,
    }
}
