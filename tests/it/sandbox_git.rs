//! Real Git clients against the sandbox: clones, pushes, packs, and what rules refuse.
use countersign::sandbox::{Failure, Fault};
use serde_json::json;

use crate::sandbox::{REPO, World, git, git_ok};

#[test]
fn git_clones_pushes_and_is_refused_by_rules() {
    let world = World::new();
    let home = tempfile::tempdir().unwrap();
    let token = world.sandbox.user_token("alice").unwrap();
    git_ok(home.path(), &["clone", "-q", &world.remote(&token), "work"]);
    let work = home.path().join("work");
    assert!(work.join("README.md").exists());
    git_ok(&work, &["checkout", "-qb", "feature"]);
    std::fs::write(work.join("x.txt"), "x\n").unwrap();
    git_ok(&work, &["add", "."]);
    git_ok(&work, &["commit", "-qm", "Add x"]);
    git_ok(&work, &["push", "-q", "origin", "feature"]);
    let head = git_ok(&work, &["rev-parse", "HEAD"]);
    assert_eq!(world.sandbox.branch_head(REPO, "feature").unwrap(), head);

    world
        .sandbox
        .reserve_branches(REPO, "ledger", "refs/heads/ledger", world.app.id)
        .unwrap();
    world
        .sandbox
        .add_ruleset(
            REPO,
            &json!({
                "name": "no force", "enforcement": "active",
                "conditions": { "ref_name": { "include": ["refs/heads/feature"], "exclude": [] } },
                "rules": [{ "type": "non_fast_forward" }],
            }),
        )
        .unwrap();
    let refused = git(&work, &["push", "origin", "feature:ledger"]);
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        words.contains("GH013") && words.contains("hook declined"),
        "{words}"
    );

    git_ok(&work, &["commit", "-q", "--amend", "-m", "Add x differently"]);
    let refused = git(&work, &["push", "--force", "origin", "feature"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Cannot force-push"));
    assert_eq!(world.sandbox.branch_head(REPO, "feature").unwrap(), head);

    git_ok(
        &work,
        &["push", "-q", &world.remote(&world.token()), "feature:ledger"],
    );
    assert!(world.sandbox.branch_head(REPO, "ledger").is_ok());

    let stranger = git(home.path(), &["clone", "-q", &world.remote("nonsense"), "other"]);
    assert!(!stranger.status.success());
}

#[test]
fn git_brings_large_packs_and_many_wants() {
    let world = World::new();
    let home = tempfile::tempdir().unwrap();
    let remote = world.remote(&world.sandbox.user_token("alice").unwrap());
    for at in 0..40 {
        let (branch, content) = (format!("b{at}"), at.to_string());
        world
            .sandbox
            .as_user("bob")
            .push_files(REPO, &branch, &[("x.txt", &content)], "X", false)
            .unwrap();
    }
    git_ok(home.path(), &["clone", "-q", &remote, "."]);
    let noise: Vec<u8> = (0..3_000_000).map(|_| rand::random()).collect();
    std::fs::write(home.path().join("noise.bin"), noise).unwrap();
    git_ok(home.path(), &["add", "."]);
    git_ok(home.path(), &["commit", "-qm", "Noise"]);
    git_ok(home.path(), &["push", "-q", "origin", "HEAD:refs/heads/noise"]);
    git_ok(
        home.path(),
        &[
            "push",
            "-q",
            "--atomic",
            "origin",
            "HEAD:refs/heads/n1",
            "HEAD:refs/heads/n2",
        ],
    );
    git_ok(home.path(), &["push", "-q", "origin", ":n1"]);
    assert!(world.sandbox.branch_head(REPO, "n1").is_err());
    assert!(world.sandbox.branch_head(REPO, "n2").is_ok());
    let other = tempfile::tempdir().unwrap();
    git_ok(
        other.path(),
        &["clone", "-q", "--depth", "1", "--branch", "noise", &remote, "."],
    );
}

#[test]
fn a_push_may_fail_before_or_after_it_took_effect() {
    let world = World::new();
    let home = tempfile::tempdir().unwrap();
    let remote = world.remote(&world.sandbox.user_token("alice").unwrap());
    git_ok(home.path(), &["clone", "-q", &remote, "."]);
    let path = "/acme/ops.git/git-receive-pack";
    world
        .sandbox
        .fault(Fault::once("POST", path, Failure::Before { status: 502 }));
    assert!(
        !git(home.path(), &["push", "-q", "origin", "HEAD:refs/heads/a"])
            .status
            .success()
    );
    assert!(world.sandbox.branch_head(REPO, "a").is_err());
    world
        .sandbox
        .fault(Fault::once("POST", path, Failure::After { status: 502 }));
    assert!(
        !git(home.path(), &["push", "-q", "origin", "HEAD:refs/heads/a"])
            .status
            .success()
    );
    assert!(world.sandbox.branch_head(REPO, "a").is_ok());
}
