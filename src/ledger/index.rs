//! The index: the book as it was written down beside the local repository, so that a start need not fold it all again.
//!
//! `cases.jsonl` has a line for every proposal that ended and only grows; `book.json` is the sealed image of the rest, put
//! in place in one step. Both are a cache. What a crash tore, what was changed, what another key, program or ledger made:
//! it is not believed, and made again from Git. Nothing of it is flushed to the disk for that reason.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::domain::{
    book::{Book, Place, Restored, SnapshotKey, Unfit, WrittenDown},
    entry::Role,
    ids::Digest,
};

use super::sign::Signer;

/// Entries that a start may have to fold beyond what is written down: a fraction of a second's work.
const EVERY: u64 = 4_096;

/// Why there is no book to begin from.
#[derive(Debug, thiserror::Error)]
pub enum NoIndex {
    /// It was never written, or removed.
    #[error("nothing is written down at `{0}`")]
    Missing(PathBuf),
    /// The disk.
    #[error("`{path}` can't be read or written: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not believed.
    #[error("`{path}` is not believed: {unfit}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        unfit: Unfit,
    },
}

/// The two files, and how far they were written.
#[derive(Debug)]
pub(super) struct Index {
    dir: PathBuf,
    /// None where no role is played: such a process folds.
    key: Option<SnapshotKey>,
    genesis: Digest,
    written: WrittenDown,
    /// Entries that the image holds.
    size: Option<u64>,
}

impl Index {
    /// The index of a ledger's local repository, sealed with a key of one of the roles that are played.
    pub(super) fn in_dir<'a>(
        dir: &Path,
        signers: impl IntoIterator<Item = (Role, &'a Signer)>,
        genesis: Digest,
    ) -> Self {
        let first = signers.into_iter().min_by_key(|(role, _)| *role);
        Self {
            dir: dir.to_owned(),
            key: first.and_then(|(_, signer)| signer.snapshot_key()),
            genesis,
            written: WrittenDown::default(),
            size: None,
        }
    }

    pub(super) fn image(&self) -> PathBuf {
        self.dir.join("book.json")
    }
    fn cases(&self) -> PathBuf {
        self.dir.join("cases.jsonl")
    }

    /// The book that was written down, and where it stands; from here on that is gone on with.
    pub(super) fn read(&mut self) -> Result<(Book, Place), NoIndex> {
        let image = self.image();
        let key = self.key.as_ref().ok_or_else(|| NoIndex::Missing(image.clone()))?;
        let sealed = match fs::read(&image) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoIndex::Missing(image)),
            Err(error) => return Err(NoIndex::Io { path: image, error }),
        };
        let unfit = |path: PathBuf| move |unfit| NoIndex::Unfit { path, unfit };
        let mut unsealed = Book::unseal(&sealed, key, self.genesis).map_err(unfit(image))?;
        drop(sealed);
        let cases = self.cases();
        let io = |error| NoIndex::Io {
            path: self.cases(),
            error,
        };
        if unsealed.bytes() > 0 {
            let file = fs::File::open(&cases).map_err(io)?;
            // What follows was being written when it ended, and is cut off by the next that is written.
            let mut lines = BufReader::new(file.take(unsealed.bytes()));
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).map_err(io)? > 0 {
                unsealed.line(&line).map_err(unfit(cases.clone()))?;
                line.clear();
            }
        }
        let Restored { book, at, written } = unsealed.book().map_err(unfit(cases))?;
        self.written = written;
        self.size = Some(book.size());
        Ok((book, at))
    }

    /// Removes both files.
    pub(super) fn remove(&mut self) -> Result<(), NoIndex> {
        (self.written, self.size) = (WrittenDown::default(), None);
        for path in [self.image(), self.cases()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(NoIndex::Io { path, error });
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Lines of proposals that ended, as written down.
    pub(super) const fn lines(&self) -> u64 {
        self.written.lines()
    }

    /// Whether a start would have to fold much.
    pub(super) fn is_behind(&self, book: &Book) -> bool {
        self.size
            .is_none_or(|size| book.size() >= size.saturating_add(EVERY))
    }

    /// Whether the book goes beyond what is written down.
    pub(super) fn lacks(&self, book: &Book) -> bool {
        self.size != Some(book.size())
    }

    /// Writes the book down; nothing without a key. What fails is tried again much later: a start folds instead.
    pub(super) fn write(&mut self, book: &Book, at: Place) -> Result<(), NoIndex> {
        let Some(key) = self.key.clone() else {
            return Ok(());
        };
        self.size = Some(book.size());
        let before = self.written.bytes();
        let lines = book.lines_of_ended(&mut self.written);
        let image = self.image();
        let sealed = book.sealed(at, &self.written, &key);
        let sealed = sealed.map_err(|unfit| NoIndex::Unfit {
            path: image.clone(),
            unfit,
        });
        let cases = self.cases();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| NoIndex::Io { path, error }
        };
        let done = sealed.and_then(|sealed| {
            append(&cases, before, &lines).map_err(io(&cases))?;
            replace(&image, &sealed).map_err(io(&image))
        });
        if done.is_err() {
            // How far the lines came is not known: the next image begins them anew.
            self.written = WrittenDown::default();
        }
        done
    }
}

/// Writes behind the first bytes of a file; what followed them goes.
fn append(path: &Path, after: u64, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path)?;
    file.set_len(after)?;
    file.seek(SeekFrom::Start(after))?;
    file.write_all(bytes)
}

/// Puts a file in place: the old or the new one is there, whatever happens meanwhile.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&new)?.write_all(bytes)?;
    fs::rename(&new, path)
}
