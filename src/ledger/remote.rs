//! The one remote of a mirror: fetch, and push that moves a branch only from where we believe it to be.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorCode, FetchOptions, ObjectType, Oid, PushOptions,
    RemoteCallbacks, Repository,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::fold::{oid, parents, raw};
use crate::domain::ids::PullNumber;

/// Gives a token for the remote whenever one is asked for; called anew each time, so that it may be short-lived.
pub type Token = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// How often one connection may ask for credentials; a bad token is asked for again and again.
const MAX_CREDENTIAL_ASKS: u32 = 2;

/// Why the remote could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// Reading failed.
    #[error("can't read `{url}`: {why}")]
    Fetch {
        /// The remote, without credentials.
        url: String,
        /// Why.
        why: String,
    },
    /// Writing failed, and whether it took effect is not known.
    #[error("can't write to `{url}`: {why}")]
    Push {
        /// The remote, without credentials.
        url: String,
        /// Why.
        why: String,
    },
    /// The remote said no.
    #[error("`{url}` refused the push to `{branch}`: {why}")]
    Refused {
        /// The remote, without credentials.
        url: String,
        /// The branch.
        branch: String,
        /// Why.
        why: String,
    },
    /// Somebody else moved the branch first.
    #[error("somebody else moved `{branch}` on `{url}` first")]
    Moved {
        /// The remote, without credentials.
        url: String,
        /// The branch.
        branch: String,
    },
}

/// A remote and how to get in.
#[derive(Clone)]
pub(super) struct Remote {
    url: String,
    token: Option<Token>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.shown())
    }
}

/// What a push does to one branch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move<'a> {
    /// The branch.
    pub(super) branch: &'a str,
    /// Where it stands now; `None` when it is not there.
    pub(super) from: Option<Oid>,
    /// Where it shall stand, on top of `from`; `None` to delete it.
    pub(super) to: Option<Oid>,
}

impl Remote {
    pub(super) fn new(url: String, token: Option<Token>) -> Self {
        Self { url, token }
    }

    /// Fetches branches into `refs/remotes/origin/`; says where each stands, leaving out those that are not there.
    pub(super) fn fetch(
        &self,
        repo: &Repository,
        branches: &[&str],
    ) -> Result<BTreeMap<String, Oid>, RemoteError> {
        self.try_fetch(repo, branches).map_err(|why| RemoteError::Fetch {
            url: self.shown(),
            why,
        })
    }

    fn try_fetch(&self, repo: &Repository, branches: &[&str]) -> Result<BTreeMap<String, Oid>, String> {
        let mut remote = repo.remote_anonymous(&self.url).map_err(said)?;
        let mut heads = BTreeMap::new();
        let mut connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks()), None)
            .map_err(said)?;
        for head in connection.list().map_err(said)? {
            let name = head.name();
            if let Some(branch) = name.strip_prefix("refs/heads/")
                && branches.contains(&branch)
            {
                heads.insert(branch.to_owned(), head.oid());
            }
        }
        let mut specs = Vec::new();
        for branch in branches {
            let tracking = tracking(branch);
            let known = repo.refname_to_id(&tracking).ok();
            match heads.get(*branch) {
                Some(head) if known == Some(*head) => {}
                Some(_) => specs.push(format!("+refs/heads/{branch}:{tracking}")),
                None if known.is_some() => repo
                    .find_reference(&tracking)
                    .and_then(|mut reference| reference.delete())
                    .map_err(said)?,
                None => {}
            }
        }
        if !specs.is_empty() {
            let fetched = connection
                .remote()
                .fetch(&specs, Some(&mut self.fetching()), None);
            fetched.map_err(said)?;
            // The remote may have moved between list and fetch; what was fetched is what counts.
            for branch in branches {
                if let Ok(now) = repo.refname_to_id(&tracking(branch))
                    && heads.contains_key(*branch)
                {
                    heads.insert((*branch).to_owned(), now);
                }
            }
        }
        Ok(heads)
    }

    /// Fetches the head of a pull request; `None` when the remote has none of this number.
    pub(super) fn fetch_pull(&self, repo: &Repository, pull: PullNumber) -> Result<Option<Oid>, RemoteError> {
        self.try_fetch_pull(repo, pull).map_err(|why| RemoteError::Fetch {
            url: self.shown(),
            why,
        })
    }

    fn try_fetch_pull(&self, repo: &Repository, pull: PullNumber) -> Result<Option<Oid>, String> {
        let name = format!("refs/pull/{pull}/head");
        let tracking = format!("refs/remotes/pulls/{pull}");
        let mut remote = repo.remote_anonymous(&self.url).map_err(said)?;
        let mut connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks()), None)
            .map_err(said)?;
        let listed = connection.list().map_err(said)?;
        let Some(head) = listed
            .iter()
            .find(|head| head.name() == name)
            .map(|head| head.oid())
        else {
            return Ok(None);
        };
        if repo.find_commit(head).is_ok() {
            return Ok(Some(head));
        }
        let spec = format!("+{name}:{tracking}");
        connection
            .remote()
            .fetch(&[spec], Some(&mut self.fetching()), None)
            .map_err(said)?;
        // The pull request may have moved between list and fetch; what was fetched is what counts.
        repo.refname_to_id(&tracking).map(Some).map_err(said)
    }

    /// Moves one branch from where it is believed to be, and from nowhere else.
    pub(super) fn push(&self, repo: &Repository, step: Move<'_>) -> Result<(), RemoteError> {
        match self.local() {
            Some(path) => self.push_local(repo, &path, step),
            None => self.push_over_network(repo, step),
        }
    }

    fn push_over_network(&self, repo: &Repository, step: Move<'_>) -> Result<(), RemoteError> {
        let failed = |error: git2::Error| match error.code() {
            ErrorCode::NotFastForward => self.moved(step.branch),
            _ => RemoteError::Push {
                url: self.shown(),
                why: said(error),
            },
        };
        let mut remote = repo.remote_anonymous(&self.url).map_err(failed)?;
        let mut refused = None;
        let mut elsewhere = false;
        let source = step.to.map_or_else(String::new, |to| to.to_string());
        // What is added stands on top of `from`, and `from` is where the remote is found to be below: libgit2 need not read
        // all of it to find that out.
        let known = if step.from.and(step.to).is_some() { "+" } else { "" };
        let spec = format!("{known}{source}:refs/heads/{}", step.branch);
        let pushed = {
            let mut callbacks = self.callbacks();
            callbacks.push_update_reference(|_, status| {
                if let Some(why) = status {
                    refused = Some(why.to_owned());
                }
                Ok(())
            });
            let expected = step.from.unwrap_or(Oid::ZERO_SHA1);
            let elsewhere = &mut elsewhere;
            callbacks.push_negotiation(move |updates| {
                *elsewhere = updates.iter().any(|update| update.src() != expected);
                if *elsewhere {
                    return Err(git2::Error::from_str("the branch is not where it was"));
                }
                Ok(())
            });
            let mut options = PushOptions::new();
            options.remote_callbacks(callbacks);
            remote.push(&[spec.as_str()], Some(&mut options))
        };
        if elsewhere {
            return Err(self.moved(step.branch));
        }
        pushed.map_err(failed)?;
        match refused {
            Some(why) => Err(self.refused(step.branch, why)),
            None => Ok(()),
        }
    }

    /// Git's own local transport in libgit2 overwrites whatever another process pushed in between; this one compares
    /// and swaps under the reference's lock.
    fn push_local(
        &self,
        repo: &Repository,
        path: &std::path::Path,
        step: Move<'_>,
    ) -> Result<(), RemoteError> {
        let failed = |error: git2::Error| match error.code() {
            ErrorCode::Modified | ErrorCode::Exists | ErrorCode::Locked | ErrorCode::NotFound => {
                self.moved(step.branch)
            }
            _ => RemoteError::Push {
                url: self.shown(),
                why: said(error),
            },
        };
        let there = Repository::open_bare(path).map_err(|error| RemoteError::Push {
            url: self.shown(),
            why: said(error),
        })?;
        let name = format!("refs/heads/{}", step.branch);
        let Some(to) = step.to else {
            let mut reference = there.find_reference(&name).map_err(failed)?;
            return if reference.target() == step.from {
                reference.delete().map_err(failed)
            } else {
                Err(self.moved(step.branch))
            };
        };
        copy_commits(repo, &there, to).map_err(|error| RemoteError::Push {
            url: self.shown(),
            why: said(error),
        })?;
        let done = match step.from {
            Some(from) => there.reference_matching(&name, to, true, from, "push"),
            None => there.reference(&name, to, false, "push"),
        };
        done.map(|_| ()).map_err(failed)
    }

    /// Nothing but the branches that are named.
    fn fetching(&self) -> FetchOptions<'static> {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks())
            .download_tags(AutotagOption::None)
            .update_fetchhead(false);
        options
    }

    fn callbacks(&self) -> RemoteCallbacks<'static> {
        let mut callbacks = RemoteCallbacks::new();
        let token = self.token.clone();
        let mut asked = 0;
        callbacks.credentials(move |_, _, allowed| {
            asked += 1;
            if asked > MAX_CREDENTIAL_ASKS {
                return Err(git2::Error::from_str("the remote does not accept the token"));
            }
            let Some(token) = &token else {
                return Err(git2::Error::from_str(
                    "the remote asks for a token and none is set",
                ));
            };
            if !allowed.contains(CredentialType::USER_PASS_PLAINTEXT) {
                return Err(git2::Error::from_str("the remote accepts no token"));
            }
            let token = token().map_err(|error| git2::Error::from_str(&error))?;
            Cred::userpass_plaintext("x-access-token", token.expose_secret())
        });
        callbacks
    }

    /// The path of a remote on this machine.
    fn local(&self) -> Option<PathBuf> {
        match self.url.strip_prefix("file://") {
            Some(path) => Some(PathBuf::from(path)),
            None if self.url.contains("://") => None,
            None => Some(PathBuf::from(&self.url)),
        }
    }

    /// The remote's address without credentials in it.
    pub(super) fn shown(&self) -> String {
        match self.url.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                format!("{scheme}://{host}/{path}")
            }
            None => self.url.clone(),
        }
    }

    fn moved(&self, branch: &str) -> RemoteError {
        RemoteError::Moved {
            url: self.shown(),
            branch: branch.to_owned(),
        }
    }

    fn refused(&self, branch: &str, why: String) -> RemoteError {
        RemoteError::Refused {
            url: self.shown(),
            branch: branch.to_owned(),
            why,
        }
    }
}

/// The local name of a branch of the remote.
pub(super) fn tracking(branch: &str) -> String {
    format!("refs/remotes/origin/{branch}")
}

/// What libgit2 said, without a line end.
pub(super) fn said(error: git2::Error) -> String {
    error.message().trim().to_owned()
}

fn copy_commits(from: &Repository, to: &Repository, tip: Oid) -> Result<(), git2::Error> {
    let (source, target) = (from.odb()?, to.odb()?);
    let mut missing = Vec::new();
    let mut next = vec![tip];
    while let Some(id) = next.pop() {
        if target.exists(id) {
            continue;
        }
        for parent in parents(&raw(&source, id)?) {
            next.push(oid(parent)?);
        }
        missing.push(id);
    }
    // Oldest first, so that a commit is there only when everything it stands on is.
    for id in missing.into_iter().rev() {
        copy_tree(from, &source, &target, from.find_commit(id)?.tree_id())?;
        copy_object(&source, &target, id)?;
    }
    Ok(())
}

fn copy_tree(
    from: &Repository,
    source: &git2::Odb<'_>,
    target: &git2::Odb<'_>,
    tree: Oid,
) -> Result<(), git2::Error> {
    if target.exists(tree) {
        return Ok(());
    }
    for entry in &from.find_tree(tree)? {
        match entry.kind() {
            Some(ObjectType::Tree) => copy_tree(from, source, target, entry.id())?,
            Some(ObjectType::Blob) => copy_object(source, target, entry.id())?,
            Some(ObjectType::Any | ObjectType::Commit | ObjectType::Tag) | None => {}
        }
    }
    copy_object(source, target, tree)
}

fn copy_object(source: &git2::Odb<'_>, target: &git2::Odb<'_>, id: Oid) -> Result<(), git2::Error> {
    if !target.exists(id) {
        let object = source.read(id)?;
        target.write(object.kind(), object.data())?;
    }
    Ok(())
}
