//! The working directory of one run: its own, empty at first, gone afterwards.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The most files and directories in it.
const MAX_ENTRIES: u64 = 10_000;
/// How deep it is looked into; a path longer than the kernel takes can't be made from above.
const MAX_DEPTH: u32 = 256;

/// A directory that only this user may enter, removed when it goes.
#[derive(Debug)]
pub(super) struct Room(PathBuf);

impl Room {
    /// A new one in `parent`, which is made when it is missing.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let mut make = DirBuilder::new();
        make.mode(0o700);
        if !parent.is_dir() {
            make.recursive(true).create(parent)?;
        }
        let name = hex::encode(rand::random::<[u8; 16]>());
        // The kernel is told of it by its one true path.
        let path = parent.canonicalize()?.join(name);
        make.recursive(false).create(&path)?;
        Ok(Self(path))
    }
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
    /// Whether what lies in it takes more than so many bytes, or is more than can be looked through.
    pub(super) fn is_over(&self, bytes: u64) -> bool {
        let (mut left, mut entries) = (bytes, MAX_ENTRIES);
        weigh(&self.0, &mut left, &mut entries, MAX_DEPTH).is_none()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.0).is_ok() {
            return;
        }
        // A directory that its maker may not enter; nothing that could swap it for a link runs any more.
        open_up(&self.0, MAX_DEPTH);
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, directory = %self.0.display(), "can't remove a program's working directory; remove it by hand");
        }
    }
}

/// `None` when it is too much.
fn weigh(directory: &Path, left: &mut u64, entries: &mut u64, depth: u32) -> Option<()> {
    // What can't be listed has no more in it than its own entry, for all that can be told.
    let Ok(list) = fs::read_dir(directory) else {
        return Some(());
    };
    let depth = depth.checked_sub(1)?;
    for entry in list.flatten() {
        *entries = entries.checked_sub(1)?;
        let Ok(found) = entry.metadata() else { continue };
        *left = left.checked_sub(found.blocks().saturating_mul(512))?;
        if found.is_dir() {
            weigh(&entry.path(), left, entries, depth)?;
        }
    }
    Some(())
}

fn open_up(directory: &Path, depth: u32) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let opened = fs::set_permissions(directory, Permissions::from_mode(0o700));
    let (Ok(()), Ok(list)) = (opened, fs::read_dir(directory)) else {
        return;
    };
    for entry in list.flatten() {
        // Of the entry itself, never of what a link leads to.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path(), depth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_gone_afterwards_whatever_was_left_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let outside = parent.path().join("kept");
        fs::write(&outside, "kept").unwrap();
        let rooms = parent.path().join("rooms");
        let room = Room::new(&rooms).unwrap();
        let mode = fs::metadata(room.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let shut = room.path().join("a/b");
        fs::create_dir_all(&shut).unwrap();
        std::os::unix::fs::symlink(&outside, shut.join("link")).unwrap();
        std::os::unix::fs::symlink(parent.path(), room.path().join("up")).unwrap();
        fs::set_permissions(&shut, Permissions::from_mode(0o000)).unwrap();
        drop(room);
        assert_eq!(fs::read_dir(&rooms).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
    }

    #[test]
    fn a_room_that_is_too_full_is_seen() {
        let parent = tempfile::tempdir().unwrap();
        let room = Room::new(parent.path()).unwrap();
        fs::write(room.path().join("a"), vec![1; 8192]).unwrap();
        assert!(!room.is_over(1 << 20));
        assert!(room.is_over(4096));
    }
}
