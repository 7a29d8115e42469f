//! What `init` does: look what is there, make what is missing, begin the ledger last.

use std::path::{Path, PathBuf};

use super::{super::scratch::Scratch, Failure, key_directory, sound};
use crate::{
    domain::{
        authentic::Committer,
        entry::{Genesis, Role},
        ids::{BranchName, Digest, RepoName, Sha, Timestamp},
        policy::policy_digest,
        source::SourceFile,
    },
    ledger::{First, Init, Mirror, Signer, Step, Token, first_commit, init, walk},
};

/// Everything that a beginning takes.
pub(in crate::cli) struct Beginning {
    /// The repository.
    pub repository: RepoName,
    /// Where its Git is.
    pub remote: String,
    /// How to get in.
    pub token: Option<Token>,
    /// In whose name commits are made.
    pub committer: Committer,
    /// The protected base branch.
    pub base: BranchName,
    /// The ledger's branch.
    pub ledger: BranchName,
    /// Where the role keys are kept.
    pub keys: PathBuf,
    /// The policies of a base branch that is not there yet.
    pub files: Vec<SourceFile>,
    /// When.
    pub at: Timestamp,
}

/// What is there afterwards.
#[derive(Debug)]
pub(in crate::cli) struct Begun {
    /// The repository.
    pub repository: RepoName,
    /// The first entry's digest.
    pub genesis: Digest,
    /// Whether this run began it; an older one's digest is only what the remote says.
    pub anew: bool,
    /// The policies the ledger begins with.
    pub policy: Digest,
    /// The commit that brought the policies, when this run made it.
    pub first_commit: Option<Sha>,
    /// The role keys' files, and whether this run made them.
    pub keys: Vec<(Role, PathBuf, bool)>,
    /// The base branch.
    pub base: BranchName,
    /// The ledger's branch.
    pub ledger: BranchName,
}

/// Makes keys, policies and ledger, each only where it is missing.
pub(in crate::cli) async fn begin(beginning: Beginning) -> Result<Begun, Failure> {
    let scratch = Scratch::new("init");
    let dir = scratch.path().to_owned();
    let mirror =
        Mirror::open(&dir, beginning.remote.clone(), beginning.token.clone()).map_err(Failure::new)?;
    let known = mirror.head_of(&beginning.ledger).await.map_err(unreachable)?;
    if known.is_some() {
        return tokio::task::spawn_blocking(move || existing(&dir, beginning))
            .await
            .map_err(Failure::new)?;
    }
    let base = mirror.head_of(&beginning.base).await.map_err(unreachable)?;
    let files = match base {
        Some(_) => {
            mirror
                .policy_files(&beginning.base)
                .await
                .map_err(Failure::new)?
                .1
        }
        None => beginning.files.clone(),
    };
    if files.is_empty() {
        let said = format!("`{}` holds no `policies/`", beginning.base);
        return Err(Failure::new(said).next(
            "write the starter set with `countersign init --policies-out policies`, edit, commit and push it, then run this again",
        ));
    }
    sound(&files)?;
    drop(mirror);
    tokio::task::spawn_blocking(move || anew(&dir, beginning, &files, base.is_none()))
        .await
        .map_err(Failure::new)?
}

fn anew(dir: &Path, beginning: Beginning, files: &[SourceFile], push_files: bool) -> Result<Begun, Failure> {
    key_directory(&beginning.keys)?;
    let (gate, gate_at) = key(&beginning.keys, Role::Gate)?;
    let (executor, executor_at) = key(&beginning.keys, Role::Executor)?;
    let (watch, watch_at) = key(&beginning.keys, Role::Watch)?;
    let mut pushed = None;
    if push_files {
        let first = First {
            branch: beginning.base.clone(),
            files: files
                .iter()
                .map(|file| (format!("policies/{}", file.path), file.text.clone()))
                .collect(),
            message: "Begin with policies\n".to_owned(),
            author: beginning.committer.clone(),
            at: beginning.at,
        };
        let made = first_commit(dir, &first, &beginning.remote, beginning.token.clone());
        pushed = Some(made.map_err(Failure::new)?);
    }
    let policy = policy_digest(files);
    let genesis = Genesis {
        repository: beginning.repository.clone(),
        base: beginning.base.clone(),
        ledger: beginning.ledger.clone(),
        policy,
        keys: vec![
            gate.role_key(Role::Gate),
            executor.role_key(Role::Executor),
            watch.role_key(Role::Watch),
        ],
        nonce: Digest::of(&rand::random::<[u8; 32]>()),
    };
    let begin = Init {
        dir: dir.to_owned(),
        genesis,
        gate: &gate,
        committer: beginning.committer,
        at: beginning.at,
    };
    let begun = init(begin, &beginning.remote, beginning.token).map_err(Failure::new)?;
    Ok(Begun {
        repository: beginning.repository,
        genesis: begun.genesis,
        anew: true,
        policy,
        first_commit: pushed,
        keys: vec![gate_at, executor_at, watch_at],
        base: beginning.base,
        ledger: beginning.ledger,
    })
}

/// A ledger that has begun, as the remote tells it.
fn existing(dir: &Path, beginning: Beginning) -> Result<Begun, Failure> {
    let mut first = None;
    let each = |_: Option<&_>, step: Step<'_>| {
        if let (None, Step::Recorded(recorded)) = (&first, step) {
            first = Some(recorded.digest());
        }
    };
    let walked = walk(dir, &beginning.ledger, None, each, |_, _| {}).map_err(Failure::new)?;
    let (Some(genesis), Some(book)) = (first, walked.book) else {
        let said = format!("`{}` is there and is not a ledger", beginning.ledger);
        return Err(Failure::new(said).next("name another repository, or take the branch away"));
    };
    let keys = [Role::Gate, Role::Executor, Role::Watch]
        .map(|role| (role, path(&beginning.keys, role), false))
        .into_iter()
        .filter(|(_, path, _)| path.exists())
        .collect();
    Ok(Begun {
        repository: beginning.repository,
        genesis,
        anew: false,
        policy: book.policy(),
        first_commit: None,
        keys,
        base: beginning.base,
        ledger: beginning.ledger,
    })
}

fn path(dir: &Path, role: Role) -> PathBuf {
    dir.join(role.as_str())
}

/// A role's key: the one that is there, or a new one.
fn key(dir: &Path, role: Role) -> Result<(Signer, (Role, PathBuf, bool)), Failure> {
    let path = path(dir, role);
    let there = path.exists();
    let signer = if there {
        Signer::load(&path).map_err(Failure::new)?
    } else {
        let signer = Signer::generate().map_err(Failure::new)?;
        signer.save(&path).map_err(Failure::new)?;
        signer
    };
    Ok((signer, (role, path, !there)))
}

fn unreachable(error: crate::ledger::MirrorError) -> Failure {
    Failure::new(error)
        .next("check the address, the app's permissions, and that it is installed on the repository")
}
