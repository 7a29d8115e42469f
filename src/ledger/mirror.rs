//! A bare copy of the repository that holds policies and proposals, and the writes to its remote.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use git2::{ErrorCode, ObjectType, Oid, Repository, Signature, Time, Tree, TreeWalkMode, TreeWalkResult};

use super::{
    fold::{oid, sha},
    remote::{Move, Remote, RemoteError, Token, said},
};
use crate::domain::{
    authentic::Committer,
    ids::{AccountId, BranchName, Digest, PullNumber, Sha, Timestamp},
    policy::policy_digest,
    proposal::Proposal,
    source::{MAX_BYTES, SourceError, SourceFile, read_yaml},
    warrant::Merge,
};

/// Where policies stand in the repository.
pub(super) const POLICIES: &str = "policies";

/// The most files below it that are read; anybody who may push can bring more.
const MOST_FILES: usize = 2_000;
/// The most bytes of all of them together.
const MOST_BYTES: usize = 16 << 20;

/// Why the mirror could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The remote.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The local repository.
    #[error("the mirror at `{dir}` can't be used: {why}")]
    Local {
        /// Where it is.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// No such branch.
    #[error("`{0}` is not a branch of the remote")]
    NoBranch(BranchName),
    /// No such commit.
    #[error("commit {0} is not in the repository")]
    NoCommit(Sha),
    /// A file under `policies/` that can't be read.
    #[error("`policies/{path}` {why}")]
    PolicyFile {
        /// The path below `policies/`.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A path that can't be written.
    #[error("`{0}` can't be a file of a proposal: {1}")]
    Path(String, String),
    /// The branch holds something else.
    #[error("`{branch}` is there already and holds another commit ({head})")]
    Taken {
        /// The branch.
        branch: BranchName,
        /// What it holds.
        head: Sha,
    },
    /// The task was stopped.
    #[error("the mirror stopped before it answered")]
    Stopped,
}

/// Why a merge can't be read from Git.
#[derive(Debug, thiserror::Error)]
pub enum MergeReadError {
    /// The repository or its remote.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A file of the proposal is missing.
    #[error("commit {sha} holds no `{path}`")]
    Missing {
        /// The merge commit.
        sha: Sha,
        /// The file.
        path: String,
    },
    /// `proposal.yaml` is not text.
    #[error("`{0}` is not UTF-8")]
    NotUtf8(String),
    /// `proposal.yaml` is not a proposal.
    #[error(transparent)]
    Proposal(#[from] SourceError),
}

/// The one commit of a proposal, to be made.
#[derive(Debug, Clone)]
pub struct ProposalCommit {
    /// The proposal's branch.
    pub branch: BranchName,
    /// The branch it goes on top of.
    pub base_branch: BranchName,
    /// Paths from the repository's root, and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// The commit's message.
    pub message: String,
    /// Who makes it.
    pub author: Committer,
    /// When.
    pub at: Timestamp,
}

/// A proposal's commit as the remote holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushedProposal {
    /// The commit.
    pub head: Sha,
    /// Its one parent.
    pub base: Sha,
    /// Its tree.
    pub tree: Sha,
}

/// A bare repository with one remote. Cheap to clone; its work is done on a thread for blocking tasks.
#[derive(Clone)]
pub struct Mirror {
    dir: PathBuf,
    remote: Remote,
    repo: Arc<Mutex<Repository>>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror")
            .field("dir", &self.dir)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// A repository that is locked for one task.
pub(super) struct Inside<'a> {
    pub(super) repo: &'a Repository,
    pub(super) remote: &'a Remote,
    pub(super) dir: &'a Path,
}

impl Mirror {
    /// Opens or makes the bare repository in `dir`. Asks the remote nothing yet.
    pub fn open(dir: &Path, remote: String, token: Option<Token>) -> Result<Self, MirrorError> {
        let repo = Repository::init_bare(dir).map_err(|error| MirrorError::Local {
            dir: dir.to_owned(),
            why: said(error),
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            remote: Remote::new(remote, token),
            repo: Arc::new(Mutex::new(repo)),
        })
    }

    pub(super) async fn inside<R: Send + 'static, E: From<MirrorError> + Send + 'static>(
        &self,
        work: impl FnOnce(Inside<'_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E> {
        let mirror = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let repo = mirror.repo.lock().unwrap_or_else(PoisonError::into_inner);
            work(Inside {
                repo: &repo,
                remote: &mirror.remote,
                dir: &mirror.dir,
            })
        });
        task.await.map_err(|_| E::from(MirrorError::Stopped))?
    }

    /// The commit a branch of the remote stands at now; `None` when there is no such branch.
    pub async fn head_of(&self, branch: &BranchName) -> Result<Option<Sha>, MirrorError> {
        let branch = branch.clone();
        self.inside(move |inside| Ok(inside.head_of(&branch)?.map(sha)))
            .await
    }

    /// Whether a branch, after a fetch, holds a commit; one that is nowhere is not held. INVARIANT i18.
    pub async fn holds(&self, branch: &BranchName, commit: Sha) -> Result<bool, MirrorError> {
        let branch = branch.clone();
        self.inside(move |inside| {
            let (head, commit) = (inside.existing(&branch)?, inside.id(commit)?);
            if head == commit {
                return Ok(true);
            }
            if inside.repo.find_commit(commit).is_err() {
                return Ok(false);
            }
            let held = inside.repo.graph_descendant_of(head, commit);
            held.map_err(|error| inside.failed(error))
        })
        .await
    }

    /// Fetches a branch; its head, and the files under `policies/` there, with paths below `policies/`.
    pub async fn policy_files(&self, branch: &BranchName) -> Result<(Sha, Vec<SourceFile>), MirrorError> {
        let branch = branch.clone();
        self.inside(move |inside| {
            let head = inside.existing(&branch)?;
            Ok((sha(head), inside.policy_files(head)?))
        })
        .await
    }

    /// The files under `policies/` at a commit that was fetched before.
    pub async fn policy_files_at(&self, at: Sha) -> Result<Vec<SourceFile>, MirrorError> {
        self.inside(move |inside| inside.policy_files(inside.id(at)?))
            .await
    }

    /// The bytes of a file at a commit that was fetched before; `None` when it is not there.
    pub async fn file_at(&self, at: Sha, path: &str) -> Result<Option<Vec<u8>>, MirrorError> {
        let path = path.to_owned();
        self.inside(move |inside| inside.file(inside.id(at)?, &path))
            .await
    }

    /// Makes a proposal's commit on top of the base branch's head and pushes it to its own branch. When the remote
    /// holds that commit's files and message there already, that one is given back.
    pub async fn push_proposal(&self, proposal: ProposalCommit) -> Result<PushedProposal, MirrorError> {
        self.inside(move |inside| inside.push_proposal(&proposal)).await
    }

    /// Deletes a branch of the remote; one that is not there is no error.
    pub async fn delete_branch(&self, branch: &BranchName) -> Result<(), MirrorError> {
        let branch = branch.clone();
        self.inside(move |inside| {
            let Some(from) = inside.head_of(&branch)? else {
                return Ok(());
            };
            let step = Move {
                branch: branch.as_str(),
                from: Some(from),
                to: None,
            };
            Ok(inside.remote.push(inside.repo, step)?)
        })
        .await
    }

    /// A merge as Git itself shows it, after a fetch of the base branch; `at` and `by` are what GitHub says.
    pub async fn merge(
        &self,
        commit: Sha,
        base_branch: &BranchName,
        directory: &str,
        at: Timestamp,
        by: Option<AccountId>,
    ) -> Result<Merge, MergeReadError> {
        let (base_branch, directory) = (base_branch.clone(), directory.to_owned());
        self.inside(move |inside| inside.merge(commit, &base_branch, &directory, at, by))
            .await
    }
}

impl Inside<'_> {
    pub(super) fn failed(&self, error: git2::Error) -> MirrorError {
        MirrorError::Local {
            dir: self.dir.to_owned(),
            why: said(error),
        }
    }

    pub(super) fn id(&self, at: Sha) -> Result<Oid, MirrorError> {
        oid(at).map_err(|error| self.failed(error))
    }

    fn head_of(&self, branch: &BranchName) -> Result<Option<Oid>, MirrorError> {
        let heads = self.remote.fetch(self.repo, &[branch.as_str()])?;
        Ok(heads.get(branch.as_str()).copied())
    }

    /// The head of a pull request, wherever its branch is.
    pub(super) fn head_of_pull(&self, pull: PullNumber) -> Result<Option<Oid>, MirrorError> {
        Ok(self.remote.fetch_pull(self.repo, pull)?)
    }

    pub(super) fn existing(&self, branch: &BranchName) -> Result<Oid, MirrorError> {
        self.head_of(branch)?
            .ok_or_else(|| MirrorError::NoBranch(branch.clone()))
    }

    pub(super) fn commit(&self, at: Oid) -> Result<git2::Commit<'_>, MirrorError> {
        self.repo.find_commit(at).map_err(|error| match error.code() {
            ErrorCode::NotFound => MirrorError::NoCommit(sha(at)),
            _ => self.failed(error),
        })
    }

    pub(super) fn tree(&self, at: Oid) -> Result<Tree<'_>, MirrorError> {
        self.commit(at)?.tree().map_err(|error| self.failed(error))
    }

    fn file(&self, at: Oid, path: &str) -> Result<Option<Vec<u8>>, MirrorError> {
        match self.tree(at)?.get_path(Path::new(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Blob) => {
                let blob = self.repo.find_blob(entry.id()).map_err(|e| self.failed(e))?;
                Ok(Some(blob.content().to_vec()))
            }
            Ok(_) => Ok(None),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn policy_files(&self, at: Oid) -> Result<Vec<SourceFile>, MirrorError> {
        let tree = self.tree(at)?;
        let Some(entry) = tree.get_name(POLICIES) else {
            return Ok(Vec::new());
        };
        let wrong = |path: &str, why: &str| MirrorError::PolicyFile {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        if entry.kind() != Some(ObjectType::Tree) {
            return Err(wrong("", "is not a directory"));
        }
        let policies = self.repo.find_tree(entry.id()).map_err(|e| self.failed(e))?;
        let mut blobs = Vec::new();
        let mut fault = None;
        let walked = policies.walk(TreeWalkMode::PreOrder, |above, entry| {
            let name = String::from_utf8_lossy(entry.name_bytes());
            let path = format!("{above}{name}");
            let why = match (entry.kind(), entry.filemode_raw()) {
                (Some(ObjectType::Tree), _) => return TreeWalkResult::Ok,
                (Some(ObjectType::Blob), 0o120_000) => "is a symbolic link; put the file itself there",
                (Some(ObjectType::Blob), _) if str::from_utf8(entry.name_bytes()).is_err() => {
                    "has a name that is not UTF-8"
                }
                (Some(ObjectType::Blob), _) if blobs.len() >= MOST_FILES => {
                    "is one file too many: 2,000 are read; put them together"
                }
                (Some(ObjectType::Blob), _) => {
                    blobs.push((path, entry.id()));
                    return TreeWalkResult::Ok;
                }
                _ => "is a submodule; put the files themselves there",
            };
            fault = Some(wrong(&path, why));
            TreeWalkResult::Abort
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        walked.map_err(|error| self.failed(error))?;
        let odb = self.repo.odb().map_err(|error| self.failed(error))?;
        let mut files = Vec::new();
        let mut all: usize = 0;
        for (path, id) in blobs {
            // Its size is told before it is unpacked.
            let (size, _) = odb.read_header(id).map_err(|error| self.failed(error))?;
            all = all.saturating_add(size);
            if size > MAX_BYTES {
                return Err(wrong(&path, "is larger than 1 MiB; split it"));
            }
            if all > MOST_BYTES {
                return Err(wrong(
                    &path,
                    "takes all files together beyond 16 MiB; shorten them",
                ));
            }
            let blob = self.repo.find_blob(id).map_err(|error| self.failed(error))?;
            let text = str::from_utf8(blob.content()).map_err(|error| {
                let (line, column) =
                    place_after(blob.content().get(..error.valid_up_to()).unwrap_or_default());
                wrong(
                    &format!("{path}:{line}:{column}"),
                    "is not UTF-8 text; save it so",
                )
            })?;
            files.push(SourceFile::new(path, text));
        }
        Ok(files)
    }

    fn push_proposal(&self, proposal: &ProposalCommit) -> Result<PushedProposal, MirrorError> {
        let (branch, base) = (proposal.branch.as_str(), proposal.base_branch.as_str());
        let heads = self.remote.fetch(self.repo, &[branch, base])?;
        if let Some(head) = heads.get(branch) {
            return self.same_proposal(*head, proposal)?.ok_or(MirrorError::Taken {
                branch: proposal.branch.clone(),
                head: sha(*head),
            });
        }
        let base = *heads
            .get(base)
            .ok_or_else(|| MirrorError::NoBranch(proposal.base_branch.clone()))?;
        let tree = self.with_files(base, &proposal.files)?;
        let failed = |error| self.failed(error);
        let when = Time::new(proposal.at.seconds(), 0);
        let who = Signature::new(proposal.author.name(), proposal.author.email(), &when).map_err(failed)?;
        let content = self.repo.find_tree(tree).map_err(failed)?;
        let parent = self.commit(base)?;
        let head = self
            .repo
            .commit(None, &who, &who, &proposal.message, &content, &[&parent])
            .map_err(failed)?;
        let step = Move {
            branch,
            from: None,
            to: Some(head),
        };
        if let Err(error) = self.remote.push(self.repo, step) {
            // The answer may have been lost, or another replica was first: what the remote holds decides.
            let landed = self
                .head_of(&proposal.branch)?
                .map(|head| self.same_proposal(head, proposal));
            return match landed.transpose()?.flatten() {
                Some(pushed) => Ok(pushed),
                None => Err(error.into()),
            };
        }
        Ok(PushedProposal {
            head: sha(head),
            base: sha(base),
            tree: sha(tree),
        })
    }

    /// The commit at `head`, when it is this proposal's: one parent, these files and nothing else, this message.
    fn same_proposal(
        &self,
        head: Oid,
        proposal: &ProposalCommit,
    ) -> Result<Option<PushedProposal>, MirrorError> {
        let commit = self.commit(head)?;
        if commit.parent_count() != 1 || commit.message_raw_bytes() != proposal.message.as_bytes() {
            return Ok(None);
        }
        let base = commit.parent_id(0).map_err(|error| self.failed(error))?;
        if self.with_files(base, &proposal.files)? != commit.tree_id() {
            return Ok(None);
        }
        Ok(Some(PushedProposal {
            head: sha(head),
            base: sha(base),
            tree: sha(commit.tree_id()),
        }))
    }

    /// The tree of a commit with some files added.
    fn with_files(&self, base: Oid, files: &[(String, Vec<u8>)]) -> Result<Oid, MirrorError> {
        let failed = |error| self.failed(error);
        let base = self.tree(base)?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, content) in files {
            let blob = self.repo.blob(content).map_err(failed)?;
            update.upsert(path.as_str(), blob, git2::FileMode::Blob);
        }
        update.create_updated(self.repo, &base).map_err(|error| {
            let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
            MirrorError::Path(paths.join("`, `"), said(error))
        })
    }

    fn merge(
        &self,
        commit: Sha,
        base_branch: &BranchName,
        directory: &str,
        at: Timestamp,
        by: Option<AccountId>,
    ) -> Result<Merge, MergeReadError> {
        let tip = self.existing(base_branch)?;
        let id = self.id(commit)?;
        let merged = self.commit(id)?;
        let failed = |error| self.failed(error);
        let reachable = tip == id || self.repo.graph_descendant_of(tip, id).map_err(failed)?;
        let before = merged.parent_ids().next();
        let path = format!("{directory}/proposal.yaml");
        let file = self.needed(id, &path)?;
        let report = self.needed(id, &format!("{directory}/report.md"))?;
        let text = String::from_utf8(file).map_err(|_| MergeReadError::NotUtf8(path.clone()))?;
        let source = SourceFile::new(path, text);
        let policy_of = |at| Ok::<_, MirrorError>(policy_digest(&self.policy_files(at)?));
        Ok(Merge {
            sha: commit,
            parents: merged.parent_ids().map(sha).collect(),
            reachable,
            changed: self.changed(before, id)?,
            file: Digest::of(source.text.as_bytes()),
            presentation: Digest::of(&report),
            policy_before: policy_of(before.unwrap_or(id))?,
            policy_after: policy_of(id)?,
            proposal: read_yaml::<Proposal>(&source)?,
            at,
            by,
        })
    }

    fn needed(&self, at: Oid, path: &str) -> Result<Vec<u8>, MergeReadError> {
        self.file(at, path)?.ok_or_else(|| MergeReadError::Missing {
            sha: sha(at),
            path: path.to_owned(),
        })
    }

    pub(super) fn changed(&self, before: Option<Oid>, after: Oid) -> Result<Vec<String>, MirrorError> {
        let before = before.map(|before| self.tree(before)).transpose()?;
        let after = self.tree(after)?;
        let diff = self
            .repo
            .diff_tree_to_tree(before.as_ref(), Some(&after), None)
            .map_err(|error| self.failed(error))?;
        let mut paths = std::collections::BTreeSet::new();
        for delta in diff.deltas() {
            for file in [delta.old_file(), delta.new_file()] {
                if let Some(path) = file.path_bytes() {
                    paths.insert(String::from_utf8_lossy(path).into_owned());
                }
            }
        }
        Ok(paths.into_iter().collect())
    }
}

/// The line and column, counted from 1, of what follows some text.
fn place_after(text: &[u8]) -> (usize, usize) {
    let line = text.split(|byte| *byte == b'\n').count();
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    (line, String::from_utf8_lossy(last).chars().count() + 1)
}
