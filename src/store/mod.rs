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
        })
    }
    /// A name drawn when the directory was made: processes that share it never run side by side.
    pub fn machine(&self) -> &str {
        &self.machine
    }
    /// Claims of low-tier executions.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }
    /// Keys of sealed values.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }
    /// Nonces that agents used at the door.
    pub const fn nonces(&self) -> &Nonces {
        &self.nonces
    }
    /// Answers of target systems, with the salts of their commitments.
    pub const fn results(&self) -> &Results {
        &self.results
    }
}

fn machine(directory: &Path) -> Result<String, StoreError> {
    let drawn = format!("{:016x}", rand::random::<u64>());
    disk::put_new(directory, MACHINE, drawn.as_bytes())?;
    let path = directory.join(MACHINE);
    let kept = disk::get(&path)?.ok_or_else(|| disk::damaged(&path, "it is missing"))?;
    let text = std::str::from_utf8(&kept).map_err(|error| disk::damaged(&path, error))?;
    if text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text.to_owned())
    } else {
        Err(disk::damaged(&path, "it is not 16 hex digits"))
    }
}

impl Drop for Store {
    /// Closing the file is not enough: a child process that is being started may hold a copy of it for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            tracing::warn!(%error, "the store's lock goes when this process does");
        }
    }
}

/// Held as long as the file is open; the operating system lets go of it when the process dies.
fn lock(path: PathBuf) -> Result<File, StoreError> {
    let file = disk::open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(StoreError::Io {
            what: "lock",
            path,
            source,
        }),
    }
}
