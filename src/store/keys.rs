//! The keys of sealed values: one file a proposal, so that one can be destroyed without the others. INVARIANT i29.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::disk::{StoreError, damaged, get, names, put_new, shred};
use crate::domain::{ids::ProposalId, sealed::DataKey};

/// Keeps data keys until they are erased.
#[derive(Debug)]
pub struct Keys {
    directory: PathBuf,
}

impl Keys {
    pub(super) fn open(directory: PathBuf) -> Result<Self, StoreError> {
        names(&directory)?;
        Ok(Self { directory })
    }

    /// Keeps a proposal's key; `false` when it has one already, which stays.
    pub fn keep(&self, id: ProposalId, key: &DataKey) -> Result<bool, StoreError> {
        put_new(&self.directory, &id.to_string(), key.expose())
    }

    /// A proposal's key; `None` when there was none or it was erased.
    pub fn get(&self, id: ProposalId) -> Result<Option<DataKey>, StoreError> {
        let path = self.directory.join(id.to_string());
        let Some(bytes) = get(&path)? else {
            return Ok(None);
        };
        let bytes: Result<[u8; 32], _> = bytes.as_slice().try_into();
        let bytes = Zeroizing::new(bytes.map_err(|_| damaged(&path, "a data key has 32 bytes"))?);
        Ok(Some(DataKey::new(*bytes)))
    }

    /// Destroys a proposal's key: its sealed values can never be read again, from Git or anywhere. `false` when there is
    /// none. Copies that a file system or a backup keeps are the operator's to destroy.
    pub fn erase(&self, id: ProposalId) -> Result<bool, StoreError> {
        shred(&self.directory, &id.to_string())
    }
}
