//! The keys that sign credentials: a file that only its owner can read, read again whenever it changed, so that a rotation
//! reaches a running bot. It is not in the database, which a process may share that must not have them.

use std::{
    fs::{File, Metadata},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

use super::{
    disk::{open_private, put},
    error::{StoreError, damaged, io_error},
};
use crate::domain::credential::KeyRing;

const FILE: &str = "credential-keys.json";
const MAX_BYTES: u64 = 64 * 1024;

/// A file of keys.
#[derive(Debug)]
pub struct CredentialKeys {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<KeyRing>)>>,
}

/// What changes when a file does: device, inode, size, and when it was changed, in nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(of: &Metadata) -> Stamp {
    (of.dev(), of.ino(), of.size(), of.ctime(), of.ctime_nsec())
}

impl CredentialKeys {
    /// The keys of a data directory, or those in a file that is named. Nothing is read yet.
    pub fn of(directory: &Path, named: Option<&Path>) -> Self {
        Self {
            path: named.map_or_else(|| directory.join(FILE), Path::to_owned),
            read: Mutex::default(),
        }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys as they are now. Errors: there is no file, others can read it, or it does not hold keys.
    pub fn ring(&self) -> Result<Arc<KeyRing>, StoreError> {
        let file = File::open(&self.path).map_err(io_error("read", &self.path))?;
        // Asked of the open file, so that it is the one that is read.
        let found = file.metadata().map_err(io_error("read", &self.path))?;
        if found.mode() & 0o077 != 0 {
            return Err(StoreError::Open(self.path.clone()));
        }
        let stamp = stamp(&found);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, ring)) = read.as_ref()
            && *then == stamp
        {
            return Ok(Arc::clone(ring));
        }
        let mut text = Zeroizing::new(String::new());
        let got = file.take(MAX_BYTES).read_to_string(&mut text);
        got.map_err(io_error("read", &self.path))?;
        let ring = KeyRing::read(&text).map_err(|error| damaged(self.path.display(), error))?;
        let ring = Arc::new(ring);
        *read = Some((stamp, Arc::clone(&ring)));
        Ok(ring)
    }

    /// The keys as they are now; `None` where there is no file yet.
    pub fn ring_if_any(&self) -> Result<Option<Arc<KeyRing>>, StoreError> {
        match self.ring() {
            Ok(ring) => Ok(Some(ring)),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the keys by what `change` makes of them, one caller at a time, whatever process it is in.
    pub fn change<E: From<StoreError>>(
        &self,
        change: impl FnOnce(Option<Arc<KeyRing>>) -> Result<KeyRing, E>,
    ) -> Result<KeyRing, E> {
        // The file itself is replaced, so a lock on it would keep nobody out.
        let beside = self.path.with_extension("lock");
        let lock = open_private(&beside)?;
        lock.lock().map_err(io_error("lock", &beside))?;
        let ring = change(self.ring_if_any()?)?;
        let text = ring
            .write()
            .map_err(|error| damaged(self.path.display(), error))?;
        put(&self.path, text.as_bytes())?;
        Ok(ring)
    }
}
