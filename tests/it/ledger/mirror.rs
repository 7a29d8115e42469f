//! The mirror: policies in, proposals out, merges as Git shows them.

use countersign::{
    domain::{
        ids::{BranchName, Digest, Sha},
        policy::{Tier, policy_digest},
        source::write_yaml,
    },
    ledger::{MergeReadError, Mirror, MirrorError, ProposalCommit},
};
use git2::{Oid, Repository};

use super::world::{Story, World, at, committer};

fn main_branch() -> BranchName {
    "main".parse().unwrap()
}

fn sha(id: Oid) -> Sha {
    id.to_string().parse().unwrap()
}

/// Commits files (path, content, mode) on top of `main`.
fn commit(world: &World, files: &[(&str, &[u8], u32)]) -> Sha {
    let repo = Repository::open_bare(world.remote()).unwrap();
    let parent = repo
        .find_reference("refs/heads/main")
        .ok()
        .map(|r| r.peel_to_commit().unwrap());
    let base = match &parent {
        Some(parent) => parent.tree().unwrap(),
        None => repo
            .find_tree(repo.treebuilder(None).unwrap().write().unwrap())
            .unwrap(),
    };
    let mut update = git2::build::TreeUpdateBuilder::new();
    for (path, content, mode) in files {
        let mode = match mode {
            0o120_000 => git2::FileMode::Link,
            _ => git2::FileMode::Blob,
        };
        update.upsert(*path, repo.blob(content).unwrap(), mode);
    }
    let tree = repo
        .find_tree(update.create_updated(&repo, &base).unwrap())
        .unwrap();
    let who = git2::Signature::new("alice", "alice@example.com", &git2::Time::new(1_790_000_000, 0)).unwrap();
    let parents: Vec<_> = parent.iter().collect();
    let id = repo
        .commit(Some("refs/heads/main"), &who, &who, "change", &tree, &parents)
        .unwrap();
    sha(id)
}

fn mirror(world: &World) -> Mirror {
    let remote = world.remote().to_str().unwrap().to_owned();
    Mirror::open(&world.root.path().join("mirror"), remote, None).unwrap()
}

fn proposal(story: &Story) -> ProposalCommit {
    let directory = story.proposal.directory();
    ProposalCommit {
        branch: story.proposal.branch().parse().unwrap(),
        base_branch: main_branch(),
        files: vec![
            (
                format!("{directory}/proposal.yaml"),
                write_yaml(&story.proposal, &[]).unwrap().into_bytes(),
            ),
            (format!("{directory}/report.md"), b"# Report\n".to_vec()),
        ],
        message: "Propose a payment\n".into(),
        author: committer(),
        at: at(5),
    }
}

#[tokio::test]
async fn policies_are_read_as_they_stand_on_the_remote() {
    let world = World::new();
    commit(
        &world,
        &[
            ("README.md", b"x", 0o100_644),
            ("policies/CODEOWNERS", b"* @acme/all\n", 0o100_644),
            ("policies/checks/a.yaml", b"a: 1\n", 0o100_644),
        ],
    );
    let mirror = mirror(&world);
    let (head, files) = mirror.policy_files(&main_branch()).await.unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["CODEOWNERS", "checks/a.yaml"]);
    assert_eq!(mirror.head_of(&main_branch()).await.unwrap(), Some(head));
    let newer = commit(&world, &[("policies/checks/a.yaml", b"a: 2\n", 0o100_644)]);
    let (head, files) = mirror.policy_files(&main_branch()).await.unwrap();
    assert_eq!((head, files[1].text.as_str()), (newer, "a: 2\n"));
    for (content, mode, why) in [
        (
            b"\xff".to_vec(),
            0o100_644,
            "`policies/x:1:1` is not UTF-8 text; save it so",
        ),
        (
            vec![b'x'; (1 << 20) + 1],
            0o100_644,
            "`policies/x` is larger than 1 MiB; split it",
        ),
        (
            b"/etc/passwd".to_vec(),
            0o120_000,
            "`policies/x` is a symbolic link; put the file itself there",
        ),
    ] {
        commit(&world, &[("policies/x", &content, mode)]);
        let error = mirror.policy_files(&main_branch()).await.unwrap_err();
        assert_eq!(error.to_string(), why);
    }
    assert_eq!(mirror.policy_files_at(head).await.unwrap(), files);
    let none = mirror
        .policy_files(&"nowhere".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(none, MirrorError::NoBranch(_)), "{none}");
}

#[tokio::test]
async fn a_proposal_is_pushed_once_however_often_it_is_asked_for() {
    let world = World::new();
    let base = commit(&world, &[("policies/CODEOWNERS", b"", 0o100_644)]);
    let (mirror, story) = (mirror(&world), Story::new(1, Tier::Medium));
    let pushed = mirror.push_proposal(proposal(&story)).await.unwrap();
    assert_eq!(pushed.base, base);
    // The base moves on; the proposal's commit stays what it is.
    commit(&world, &[("other", b"", 0o100_644)]);
    assert_eq!(mirror.push_proposal(proposal(&story)).await.unwrap(), pushed);
    let mut other = proposal(&story);
    other.files[1].1.push(b'x');
    let error = mirror.push_proposal(other).await.unwrap_err();
    assert!(matches!(error, MirrorError::Taken { .. }), "{error}");
    let path = format!("{}/report.md", story.proposal.directory());
    assert_eq!(
        mirror.file_at(pushed.head, &path).await.unwrap(),
        Some(b"# Report\n".to_vec())
    );
    assert_eq!(mirror.file_at(pushed.base, &path).await.unwrap(), None);
    let branch: BranchName = story.proposal.branch().parse().unwrap();
    mirror.delete_branch(&branch).await.unwrap();
    mirror.delete_branch(&branch).await.unwrap();
    assert_eq!(mirror.head_of(&branch).await.unwrap(), None);
}

#[tokio::test]
async fn a_path_that_leaves_the_tree_is_refused() {
    let world = World::new();
    commit(&world, &[("x", b"", 0o100_644)]);
    let (mirror, story) = (mirror(&world), Story::new(1, Tier::Medium));
    for path in ["../x", "a/../b", ".git/config", "a//b", ""] {
        let mut bad = proposal(&story);
        bad.files[0].0 = path.into();
        let error = mirror.push_proposal(bad).await.unwrap_err();
        assert!(matches!(error, MirrorError::Path(..)), "{path}: {error}");
    }
}

#[tokio::test]
async fn i14_a_merge_is_read_from_git_alone() {
    let world = World::new();
    commit(&world, &[("policies/CODEOWNERS", b"* @acme/all\n", 0o100_644)]);
    let (mirror, story) = (mirror(&world), Story::new(1, Tier::Medium));
    let pushed = mirror.push_proposal(proposal(&story)).await.unwrap();
    let repo = Repository::open_bare(world.remote()).unwrap();
    let id = |sha: Sha| Oid::from_bytes(sha.as_bytes()).unwrap();
    let (base, head) = (id(pushed.base), id(pushed.head));
    let who = git2::Signature::new("bot", "bot@example.com", &git2::Time::new(1_790_000_009, 0)).unwrap();
    let (base, head) = (repo.find_commit(base).unwrap(), repo.find_commit(head).unwrap());
    let merge = repo
        .commit(
            Some("refs/heads/main"),
            &who,
            &who,
            "Merge",
            &head.tree().unwrap(),
            &[&base, &head],
        )
        .unwrap();
    let directory = story.proposal.directory();
    let read = mirror
        .merge(sha(merge), &main_branch(), &directory, at(9), None)
        .await
        .unwrap();
    assert!(read.reachable);
    assert_eq!(read.parents, [pushed.base, pushed.head]);
    assert_eq!(
        read.changed,
        [
            format!("{directory}/proposal.yaml"),
            format!("{directory}/report.md")
        ]
    );
    assert_eq!(read.proposal, story.proposal);
    assert_eq!(read.presentation, Digest::of(b"# Report\n"));
    assert_eq!(read.policy_before, read.policy_after);
    let files = mirror.policy_files_at(pushed.base).await.unwrap();
    assert_eq!(read.policy_after, policy_digest(&files));
    // The branch is put back: the merge is in the repository and not on the branch any more.
    repo.reference("refs/heads/main", base.id(), true, "back")
        .unwrap();
    let read = mirror
        .merge(sha(merge), &main_branch(), &directory, at(9), None)
        .await
        .unwrap();
    assert!(!read.reachable);
    let error = mirror
        .merge(pushed.base, &main_branch(), &directory, at(9), None)
        .await
        .unwrap_err();
    assert!(matches!(error, MergeReadError::Missing { .. }), "{error}");
}
