//! The data directory: for its owner only, and one process's at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::error::{StoreError, damaged, io_error};

const MACHINE: &str = "machine";
const LOCK: &str = "lock";
/// The ending of a file that is still being written.
const UNFINISHED: &str = "unfinished";

/// Makes a directory that only its owner may enter; takes other people's rights from one that is there.
pub(super) fn private_directory(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io_error("make", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(io_error("protect", path))
}

/// Opens a file for reading and appending, made when missing, for its owner only.
pub(super) fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path).map_err(io_error("open", path))
}

/// Takes other people's rights from a file.
pub(super) fn set_private(path: &Path) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io_error("protect", path))
}

/// Held as long as the file is open; the operating system lets go of it when the process dies.
pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

/// Lets another process have the directory.
pub(super) fn unlock(lock: &File) -> Result<(), StoreError> {
    lock.unlock().map_err(io_error("unlock", Path::new(LOCK)))
}

/// The name that was drawn when the directory was made: 16 hex digits.
pub(super) fn machine(directory: &Path) -> Result<String, StoreError> {
    let path = directory.join(MACHINE);
    if !path.exists() {
        put(&path, format!("{:016x}", rand::random::<u64>()).as_bytes())?;
    }
    let mut text = String::new();
    File::open(&path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(io_error("read", &path))?;
    if text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err(damaged(path.display(), "it is not 16 hex digits"))
    }
}

/// Puts a file in place, for its owner only: there whole or as it was before, whatever happens meanwhile.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = unfinished(path);
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let write = || {
        let mut file = options.open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error: io::Error| io_error("write", path)(error))
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED)
}
