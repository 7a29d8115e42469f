//! What one machine keeps on its disk: claims, data keys, answers, and the nonces that agents used.
//!
//! Everything is a small file, written whole or not at all: to a temporary name, synced, renamed, the directory synced.
//! Files are readable by their owner only. One process at a time owns the directory.

mod disk;
mod keys;
mod nonces;
mod outbox;
mod results;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

pub use disk::StoreError;
pub use keys::Keys;
pub use nonces::{NonceError, Nonces};
pub use outbox::{Claim, ClaimError, Ended, Outbox, Row};
pub use results::{Kept, Results};

use disk::private_directory;

const MACHINE: &str = "machine";
const LOCK: &str = "lock";

/// The open store of one process.
#[derive(Debug)]
pub struct Store {
    outbox: Outbox,
    keys: Keys,
    nonces: Nonces,
    results: Results,
    machine: String,
    lock: File,
}

impl Store {
    /// Opens the store in a directory, made when missing. Errors: another process has it open, or a file can't be read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        private_directory(directory)?;
        let lock = lock(directory.join(LOCK))?;
        let inside = |name: &str| {
            let path = directory.join(name);
            private_directory(&path).map(|()| path)
        };
        Ok(Self {
            outbox: Outbox::open(inside("outbox")?)?,
            keys: Keys::open(inside("keys")?)?,
            nonces: Nonces::open(inside("nonces")?)?,
            results: Results::open(inside("results")?)?,
            machine: machine(directory)?,
            lock,
        })
    }
    /// Lets another process have the directory; nothing may be written here afterwards. A process that ends lets go too.
    pub fn release(&self) -> Result<(), StoreError> {
        self.lock.unlock().map_err(|source| StoreError::Io {
            what: "unlock",
            path: PathBuf::from(LOCK),
            source,
