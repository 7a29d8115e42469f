//! Files that are there whole or not at all, for their owner only.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// The ending of a file that is still being written.
const UNFINISHED: &str = "unfinished";

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory.
    #[error("`{0}` is held by another process; stop it, or give this one a data directory of its own")]
    Locked(PathBuf),
    /// The operating system said no.
    #[error("can't {what} `{path}`: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that this program did not write so.
    #[error("`{path}` is damaged: {why}; put it back from a backup, or move it away")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

pub(super) fn damaged(path: &Path, why: impl ToString) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

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

/// Makes what was done to a directory's names outlast a power cut.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(io_error("sync", path))
}

/// Puts a file in place, over an older one.
pub(super) fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (path, unfinished) = (directory.join(name), write_unfinished(directory, name, bytes)?);
    fs::rename(&unfinished, &path).map_err(io_error("rename", &path))?;
    sync_directory(directory)
}

/// Puts a file in place where none is; `false` when one is there already. The name appears at once with its whole
/// content, so that two claims can't both win and a crash leaves none half made.
pub(super) fn put_new(directory: &Path, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
    let (path, unfinished) = (directory.join(name), write_unfinished(directory, name, bytes)?);
    let linked = fs::hard_link(&unfinished, &path);
    fs::remove_file(&unfinished).map_err(io_error("remove", &unfinished))?;
    match linked {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(io_error("make", &path)(error)),
    }
}

fn write_unfinished(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    let path = directory.join(format!("{name}.{:016x}.{UNFINISHED}", rand::random::<u64>()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let write = || {
        let mut file = options.open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error("write", &path))?;
    Ok(path)
}

/// A file's bytes; `None` when it is not there.
pub(super) fn get(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
    Ok(Some(bytes))
}

/// Removes a file; `false` when it is not there.
pub(super) fn remove(directory: &Path, name: &str) -> Result<bool, StoreError> {
    let path = directory.join(name);
    match fs::remove_file(&path) {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("remove", &path)(error)),
    }
}

/// Writes zeros over a file and removes it; `false` when it is not there.
pub(super) fn shred(directory: &Path, name: &str) -> Result<bool, StoreError> {
    let path = directory.join(name);
    let mut file = match OpenOptions::new().write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("open", &path)(error)),
    };
    let size = file.metadata().map_err(io_error("look at", &path))?.len();
    io::copy(&mut io::repeat(0).take(size), &mut file).map_err(io_error("overwrite", &path))?;
    file.sync_all().map_err(io_error("sync", &path))?;
    remove(directory, name)
}

/// The names in a directory, sorted; what a crash left unfinished is removed first.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_error("list", directory))? {
        let path = entry.map_err(io_error("list", directory))?.path();
        if path.extension() == Some(OsStr::new(UNFINISHED)) {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        } else if let Some(name) = path.file_name().and_then(OsStr::to_str) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
