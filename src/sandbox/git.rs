//! Real Git, by way of libgit2: what REST routes read and write in the bare repositories.
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{Delta, DiffFindOptions, DiffOptions, FileMode, Oid, Repository, Signature, Sort, Tree};
use jiff::Timestamp;

/// A hook that refuses what `SANDBOX_RULES` forbids, ref by ref, so that a push is told what GitHub would say.
const UPDATE_HOOK: &str = r#"#!/bin/sh
# Lines of SANDBOX_RULES: refuse|fast-forward <ref> <message>
printf '%s\n' "$SANDBOX_RULES" | {
    code=0
    while read -r rule ref message; do
        [ "$ref" = "$1" ] || continue
        if [ "$rule" = fast-forward ] && git merge-base --is-ancestor "$2" "$3" 2>/dev/null; then
            continue
        fi
        echo "error: $message" >&2
        code=1
    done
    exit $code
}
"#;

/// Makes a bare repository that `git http-backend` serves and that asks the sandbox's rules at every push.
pub(crate) fn init(dir: &Path, default_branch: &str) -> Result<(), git2::Error> {
    let mut options = git2::RepositoryInitOptions::new();
    options
        .bare(true)
        .mkpath(true)
        .external_template(false)
        .initial_head(default_branch);
    let repo = Repository::init_opts(dir, &options)?;
    let mut config = repo.config()?;
    config.set_bool("http.receivepack", true)?;
    config.set_bool("uploadpack.allowAnySHA1InWant", true)?;
    config.set_bool("uploadpack.allowFilter", true)?;
    config.set_str("transfer.hideRefs", "refs/sandbox")?;
    config.set_str("receive.hideRefs", "refs/pull")?;
    config.set_bool("core.logAllRefUpdates", false)?;
    config.set_i32("gc.auto", 0)?;
    // Otherwise each push starts a program that finds out that there is nothing to collect.
    config.set_bool("receive.autogc", false)?;
    install_hook(&dir.join("hooks")).map_err(|error| git2::Error::from_str(&error.to_string()))
}

fn install_hook(hooks: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(hooks)?;
    let path = hooks.join("update");
    std::fs::write(&path, UPDATE_HOOK)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Who made a commit, and when.
pub(crate) fn signature(name: &str, email: &str, at: Timestamp) -> Result<Signature<'static>, git2::Error> {
    Signature::new(name, email, &git2::Time::new(at.as_second(), 0))
}

/// Every ref with the object it names.
pub(crate) fn refs(repo: &Repository) -> Result<Vec<(String, String)>, git2::Error> {
    let mut found = Vec::new();
    for reference in repo.references()? {
        let reference = reference?;
        if let (Ok(name), Some(target)) = (reference.name(), reference.target()) {
            found.push((name.to_owned(), target.to_string()));
        }
    }
    Ok(found)
}

/// Points a ref at a commit, whatever it named before.
pub(crate) fn set_ref(repo: &Repository, name: &str, sha: &str) -> Result<(), git2::Error> {
    repo.reference(name, Oid::from_str(sha)?, true, "sandbox")
        .map(|_| ())
}

pub(crate) fn delete_ref(repo: &Repository, name: &str) -> Result<(), git2::Error> {
    repo.find_reference(name)?.delete()
}

pub(crate) fn branch_head(repo: &Repository, branch: &str) -> Option<String> {
    let reference = repo.find_reference(&format!("refs/heads/{branch}")).ok()?;
    reference.target().map(|oid| oid.to_string())
}

/// The commit that a branch, a tag, a ref or a SHA names.
pub(crate) fn resolve(repo: &Repository, name: &str) -> Option<Oid> {
    let candidates = [
        format!("refs/heads/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/{name}"),
        name.to_owned(),
    ];
    for candidate in &candidates {
        if let Ok(reference) = repo.find_reference(candidate)
            && let Ok(commit) = reference.peel_to_commit()
        {
            return Some(commit.id());
        }
    }
    let hex = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex {
        return None;
    }
    let object = repo.revparse_single(name).ok()?;
    object.peel_to_commit().ok().map(|commit| commit.id())
}

pub(crate) fn is_ancestor(repo: &Repository, ancestor: &str, of: &str) -> bool {
    match (Oid::from_str(ancestor), Oid::from_str(of)) {
        (Ok(ancestor), Ok(of)) => ancestor == of || repo.graph_descendant_of(of, ancestor).unwrap_or(false),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// What a push adds to a branch, oldest first, and whether it takes away what the branch held.
pub(crate) fn pushed(repo: &Repository, before: &str, after: &str) -> Result<(Vec<Oid>, bool), git2::Error> {
    let (base, head) = (Oid::from_str(before)?, Oid::from_str(after)?);
    match straight(repo, base, head)? {
        Some(added) => Ok((added, false)),
        None => Ok((between(repo, base, head)?, !is_ancestor(repo, before, after))),
    }
}

/// The commits from `base` (not included) to `head`, where each has one parent and they are not many: libgit2's own walk
/// reads some below `base`, too, and those of a ledger are large.
fn straight(repo: &Repository, base: Oid, head: Oid) -> Result<Option<Vec<Oid>>, git2::Error> {
    const MOST: usize = 100;
    let mut found = Vec::new();
    let mut next = head;
    while next != base {
        let commit = repo.find_commit(next)?;
        found.push(next);
        match commit.parent_id(0) {
            Ok(parent) if commit.parent_count() == 1 && found.len() < MOST => next = parent,
            Ok(_) | Err(_) => return Ok(None),
        }
    }
    found.reverse();
    Ok(Some(found))
}

/// A file to write into a commit, or `None` to remove it.
pub(crate) type Change<'a> = (&'a str, Option<&'a [u8]>);

/// Writes one commit on `parent`; the ref is left alone.
pub(crate) fn commit_files(
    repo: &Repository,
    parent: Option<Oid>,
    changes: &[Change<'_>],
    message: &str,
    author: &Signature<'_>,
    committer: &Signature<'_>,
) -> Result<Oid, git2::Error> {
    let parent = parent.map(|oid| repo.find_commit(oid)).transpose()?;
    let base = match &parent {
        Some(commit) => commit.tree()?,
        None => repo.find_tree(repo.treebuilder(None)?.write()?)?,
    };
    let mut builder = TreeUpdateBuilder::new();
    for (path, content) in changes {
        match content {
            Some(bytes) => builder.upsert(*path, repo.blob(bytes)?, FileMode::Blob),
            None => builder.remove(*path),
        };
    }
    let tree = repo.find_tree(builder.create_updated(repo, &base)?)?;
    let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
    repo.commit(None, author, committer, message, &tree, &parents)
}

/// The commits of `base..head`, oldest first, as a pull request lists them.
pub(crate) fn between(repo: &Repository, base: Oid, head: Oid) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(head)?;
    walk.hide(base)?;
    walk.collect()
}

/// One changed file.
#[derive(Debug, Clone)]
pub(crate) struct FileChange {
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
    pub(crate) sha: String,
    pub(crate) status: &'static str,
    pub(crate) additions: usize,
    pub(crate) deletions: usize,
    /// Hunks without file headers; `None` for binary files.
    pub(crate) patch: Option<String>,
}

/// What changed between two trees, renames found.
pub(crate) fn diff(
    repo: &Repository,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
) -> Result<Vec<FileChange>, git2::Error> {
    let mut options = DiffOptions::new();
    options.context_lines(3);
    let mut diff = repo.diff_tree_to_tree(old, new, Some(&mut options))?;
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
    let mut changes = Vec::new();
    for at in 0..diff.deltas().len() {
        let Some(delta) = diff.get_delta(at) else {
            continue;
        };
        let path = |file: git2::DiffFile<'_>| file.path().map(|path| path.to_string_lossy().into_owned());
        let status = match delta.status() {
            Delta::Added => "added",
            Delta::Deleted => "removed",
            Delta::Renamed => "renamed",
            Delta::Copied => "copied",
            Delta::Typechange => "changed",
            Delta::Modified
            | Delta::Unmodified
            | Delta::Ignored
            | Delta::Untracked
            | Delta::Unreadable
            | Delta::Conflicted => "modified",
        };
        let named = if status == "removed" {
            delta.old_file()
        } else {
            delta.new_file()
        };
        let sha = named.id().to_string();
        let previous = (status == "renamed").then(|| path(delta.old_file())).flatten();
        let mut change = FileChange {
            path: path(named).unwrap_or_default(),
            previous,
            sha,
            status,
            additions: 0,
            deletions: 0,
            patch: None,
        };
        if let Some(mut patch) = git2::Patch::from_diff(&diff, at)? {
            let (_, additions, deletions) = patch.line_stats()?;
            change.additions = additions;
            change.deletions = deletions;
            let text = patch.to_buf()?;
            let text = String::from_utf8_lossy(&text).into_owned();
            change.patch = text
                .find("\n@@")
                .map(|at| text.get(at + 1..).unwrap_or_default().trim_end().to_owned());
        }
        changes.push(change);
    }
    Ok(changes)
}

/// The tree that merging `head` into `base` gives, or `None` on conflicts.
pub(crate) fn merge_tree(repo: &Repository, base: Oid, head: Oid) -> Result<Option<Oid>, git2::Error> {
    let mut index = repo.merge_commits(&repo.find_commit(base)?, &repo.find_commit(head)?, None)?;
    if index.has_conflicts() {
        return Ok(None);
    }
    index.write_tree_to(repo).map(Some)
}

/// Replays `base..head` on `base`, keeping authors; `None` on conflicts.
pub(crate) fn rebase(
    repo: &Repository,
    base: Oid,
    head: Oid,
    committer: &Signature<'_>,
) -> Result<Option<Oid>, git2::Error> {
    let mut tip = base;
    for oid in between(repo, base, head)? {
        let commit = repo.find_commit(oid)?;
        if commit.parent_count() > 1 {
            continue;
        }
        let mut index = repo.cherrypick_commit(&commit, &repo.find_commit(tip)?, 0, None)?;
        if index.has_conflicts() {
            return Ok(None);
        }
        let tree = repo.find_tree(index.write_tree_to(repo)?)?;
        let message = commit.message().unwrap_or_default();
        let parent = repo.find_commit(tip)?;
        tip = repo.commit(None, &commit.author(), committer, message, &tree, &[&parent])?;
    }
    Ok(Some(tip))
}
