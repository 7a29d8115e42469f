//! The first commit of a branch, so that a new repository can begin with its policies.

use std::path::Path;

use git2::{Index, IndexEntry, IndexTime, Repository, Signature, Time};

use super::{
    fold::sha,
    init::{InitError, local},
    remote::{Move, Remote, Token},
};
use crate::domain::{
    authentic::Committer,
    ids::{BranchName, Sha, Timestamp},
};

/// A branch's first commit, to be made.
#[derive(Debug)]
pub struct First {
    /// The branch, which the remote does not have yet.
    pub branch: BranchName,
    /// Paths from the repository's root, and contents.
    pub files: Vec<(String, String)>,
    /// The commit's message.
    pub message: String,
    /// Who makes it.
    pub author: Committer,
    /// When.
    pub at: Timestamp,
}

/// Pushes a branch's first commit. Blocks. Errors: the branch is there already.
pub fn first_commit(dir: &Path, first: &First, remote: &str, token: Option<Token>) -> Result<Sha, InitError> {
    let failed = |error| local(dir, error);
    let repo = Repository::init_bare(dir).map_err(failed)?;
    let remote = Remote::new(remote.to_owned(), token);
    let branch = first.branch.as_str();
    if remote.fetch(&repo, &[branch])?.contains_key(branch) {
        return Err(InitError::Exists(branch.to_owned()));
    }
    let commit = commit(&repo, first).map_err(failed)?;
    let step = Move {
        branch,
        from: None,
        to: Some(commit),
    };
    remote.push(&repo, step)?;
    Ok(sha(commit))
}

fn commit(repo: &Repository, first: &First) -> Result<git2::Oid, git2::Error> {
    let mut index = Index::new()?;
    for (path, text) in &first.files {
        let id = repo.blob(text.as_bytes())?;
        index.add(&IndexEntry {
            ctime: IndexTime::new(0, 0),
            mtime: IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id,
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().to_vec(),
        })?;
    }
    let tree = repo.find_tree(index.write_tree_to(repo)?)?;
    let time = Time::new(first.at.seconds(), 0);
    let who = Signature::new(first.author.name(), first.author.email(), &time)?;
    repo.commit(None, &who, &who, &first.message, &tree, &[])
}
