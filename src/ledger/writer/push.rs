//! The push loop: stage, sign, push; on a lost race fetch, fold, admit again and sign again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use git2::{ObjectType, Oid, Repository};

use super::{
    super::{
        fold::{Checked, chain, check, each_checked, oid, raw, sha, take},
        index::{Index, NoIndex},
        kept::{Head, Kept},
        pace::Pace,
        remote::{Move, Remote, RemoteError, said},
        sign::Signer,
        whole::{Whole, whole},
        witness::first_lost,
    },
    AppendError, Call, LedgerError, MAX_FINDINGS, Options, Shared,
};
use crate::domain::{
    audit::Recorded,
    authentic::{Committer, Lined, MAX_GROUP, RawCommit, payload, signed, write_message},
    book::{Before, Book, Place, Staged},
    entry::{Draft, Role},
    ids::{BranchName, Digest, Sha},
};

/// Races that are lost before the caller is told.
const MAX_RACES: u32 = 20;
/// Objects of so many bytes are pushed whole.
const NO_DELTAS_FROM: i64 = 4_096;
/// Entries of a group fill a commit up to about this many bytes: libgit2 and Git read some commits below those of a push again,
/// whole, to find out where what is new ends.
const GROUP_BYTES: usize = 256 * 1024;

/// The writer thread's own: the repository, the keys, and where the remote stands.
pub(super) struct Pusher {
    repo: Repository,
    remote: Remote,
    dir: PathBuf,
    branch: BranchName,
    kept: Kept,
    index: Index,
    signers: BTreeMap<Role, Arc<Signer>>,
    committer: Committer,
    pace: Arc<Pace>,
    shared: Arc<Shared>,
    tree: Sha,
    head: Oid,
}

/// Entries that share one commit.
struct Planned {
    role: Role,
    grouped: bool,
    bytes: usize,
    subject: String,
    entries: Vec<Lined>,
}

/// The digests of each call's entries, and the commits that hold them.
type Tried = (Vec<Vec<Digest>>, Vec<Planned>);

/// A call that can't be recorded.
struct NotStaged {
    /// Which of them.
    call: usize,
    because: AppendError,
}

/// Whether a push took effect.
enum Pushed {
    Acknowledged,
    LostRace,
}

impl Pusher {
    /// Fetches, proves and folds the ledger.
    pub(super) fn open(options: Options) -> Result<(Self, Duration), LedgerError> {
        let local = |why: String| LedgerError::Local {
            dir: options.dir.clone(),
            why,
        };
        let repo = Repository::init_bare(&options.dir).map_err(|error| local(said(error)))?;
        if let Err(error) = without_deltas(&repo) {
            tracing::info!(
                error = said(error),
                "the ledger's repository keeps its settings; pushes take longer"
            );
        }
        let remote = Remote::new(options.remote, options.token);
        let branch = options.branch.as_str();
        let heads = remote.fetch(&repo, &[branch])?;
        let kept = Kept::in_dir(&options.dir);
        let tip = *heads.get(branch).ok_or_else(|| kept.no_branch(&options.branch))?;
        let git = |error| local(said(error));
        let signers = options.signers.iter().map(|(role, signer)| (*role, &**signer));
        let mut index = Index::in_dir(&options.dir, signers, options.genesis);
        let Whole {
            book,
            place,
            indexed,
            findings,
        } = whole(
            &options.dir,
            tip,
            &options.branch,
            options.genesis,
            &mut index,
            |_, _| {},
        )?;
        for (role, signer) in &options.signers {
            if !book
                .keys()
                .roles()
                .any(|key| key.role == *role && key.key == signer.public())
            {
                return Err(LedgerError::Key { role: *role });
            }
        }
        // Before its head is kept: a ledger that lacks something must not become what is remembered.
        if let Some(lost) = first_lost(&options.dir, place, &book, &options.shown).map_err(git)? {
            return Err(lost);
        }
        if findings.is_empty() && index.lacks(&book) {
            written(index.write(&book, place));
        }
        let shared = Shared {
            book: RwLock::new(book),
            head: Mutex::new(place.commit),
            indexed,
            held: Mutex::default(),
            lost: Mutex::default(),
            findings: Mutex::new(findings),
        };
        let mut pusher = Self {
            head: tip,
            repo,
            remote,
            dir: options.dir.clone(),
            branch: options.branch.clone(),
            kept,
            index,
            signers: options.signers.into_iter().collect(),
            committer: options.committer,
            pace: options.pace,
            shared: Arc::new(shared),
            tree: place.tree,
        };
        pusher.arrive(tip)?;
        Ok((pusher, options.group_within))
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Fetches and folds what others wrote.
    pub(super) fn refresh(&mut self) -> Result<(), LedgerError> {
        let tip = self.fetch()?;
        self.follow(tip).map(|_| ())
    }

    /// Records the calls' drafts and answers each.
    pub(super) fn append(&mut self, calls: Vec<Call>) {
        let mut calls = calls;
        let mut races = 0;
        while !calls.is_empty() {
            let (staged, plan) = self.stage(calls);
            if staged.is_empty() {
                return;
            }
            let pushed = self.write(&plan).and_then(|commits| self.push(&commits));
            match pushed {
                Ok((Pushed::Acknowledged, recorded)) => return acknowledge(staged, recorded),
                Ok((Pushed::LostRace, _)) if races < MAX_RACES => {
                    races += 1;
                    let jitter: u64 = rand::random_range(0..20);
                    thread::sleep(Duration::from_millis(jitter * u64::from(races)));
                    calls = staged.into_iter().map(|(call, _)| call).collect();
                }
                Ok((Pushed::LostRace, _)) => return refuse(staged, &AppendError::Contended),
                Err(error) => return refuse(staged, &error),
            }
        }
    }

    /// Tries the calls out on the book, all of a call or none, and takes everything back: what readers see never runs
    /// ahead of the remote. A call that can't be recorded is answered here.
    fn stage(&self, mut calls: Vec<Call>) -> (Vec<(Call, Vec<Digest>)>, Vec<Planned>) {
        let mut book = self.shared.book.write().unwrap_or_else(PoisonError::into_inner);
        // What goes together comes first: it waited longest.
        calls.sort_by_key(|call| !call.is_grouped());
        loop {
            let mut before = Vec::new();
            let tried = self.try_all(&mut book, &calls, &mut before);
            before.into_iter().rev().for_each(|before| book.unstage(before));
            match tried {
                Ok((digests, plan)) => return (calls.into_iter().zip(digests).collect(), plan),
                Err(not) => {
                    let call = calls.remove(not.call);
                    // A caller that stopped waiting needs no answer.
                    let _ = call.answer.send(Err(not.because));
                }
            }
        }
    }

    /// Tries the calls out, in an order in which groups are few: first what all the grouped calls have a gate write, then
    /// what they have an executor write, for each commit is of one key. Errors: the first call that can't be recorded.
    fn try_all(
        &self,
        book: &mut Book,
        calls: &[Call],
        before: &mut Vec<Before>,
    ) -> Result<Tried, Box<NotStaged>> {
        let mut plan = Vec::new();
        let mut digests: Vec<Vec<Digest>> = calls.iter().map(|_| Vec::new()).collect();
        let together = calls.iter().take_while(|call| call.is_grouped()).count();
        let longest = calls.iter().take(together).map(Call::turns).max().unwrap_or(0);
        let turns = (0..longest).flat_map(|turn| (0..together).map(move |at| (at, Some(turn))));
        let alone = (together..calls.len()).map(|at| (at, None));
        for (at, turn) in turns.chain(alone) {
            let Some((call, digests)) = calls.get(at).zip(digests.get_mut(at)) else {
                continue;
            };
            for draft in call.of_turn(turn) {
                let entry = self
                    .stage_draft(book, draft, before)
                    .map_err(|because| NotStaged { call: at, because })?;
                digests.push(entry.lined.digest);
                place(&mut plan, draft.grouped, entry);
            }
        }
        Ok((digests, plan))
    }

    fn stage_draft(
        &self,
        book: &mut Book,
        draft: &Draft,
        before: &mut Vec<Before>,
    ) -> Result<Staged, AppendError> {
        let signer = self.signers.get(&draft.role);
        let signer = signer.ok_or(AppendError::NoKey(draft.role))?;
        let (entry, back) = book.stage(draft.clone(), signer.id().clone())?;
        before.push(back);
        Ok(entry)
    }

    /// Signs and writes the commits.
    fn write(&self, plan: &[Planned]) -> Result<Vec<RawCommit>, AppendError> {
        let odb = self.repo.odb().map_err(|error| self.local(error))?;
        let mut parent = sha(self.head);
        let mut commits = Vec::with_capacity(plan.len());
        for planned in plan {
            let Some(last) = planned.entries.last() else {
                continue;
            };
            let signer = self
                .signers
                .get(&planned.role)
                .ok_or(AppendError::NoKey(planned.role))?;
            let message = write_message(&planned.entries, &planned.subject);
            let unsigned = payload(
                self.tree,
                Some(parent),
                &self.committer,
                last.entry.time,
                &message,
            );
            let armor = signer.sign(unsigned.as_bytes())?;
            let bytes = signed(&unsigned, &armor).unwrap_or_default();
            let id = odb
                .write(ObjectType::Commit, &bytes)
                .map_err(|error| self.local(error))?;
            parent = sha(id);
            commits.push(RawCommit { id: parent, bytes });
        }
        Ok(commits)
    }

    /// Pushes commits and takes them into the book once the remote acknowledged them.
    fn push(&mut self, commits: &[RawCommit]) -> Result<(Pushed, Vec<Recorded>), AppendError> {
        let Some(last) = commits.last() else {
            return Ok((Pushed::Acknowledged, Vec::new()));
        };
        let to = oid(last.id).map_err(|error| self.local(error))?;
        let checked = self.read(|book| check(commits, book.keys()));
        if let Some(finding) = checked.iter().find_map(|(_, entries)| entries.as_ref().err()) {
            return Err(AppendError::Broken(finding.clone()));
        }
        let step = Move {
            branch: self.branch.as_str(),
            from: Some(self.head),
            to: Some(to),
        };
        self.pace.pushed(Instant::now());
        let Err(error) = self.remote.push(&self.repo, step) else {
            let recorded = self.take(checked, to)?;
            return Ok((Pushed::Acknowledged, recorded));
        };
        // A push can be refused, lose a race, or lose its answer: what the remote holds decides.
        let tip = self.fetch().map_err(|again| match again {
            LedgerError::Remote(_) => AppendError::Unsure(error.clone()),
            other => AppendError::Ledger(other),
        })?;
        if tip == self.head {
            return match error {
                RemoteError::Moved { .. } => Ok((Pushed::LostRace, Vec::new())),
                RemoteError::Refused { ref why, .. } if why.contains("lock") => {
                    Ok((Pushed::LostRace, Vec::new()))
                }
                other => Err(AppendError::Remote(other)),
            };
        }
        let (ids, recorded) = self.follow(tip)?;
        let landed = ids.contains(&to);
        if landed {
            Ok((Pushed::Acknowledged, recorded))
        } else {
            Ok((Pushed::LostRace, Vec::new()))
        }
    }

    fn fetch(&self) -> Result<Oid, LedgerError> {
        let branch = self.branch.as_str();
        let heads = self.remote.fetch(&self.repo, &[branch])?;
        let tip = heads.get(branch).copied();
        tip.ok_or_else(|| self.kept.no_branch(&self.branch))
    }

    /// Folds what the remote holds beyond our head: its commits, and what they recorded.
    fn follow(&mut self, tip: Oid) -> Result<(Vec<Oid>, Vec<Recorded>), LedgerError> {
        let odb = self.repo.odb().map_err(|error| self.local(error))?;
        let ids = chain(tip, Some(self.head), |id| raw(&odb, id)).map_err(|error| self.local(error))?;
        drop(odb);
        let ids = ids.ok_or_else(|| self.kept.rewritten(sha(self.head), sha(tip)))?;
        let mut recorded = Vec::new();
        if ids.is_empty() {
            return Ok((ids, recorded));
        }
        let keys = self.read(|book| book.keys().clone());
        let mut folding = Folding::new(&self.shared, self.tree, sha(self.head));
        each_checked(&self.repo, &ids, &keys, |one| recorded.extend(folding.take(one)))
            .map_err(|error| self.local(error))?;
        self.arrive(tip)?;
        Ok((ids, recorded))
    }

    fn take(&mut self, checked: Vec<Checked>, tip: Oid) -> Result<Vec<Recorded>, LedgerError> {
        let mut folding = Folding::new(&self.shared, self.tree, sha(self.head));
        let recorded = checked.into_iter().flat_map(|one| folding.take(one)).collect();
        self.arrive(tip)?;
        Ok(recorded)
    }

    /// Keeps the new head where a restart finds it. INVARIANT i18.
    fn arrive(&mut self, tip: Oid) -> Result<(), LedgerError> {
        self.head = tip;
        *self.shared.head.lock().unwrap_or_else(PoisonError::into_inner) = sha(tip);
        let head = self.read(|book| Head {
            commit: sha(tip),
            size: book.size(),
            digest: book.head(),
        });
        self.kept.write(head).map_err(|error| LedgerError::Local {
            dir: self.dir.clone(),
            why: error.to_string(),
        })?;
        let sound = self
            .shared
            .findings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        let book = self.shared.book.read().unwrap_or_else(PoisonError::into_inner);
        if sound && self.index.is_behind(&book) {
            let place = Place {
                commit: sha(tip),
                tree: self.tree,
            };
            written(self.index.write(&book, place));
        }
        Ok(())
    }

    fn read<R>(&self, look: impl FnOnce(&Book) -> R) -> R {
        look(&self.shared.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn local(&self, error: git2::Error) -> LedgerError {
        LedgerError::Local {
            dir: self.dir.clone(),
            why: said(error),
        }
    }
}

/// What is pushed is digests, signatures and texts of their own: looking for deltas between such commits takes longer than
/// compressing them, and saves little. libgit2 1.9 reads the size from which on it looks for none under the cache's name.
fn without_deltas(repo: &Repository) -> Result<(), git2::Error> {
    let mut config = repo.config()?;
    for name in ["core.bigFileThreshold", "pack.deltaCacheSize"] {
        if config.get_i64(name).ok() != Some(NO_DELTAS_FROM) {
            config.set_i64(name, NO_DELTAS_FROM)?;
        }
    }
    Ok(())
}

/// Takes commits into the book one after the other; what is not part of the record becomes a finding.
struct Folding<'a> {
    shared: &'a Shared,
    place: Place,
}

impl<'a> Folding<'a> {
    fn new(shared: &'a Shared, tree: Sha, commit: Sha) -> Self {
        let place = Place { commit, tree };
        Self { shared, place }
    }

    fn take(&mut self, checked: Checked) -> Vec<Recorded> {
        let (mut recorded, mut found) = (Vec::new(), Vec::new());
        let mut book = self.shared.book.write().unwrap_or_else(PoisonError::into_inner);
        take(checked, &mut self.place, &mut book, |_, one| match one {
            Ok(entry) => recorded.push(entry),
            Err(finding) => found.push(finding),
        });
        drop(book);
        if !found.is_empty() {
            let mut findings = self
                .shared
                .findings
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let room = MAX_FINDINGS.saturating_sub(findings.len());
            findings.extend(found.into_iter().take(room));
        }
        recorded
    }
}

/// Puts an entry into the last commit when both may share one, or into a new one.
fn place(plan: &mut Vec<Planned>, grouped: bool, entry: Staged) {
    let role = entry.lined.entry.actor.role;
    let bytes = entry.lined.line.len();
    match plan.last_mut() {
        Some(last)
            if last.grouped
                && grouped
                && last.role == role
                && last.entries.len() < MAX_GROUP
                && last.bytes + bytes <= GROUP_BYTES =>
        {
            last.bytes += bytes;
            last.entries.push(entry.lined);
        }
        _ => plan.push(Planned {
            role,
            grouped,
            bytes,
            subject: entry.subject,
            entries: vec![entry.lined],
        }),
    }
}

/// Says when the index could not be written: the next start folds instead.
fn written(done: Result<(), NoIndex>) {
    if let Err(error) = done {
        tracing::warn!(%error, "the book could not be written down; a start takes longer");
    }
}

fn acknowledge(staged: Vec<(Call, Vec<Digest>)>, recorded: Vec<Recorded>) {
    let wanted: BTreeSet<Digest> = staged.iter().flat_map(|(_, digests)| digests).copied().collect();
    let mut by_digest: BTreeMap<Digest, Recorded> = recorded
        .into_iter()
        .filter(|entry| wanted.contains(&entry.digest()))
        .map(|entry| (entry.digest(), entry))
        .collect();
    for (call, digests) in staged {
        let mine: Option<Vec<Recorded>> = digests.iter().map(|digest| by_digest.remove(digest)).collect();
        // A caller that stopped waiting needs no answer.
        let _ = call.answer.send(mine.ok_or(AppendError::Contended));
    }
}

fn refuse(staged: Vec<(Call, Vec<Digest>)>, error: &AppendError) {
    for (call, _) in staged {
        let _ = call.answer.send(Err(error.clone()));
    }
}
