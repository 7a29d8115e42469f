//! How far an executor apart has proved by which rules it acts: a file of its own, never in a database that it shares with a
//! gate. INVARIANT i02.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    disk::put,
    error::{StoreError, damaged, io_error},
};
use crate::domain::ids::Digest;

const FILE: &str = "proven-rules.json";

/// The file.
#[derive(Debug)]
pub struct ProvenRules {
    path: PathBuf,
}

/// Rules that came into force the way they have to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The ledger's genesis digest.
    pub genesis: Digest,
    /// How many changes of the rules were proved, from the first on.
    pub changes: usize,
    /// The policy that the last of them brought.
    pub policy: Digest,
}

impl ProvenRules {
    /// The file of a data directory.
    pub fn in_dir(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
        }
    }

    /// What was proved before; nothing where there is no file.
    pub fn read(&self) -> Result<Option<Proven>, StoreError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| damaged(self.path.display(), error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &self.path)(error)),
        }
    }

    /// Keeps what was proved, in one step that survives a crash.
    pub fn keep(&self, proven: Proven) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&proven).map_err(|error| damaged(self.path.display(), error))?;
        put(&self.path, &bytes)
    }
}
