//! Beginning a ledger: its constant tree and its first, signed commit.

use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use super::{
    fold::sha,
    remote::{Move, Remote, RemoteError, Token, said},
    sign::{SignError, Signer},
};
use crate::domain::{
    authentic::{Committer, Lined, payload, signed, write_message},
    book::{BeginError, genesis_entry},
    entry::{Genesis, RoleKey},
    ids::{Digest, Sha, Timestamp},
};

/// What begins a ledger.
#[derive(Debug)]
pub struct Init<'a> {
    /// A directory for the local repository; a [`super::Mirror`]'s or [`super::Ledger`]'s own may be shared.
    pub dir: PathBuf,
    /// The first entry's body.
    pub genesis: Genesis,
    /// The gate's key, which signs it.
    pub gate: &'a Signer,
    /// Who makes the commit.
    pub committer: Committer,
    /// When.
    pub at: Timestamp,
}

/// A ledger that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The digest that the operator keeps outside the repository. INVARIANT i01.
    pub genesis: Digest,
    /// The commit that holds it.
    pub commit: Sha,
}

/// Why a ledger could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The branch is there already.
    #[error("`{0}` is there already; a ledger begins once")]
    Exists(String),
    /// The gate's key is not among the keys of the genesis entry.
    #[error("the gate's key is not among the keys of the genesis entry")]
    Gate,
    /// The genesis body is not sound.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The key.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The remote.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The local repository.
    #[error("the repository at `{dir}` can't be used: {why}")]
    Local {
        /// Where it is.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// The task was stopped.
    #[error("stopped before the ledger had begun")]
    Stopped,
}

/// Begins a ledger on the remote: an orphan commit with the constant tree and the genesis entry. Blocks.
pub fn init(init: Init<'_>, remote: &str, token: Option<Token>) -> Result<Begun, InitError> {
    let failed = |error| local(&init.dir, error);
    let repo = Repository::init_bare(&init.dir).map_err(failed)?;
    let remote = Remote::new(remote.to_owned(), token);
    let branch = init.genesis.ledger.clone();
    let heads = remote.fetch(&repo, &[branch.as_str()])?;
    if heads.contains_key(branch.as_str()) {
        return Err(InitError::Exists(branch.to_string()));
    }
    if init.genesis.keys.iter().all(|key| key.key != init.gate.public()) {
        return Err(InitError::Gate);
    }
    let tree = constant_tree(&repo, &init.genesis).map_err(failed)?;
    let subject = format!("genesis: the ledger of {} begins", init.genesis.repository);
    let (entry, digest) = genesis_entry(init.genesis, init.gate.id().clone(), init.at)?;
    let line = entry.line().map_err(BeginError::from)?;
    let message = write_message(&[Lined { entry, line, digest }], &subject);
    let unsigned = payload(sha(tree), None, &init.committer, init.at, &message);
    let commit = write(&repo, &unsigned, init.gate)?.map_err(failed)?;
    let step = Move {
        branch: branch.as_str(),
        from: None,
        to: Some(commit),
    };
    remote.push(&repo, step)?;
    Ok(Begun {
        genesis: digest,
        commit: sha(commit),
    })
}

/// Signs a commit's bytes and writes the commit.
fn write(repo: &Repository, unsigned: &str, key: &Signer) -> Result<Result<Oid, git2::Error>, SignError> {
    let armor = key.sign(unsigned.as_bytes())?;
    let bytes = signed(unsigned, &armor).unwrap_or_default();
    Ok(repo
        .odb()
        .and_then(|odb| odb.write(git2::ObjectType::Commit, &bytes)))
}

pub(super) fn local(dir: &Path, error: git2::Error) -> InitError {
    InitError::Local {
        dir: dir.to_owned(),
        why: said(error),
    }
}

/// The ledger's files, the same in every commit: pushes cost the same however long the log is.
fn constant_tree(repo: &Repository, genesis: &Genesis) -> Result<Oid, git2::Error> {
    let mut tree = repo.treebuilder(None)?;
    let signers = repo.blob(allowed_signers(&genesis.keys).as_bytes())?;
    tree.insert(ALLOWED_SIGNERS, signers, 0o100_644)?;
    tree.insert("README.md", repo.blob(readme(genesis).as_bytes())?, 0o100_644)?;
    tree.write()
}

/// The file of the ledger's tree that names its keys.
pub(super) const ALLOWED_SIGNERS: &str = "allowed_signers";

/// The keys in the form of `ssh-keygen`'s ALLOWED SIGNERS, for `git log --show-signature`.
pub(super) fn allowed_signers(keys: &[RoleKey]) -> String {
    let line = |key: &RoleKey| {
        let role = key.role.as_str().replace('_', "-");
        format!("{role}@countersign namespaces=\"git\" {}\n", key.key)
    };
    keys.iter().map(line).collect()
}

fn readme(genesis: &Genesis) -> String {
    let (repository, ledger) = (&genesis.repository, &genesis.ledger);
    format!(
        "# The ledger of {repository}\n\
         \n\
         Every commit of this branch records what happened to a proposal of an AI agent: who asked, what was checked,\n\
         who approved, what ran. The branch only grows, and every commit is signed.\n\
         \n\
         Read it:\n\
         \n\
         ```sh\n\
         git log {ledger}\n\
         git show {ledger}:allowed_signers > /tmp/allowed_signers\n\
         git -c gpg.ssh.allowedSignersFile=/tmp/allowed_signers log --show-signature {ledger}\n\
         ```\n\
         \n\
         Prove it, with the genesis digest that its operator keeps elsewhere:\n\
         \n\
         ```sh\n\
         countersign audit verify --genesis sha256:... --branch {ledger}\n\
         ```\n"
    )
}
