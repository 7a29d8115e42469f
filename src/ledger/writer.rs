//! The ledger as the bot holds it: one thread owns repository and keys, everybody reads the same book.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    pace::{Pace, Turn},
    remote::{RemoteError, Token},
    sign::{SignError, Signer},
};
use crate::domain::{
    audit::{Finding, Recorded},
    authentic::Committer,
    book::{Book, StageError},
    entry::{Draft, Event, Role},
    extent::Extent,
    ids::{BranchName, Digest, Sha},
};

mod push;

use push::Pusher;

/// Calls that wait for the writer before callers wait themselves.
const MAX_WAITING: usize = 4_096;
/// Entries that do not wait for the end of their group's time: pushing them takes about half a second, and what begins an
/// execution meanwhile waits for that.
const MANY: usize = 6_000;
/// How long an answer may take beyond the wait for a group; libgit2 itself waits for a silent remote without end.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Findings that are kept; the rest is counted by `audit verify`.
pub(super) const MAX_FINDINGS: usize = 1_000;

/// How to open a ledger.
#[derive(Clone)]
pub struct Options {
    /// Where the local repository and the newest head are kept.
    pub dir: PathBuf,
    /// The remote: `https://..`, or a path of this machine.
    pub remote: String,
    /// How to get in, when the remote asks.
    pub token: Option<Token>,
    /// The ledger's branch.
    pub branch: BranchName,
    /// The digest that everything hangs on. INVARIANT i01.
    pub genesis: Digest,
    /// The roles this process plays, and their keys.
    pub signers: Vec<(Role, Arc<Signer>)>,
    /// How long an entry may wait for its group; 10 seconds is the bound of INVARIANT i16.
    pub group_within: Duration,
    /// How often the remote is pushed to.
    pub pace: Arc<Pace>,
    /// The name and address that commits carry.
    pub committer: Committer,
    /// What is known from elsewhere to have been recorded; for a directory that keeps no head. INVARIANT i18.
    pub shown: Vec<Extent>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("branch", &self.branch)
            .field("genesis", &self.genesis)
            .field("signers", &self.signers)
            .finish_non_exhaustive()
    }
}

/// Why a ledger can't be opened or read again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The remote.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The local repository.
    #[error("the ledger's repository at `{dir}` can't be used: {why}")]
    Local {
        /// Where it is.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// No such branch.
    #[error("the remote has no branch `{0}`; begin a ledger with `countersign init`")]
    NoBranch(BranchName),
    /// The branch was there, and is not any more. INVARIANT i18.
    #[error(
        "the remote has no branch `{branch}` any more; its newest head ({kept}) is kept in `{dir}`: push it back from there, \
         or look into it and remove `{file}`; nothing runs until then"
    )]
    Gone {
        /// The branch.
        branch: BranchName,
        /// Its newest head.
        kept: Sha,
        /// The repository that still holds it.
        dir: PathBuf,
        /// The file that keeps the head.
        file: PathBuf,
    },
    /// It lacks what it held when GitHub was shown it. INVARIANT i18.
    #[error(
        "GitHub shows that the ledger held {size} entries, the newest being {head}, and it does not hold them: it was \
         restored from a backup, rolled back or rewritten; nothing runs until the branch is put back to a commit that holds \
         them, from any clone that has one"
    )]
    Contradicted {
        /// Entries that it held.
        size: u64,
        /// The digest of the newest of them.
        head: Digest,
    },
    /// The ledger does not begin as it must.
    #[error("the ledger can't be trusted: {0}")]
    Genesis(Finding),
    /// The remote does not descend from what was seen before. INVARIANT i18.
    #[error(
        "the remote ledger ({remote}) does not descend from the head kept here ({kept}): it was rolled back or \
         rewritten; nothing runs until a person restored it, or looked into it and removed `{file}`"
    )]
    Rewritten {
        /// The head that was kept.
        kept: Sha,
        /// The remote's head.
        remote: Sha,
        /// The file that keeps it.
        file: PathBuf,
    },
    /// A role's key is not the ledger's.
    #[error("the key given for {role} is not a key of this ledger for that role")]
    Key {
        /// The role.
        role: Role,
    },
    /// The commits are behind the book.
    #[error("the ledger moves while it is read; look again in a while")]
    Behind,
    /// The writer stopped.
    #[error("the ledger is closed")]
    Closed,
}

/// Why something was not recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// It can't be recorded as the ledger stands; nothing of the call was.
    #[error(transparent)]
    Refused(#[from] StageError),
    /// This process has no key for the role.
    #[error("this process has no key for {0}")]
    NoKey(Role),
    /// The remote did not take it; nothing was recorded.
    #[error(transparent)]
    Remote(RemoteError),
    /// The remote can't be asked whether it took it; the book here is unchanged.
    #[error("{0}; it is not known whether it was recorded: look again once the remote answers")]
    Unsure(RemoteError),
    /// The remote did not answer in time.
    #[error(
        "the remote did not answer within {0:?}; it is not known whether it was recorded: look again once it answers"
    )]
    Slow(Duration),
    /// Others were faster again and again.
    #[error("others wrote to the ledger each time; try again")]
    Contended,
    /// The ledger can't be worked on.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The commit could not be made.
    #[error("could not sign: {0}")]
    Sign(String),
    /// What was written does not read back.
    #[error("what was written does not read back: {0}")]
    Broken(Finding),
}

impl From<SignError> for AppendError {
    fn from(error: SignError) -> Self {
        Self::Sign(error.to_string())
    }
}

/// Everything readers share with the writer.
#[derive(Debug)]
struct Shared {
    book: RwLock<Book>,
    head: Mutex<Sha>,
    indexed: u64,
    /// What was confirmed last to be on it.
    held: Mutex<Vec<Extent>>,
    /// What was found not to be on it.
    lost: Mutex<Option<Extent>>,
    findings: Mutex<Vec<Finding>>,
}

/// The ledger: many readers, one writer. Cheap to clone; the writer ends when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    to_writer: Sender<Command>,
    room: Arc<Semaphore>,
    patience: Duration,
    dir: PathBuf,
}

/// One `append` that waits.
#[derive(Debug)]
struct Call {
    drafts: Vec<Draft>,
    answer: oneshot::Sender<Result<Vec<Recorded>, AppendError>>,
    _room: OwnedSemaphorePermit,
}

impl Call {
    fn is_grouped(&self) -> bool {
        self.drafts.iter().all(|draft| draft.grouped)
    }

    /// How often the role changes among its drafts, and once more.
    fn turns(&self) -> usize {
        self.runs().count()
    }

    /// The drafts of one of its turns; all of them without one.
    fn of_turn(&self, turn: Option<usize>) -> &[Draft] {
        match turn {
            None => &self.drafts,
            Some(turn) => self.runs().nth(turn).unwrap_or_default(),
        }
    }

    fn runs(&self) -> impl Iterator<Item = &[Draft]> {
        self.drafts.chunk_by(|one, next| one.role == next.role)
    }
}

#[derive(Debug)]
enum Command {
    Append(Call),
    Refresh(oneshot::Sender<Result<(), LedgerError>>),
    Close(oneshot::Sender<()>),
}

impl Ledger {
    /// Fetches the whole ledger, proves it and folds it. What is not part of the record is kept in
    /// [`Ledger::findings`] and changes nothing.
    pub async fn open(options: Options) -> Result<Self, LedgerError> {
        let (answer, opened) = oneshot::channel();
        let (to_writer, commands) = channel();
        let patience = options.group_within + ANSWER_WITHIN;
        let pace = Arc::clone(&options.pace);
        let dir = options.dir.clone();
        let spawned =
            thread::Builder::new()
                .name("ledger".to_owned())
                .spawn(move || match Pusher::open(options) {
                    Ok((pusher, group_within)) => {
                        if answer.send(Ok(pusher.shared())).is_ok() {
                            run(pusher, group_within, &pace, &commands);
                        }
                    }
                    Err(error) => {
                        // Nobody waits any more when this fails, so nobody is left to tell.
                        let _ = answer.send(Err(error));
                    }
                });
        if spawned.is_err() {
            return Err(LedgerError::Closed);
        }
        Ok(Self {
            shared: opened.await.map_err(|_| LedgerError::Closed)??,
            to_writer,
            room: Arc::new(Semaphore::new(MAX_WAITING)),
            patience,
            dir,
        })
    }

    /// Records drafts in their order, all or none; returns once the remote acknowledged them. When another writer was
    /// first, every draft is admitted again on what it wrote. INVARIANT i17.
    pub async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Recorded>, AppendError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(lost) = self.lost() {
            return Err(LedgerError::from(lost).into());
        }
        let closed = || AppendError::Ledger(LedgerError::Closed);
        let room = self.room.clone().acquire_owned().await.map_err(|_| closed())?;
        let (answer, recorded) = oneshot::channel();
        let call = Call {
            drafts,
            answer,
            _room: room,
        };
        self.to_writer.send(Command::Append(call)).map_err(|_| closed())?;
        match tokio::time::timeout(self.patience, recorded).await {
            Ok(recorded) => recorded.map_err(|_| closed())?,
            Err(_) => Err(AppendError::Slow(self.patience)),
        }
    }

    /// Reads the book as the remote last acknowledged it. Keep it short: the writer waits.
    pub fn read<R>(&self, look: impl FnOnce(&Book) -> R) -> R {
        look(&self.shared.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches and folds what others wrote.
    pub async fn refresh(&self) -> Result<(), LedgerError> {
        let (answer, refreshed) = oneshot::channel();
        self.to_writer
            .send(Command::Refresh(answer))
            .map_err(|_| LedgerError::Closed)?;
        refreshed.await.map_err(|_| LedgerError::Closed)?
    }

    /// What was confirmed to be on it.
    pub(super) fn confirmed(&self) -> &Mutex<Vec<Extent>> {
        &self.shared.held
    }

    /// What was found not to be on it.
    pub(super) fn missing(&self) -> &Mutex<Option<Extent>> {
        &self.shared.lost
    }

    /// Where the local repository stands.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The newest commit that was folded.
    pub fn head_commit(&self) -> Sha {
        *self.shared.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries that were read from the index when it was opened, and not folded.
    pub fn indexed(&self) -> u64 {
        self.shared.indexed
    }

    /// What stands on the branch and is not part of the record, the first thousand.
    pub fn findings(&self) -> Vec<Finding> {
        let findings = self.shared.findings.lock();
        findings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pushes what waits for its group and stops the writer; later calls are refused.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.to_writer.send(Command::Close(answer)).is_ok() {
            // Either the writer says that it stopped, or it is gone already.
            let _ = closed.await;
        }
    }
}

/// Drains the channel: whatever waits when a push begins goes with it.
fn run(mut pusher: Pusher, group_within: Duration, pace: &Pace, commands: &Receiver<Command>) {
    let mut waiting: Vec<Call> = Vec::new();
    let mut due: Option<Instant> = None;
    loop {
        let next = match due {
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => {
                let now = Instant::now();
                let due = due.max(pace.next(turn(&waiting), now));
                commands.recv_timeout(due.saturating_duration_since(now))
            }
        };
        let mut refreshes = Vec::new();
        let mut close = None;
        match next {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                pusher.append(waiting);
                return;
            }
            Ok(first) => {
                for command in std::iter::once(first).chain(commands.try_iter()) {
                    match command {
                        Command::Append(call) => {
                            let wait = if call.is_grouped() {
                                group_within
                            } else {
                                Duration::ZERO
                            };
                            let wanted = Instant::now() + wait;
                            due = Some(due.map_or(wanted, |due| due.min(wanted)));
                            waiting.push(call);
                        }
                        Command::Refresh(answer) => refreshes.push(answer),
                        Command::Close(answer) => {
                            close = Some(answer);
                            break;
                        }
                    }
                }
            }
        }
        let now = Instant::now();
        let drafts: usize = waiting.iter().map(|call| call.drafts.len()).sum();
        // A room that is full would keep out what must not wait.
        if drafts >= MANY || waiting.len() >= MAX_WAITING / 2 {
            due = Some(now);
        }
        let ready = due.is_some_and(|due| due <= now) && pace.next(turn(&waiting), now) <= now;
        // Whoever closes does not wait: another process may wait for this one to end.
        if ready || close.is_some() {
            pusher.append(std::mem::take(&mut waiting));
            due = None;
        }
        if !refreshes.is_empty() {
            let refreshed = pusher.refresh();
            for answer in refreshes {
                // A caller that stopped waiting needs no answer.
                let _ = answer.send(refreshed.clone());
            }
        }
        if let Some(answer) = close {
            let _ = answer.send(());
            return;
        }
    }
}

/// Whether an execution begins with what waits.
fn turn(waiting: &[Call]) -> Turn {
    let mut drafts = waiting.iter().flat_map(|call| &call.drafts);
    if drafts.any(|draft| matches!(draft.event, Event::Started(_)) && !draft.grouped) {
        Turn::Started
    } else {
        Turn::Ordinary
    }
}
