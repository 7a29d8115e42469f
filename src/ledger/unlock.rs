//! What a process that was killed in the middle of a write left locked. libgit2 locks a reference by a file beside it, and the
//! file outlives whoever made it.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// Removes the locks of a bare repository; only for one that nobody but the caller works on. One that is not there has none.
///
/// # Errors
/// When it can't be read, or a lock can't be removed.
pub fn unlock(repository: &Path) -> io::Result<()> {
    unlock_folder(repository)?;
    let mut folders = vec![repository.join("refs")];
    while let Some(folder) = folders.pop() {
        folders.extend(unlock_folder(&folder)?);
    }
    Ok(())
}

/// Removes the locks in a folder; gives the folders in it.
fn unlock_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?.collect::<io::Result<Vec<_>>>()?,
    };
    let mut inside = Vec::new();
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            inside.push(path);
        } else if path.extension() == Some(OsStr::new("lock")) {
            tracing::warn!(lock = %path.display(), "removed a lock of a process that is gone");
            fs::remove_file(path)?;
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i16_locks_of_a_killed_process_are_removed_and_nothing_else() {
        let there = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = there.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        };
        let kept = ["HEAD", "refs/remotes/origin/ledger", "objects/pack/pack-1.lock"].map(write);
        let gone = ["packed-refs.lock", "refs/remotes/origin/ledger.lock"].map(write);
        unlock(there.path()).unwrap();
        assert!(kept.iter().all(|path| path.exists()));
        assert!(gone.iter().all(|path| !path.exists()));
        unlock(&there.path().join("nowhere")).unwrap();
    }
}
