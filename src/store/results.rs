//! What targets answered, and the salts of the commitments that the ledger holds. Erasable, as the ledger is not.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::disk::{StoreError, damaged, get, io_error, names, private_directory, put, shred, sync_directory};
use crate::domain::{
    canonical::Salt,
    ids::{ItemId, ProposalId},
};

/// Keeps answers until they are erased.
#[derive(Debug)]
pub struct Results {
    directory: PathBuf,
}

/// An answer and the salt of its commitment, which is `sha256(salt || body)`.
pub struct Kept {
    salt: Salt,
    body: Zeroizing<Vec<u8>>,
}

impl Kept {
    /// The salt.
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }
    /// The answer's bytes as they came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(..)")
    }
}

#[derive(Serialize, Deserialize, Zeroize)]
#[serde(deny_unknown_fields)]
struct Written {
    salt: String,
    body: String,
}

impl Results {
    pub(super) fn open(directory: PathBuf) -> Result<Self, StoreError> {
        Ok(Self { directory })
    }

    /// Keeps an item's answer.
    pub fn keep(
        &self,
        proposal: ProposalId,
        item: &ItemId,
        salt: &Salt,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let directory = self.directory.join(proposal.to_string());
        private_directory(&directory)?;
        sync_directory(&self.directory)?;
        let written = Zeroizing::new(Written {
            salt: hex::encode(salt.expose()),
            body: BASE64.encode(body),
        });
        let bytes =
            Zeroizing::new(serde_json::to_vec(&*written).map_err(|error| damaged(&directory, error))?);
        put(&directory, &file(item), &bytes)
    }

    /// An item's answer; `None` when there is none or it was erased.
    pub fn get(&self, proposal: ProposalId, item: &ItemId) -> Result<Option<Kept>, StoreError> {
        let path = self.directory.join(proposal.to_string()).join(file(item));
        let Some(bytes) = get(&path)? else {
            return Ok(None);
        };
        let written: Written = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
        let written = Zeroizing::new(written);
        let mut salt = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&written.salt, &mut *salt).map_err(|error| damaged(&path, error))?;
        let body = BASE64
            .decode(&written.body)
            .map_err(|error| damaged(&path, error))?;
        Ok(Some(Kept {
            salt: Salt::new(*salt),
            body: Zeroizing::new(body),
        }))
    }

    /// Destroys every answer to a proposal; `false` when there is none.
    pub fn erase(&self, proposal: ProposalId) -> Result<bool, StoreError> {
        let directory = self.directory.join(proposal.to_string());
        if !directory.exists() {
            return Ok(false);
        }
        for name in names(&directory)? {
            shred(&directory, &name)?;
        }
        fs::remove_dir(&directory).map_err(io_error("remove", &directory))?;
        sync_directory(&self.directory).map(|()| true)
    }
}

/// An item's id may hold dots and letters of either case, which not every file system keeps apart.
fn file(item: &ItemId) -> String {
    hex::encode(item.as_str())
}
