//! Reading a stretch of the ledger: one reader, signatures checked on every core, results in order, memory flat.

use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use git2::{ObjectType, Odb, Oid, Repository};

use crate::domain::{
    audit::{Authentic, Finding, Flaw, Recorded},
    authentic::{Link, RawCommit, authenticate},
    book::{Book, Place},
    ids::Sha,
    keys::Keys,
};

/// Up to as many commits are checked where they are; more go to every core.
const FEW: usize = 256;
/// Commits that are read and checked together.
const CHUNK: usize = 128;
/// Chunks that wait between two threads.
const AHEAD: usize = 1;
/// Commits that are read before the repository is opened again.
const READS: usize = 2_048;

/// One commit, read and checked, with its place in history.
pub(super) type Checked = (Result<Link, Flaw>, Result<Vec<Authentic>, Finding>);

/// Git's id as the domain spells it.
pub(super) fn sha(oid: Oid) -> Sha {
    let mut bytes = [0; 20];
    for (to, from) in bytes.iter_mut().zip(oid.as_bytes()) {
        *to = *from;
    }
    Sha::from_bytes(bytes)
}

/// The domain's id as Git spells it.
pub(super) fn oid(sha: Sha) -> Result<Oid, git2::Error> {
    Oid::from_bytes(sha.as_bytes())
}

/// Reads many commits of one repository in little memory. libgit2 unmaps a pack, and frees what it keeps to resolve the
/// pack's deltas, when the last handle of the process closes: so hold no other meanwhile.
pub(super) struct Reader {
    repo: Repository,
    left: usize,
}

impl Reader {
    pub(super) fn open(dir: &Path) -> Result<Self, git2::Error> {
        let repo = Repository::open(dir)?;
        Ok(Self { repo, left: READS })
    }

    pub(super) const fn repo(&self) -> &Repository {
        &self.repo
    }

    /// Reads one commit object as it is.
    pub(super) fn raw(&mut self, id: Oid) -> Result<RawCommit, git2::Error> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.reopen()?,
        }
        raw(&self.repo.odb()?, id)
    }

    fn reopen(&mut self) -> Result<(), git2::Error> {
        *self = Self::open(self.repo.path())?;
        Ok(())
    }
}

/// The first-parent chain from a commit down to `after` (not included), oldest first; `None` when it does not lead
/// there. Read by hand: libgit2's own walk stops at a commit whose author line it dislikes, and anybody can push one.
pub(super) fn chain(
    tip: Oid,
    after: Option<Oid>,
    mut raw: impl FnMut(Oid) -> Result<RawCommit, git2::Error>,
) -> Result<Option<Vec<Oid>>, git2::Error> {
    let mut ids = Vec::new();
    let mut next = Some(tip);
    while let Some(id) = next {
        if Some(id) == after {
            ids.reverse();
            return Ok(Some(ids));
        }
        ids.push(id);
        // A commit without readable parents begins the chain; whoever reads it says what is wrong with it.
        let parents = parents(&raw(id)?);
        next = parents.first().map(|parent| oid(*parent)).transpose()?;
    }
    ids.reverse();
    Ok(after.is_none().then_some(ids))
}

/// What a commit follows, as far as it can be read.
pub(super) fn parents(commit: &RawCommit) -> Vec<Sha> {
    Link::of(commit).map_or_else(|_| Vec::new(), |link| link.parents)
}

/// Reads one commit object as it is.
pub(super) fn raw(odb: &Odb<'_>, id: Oid) -> Result<RawCommit, git2::Error> {
    let object = odb.read(id)?;
    if object.kind() == ObjectType::Commit {
        Ok(RawCommit {
            id: sha(id),
            bytes: object.data().to_vec(),
        })
    } else {
        Err(git2::Error::from_str("not a commit"))
    }
}

/// Checks a chunk, and reads where each commit stands.
pub(super) fn check(chunk: &[RawCommit], keys: &Keys) -> Vec<Checked> {
    let links = chunk.iter().map(Link::of);
    links.zip(authenticate(chunk, keys)).collect()
}

/// The entries of a commit that follows `previous` and leaves the ledger's tree alone; anything else is a finding.
fn judge((link, entries): Checked, previous: &mut Sha, tree: Sha) -> Result<Vec<Authentic>, Finding> {
    let Ok(link) = link else { return entries };
    let follows = link.follows(*previous, tree);
    *previous = link.id;
    // A signature that does not hold says more than the place it stands in.
    let entries = entries?;
    follows.map_err(|flaw| Finding::at(link.id, flaw))?;
    Ok(entries)
}

/// Judges a commit and takes its entries into the book; `each` gets what was recorded, and what is no part of the record.
pub(super) fn take(
    checked: Checked,
    place: &mut Place,
    book: &mut Book,
    mut each: impl FnMut(&Book, Result<Recorded, Finding>),
) {
    match judge(checked, &mut place.commit, place.tree) {
        Err(finding) => each(book, Err(finding)),
        Ok(entries) => {
            for entry in entries {
                let applied = book.apply(entry);
                each(book, applied);
            }
        }
    }
}

/// Reads and checks commits, and gives them to `each` in order: few of them all at once, many as they come.
pub(super) fn each_checked(
    repo: &Repository,
    ids: &[Oid],
    keys: &Keys,
    each: impl FnMut(Checked),
) -> Result<(), git2::Error> {
    if ids.len() > FEW {
        return stream(repo.path(), ids, keys, each);
    }
    let odb = repo.odb()?;
    let commits = ids.iter().map(|id| raw(&odb, *id));
    let commits = commits.collect::<Result<Vec<_>, _>>()?;
    check(&commits, keys).into_iter().for_each(each);
    Ok(())
}

/// Reads and checks commits on every core; gives them to `each` in order.
pub(super) fn stream(
    repo: &Path,
    ids: &[Oid],
    keys: &Keys,
    mut each: impl FnMut(Checked),
) -> Result<(), git2::Error> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for _ in 0..workers {
            let (to_worker, input) = sync_channel::<Vec<RawCommit>>(AHEAD);
            let (output, from_worker) = sync_channel::<Vec<Checked>>(AHEAD);
            scope.spawn(move || work(&input, &output, keys));
            inputs.push(to_worker);
            outputs.push(from_worker);
        }
        let reader = scope.spawn(move || read(repo, ids, &inputs));
        'all: loop {
            for output in &outputs {
                let Ok(chunk) = output.recv() else { break 'all };
                chunk.into_iter().for_each(&mut each);
            }
        }
        drop(outputs);
        match reader.join() {
            Ok(read) => read,
            Err(_) => Err(git2::Error::from_str("the reader stopped")),
        }
    })
}

fn work(input: &Receiver<Vec<RawCommit>>, output: &SyncSender<Vec<Checked>>, keys: &Keys) {
    for chunk in input {
        if output.send(check(&chunk, keys)).is_err() {
            return;
        }
    }
}

fn read(repo: &Path, ids: &[Oid], to: &[SyncSender<Vec<RawCommit>>]) -> Result<(), git2::Error> {
    let mut reader = Reader::open(repo)?;
    for (chunk, worker) in ids.chunks(CHUNK).zip(to.iter().cycle()) {
        let mut commits = Vec::with_capacity(chunk.len());
        for id in chunk {
            commits.push(reader.raw(*id)?);
        }
        if worker.send(commits).is_err() {
            break;
        }
    }
    Ok(())
}
