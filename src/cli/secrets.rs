//! Secret files as this program makes them: new, and for this user only.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::Failure;

/// A directory that only this user can look into.
pub(super) fn directory(path: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::new(format!("can't make the directory `{}`: {error}", path.display())))
}

/// A new file that only this user can read; one that is there already is never overwritten.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(format!("`{}` is there already", path.display()))
            .next("move it away, or name another directory; secrets are never overwritten"),
        _ => Failure::new(format!("can't write `{}`: {error}", path.display())),
    })
}
