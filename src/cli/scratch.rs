//! A directory that is only needed while a command runs.

use std::path::{Path, PathBuf};

/// Its path; nothing is made yet, and whatever is there at the end goes.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A name that nobody else has, for a purpose.
    pub(super) fn new(what: &str) -> Self {
        let name = format!("countersign-{what}-{:032x}", rand::random::<u128>());
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is a copy of what the remote has.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
