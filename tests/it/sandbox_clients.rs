//! Clients that others wrote, unchanged: octocrab, `gh` over a unix socket, and libgit2 with a token.
use std::path::Path;
use std::process::{Command, Output};

use countersign::sandbox::{MergeMethod, Options};
use octocrab::Octocrab;
use octocrab::models::{AppId, InstallationId};
use octocrab::params::repos::Reference;
use serde_json::Value;

use crate::contract::assert_described;
use crate::sandbox::{REPO, World};

#[tokio::test]
async fn octocrab_opens_reads_and_merges() {
    let world = World::new();
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(world.app.private_key_pem.as_bytes()).unwrap();
    let app = Octocrab::builder()
        .base_uri(world.sandbox.api_url())
        .unwrap()
        .app(AppId(world.app.id), key)
        .build()
        .unwrap();
    let found = app
        .apps()
        .get_repository_installation("acme", "ops")
        .await
        .unwrap();
    assert_eq!(found.id, InstallationId(world.installation));
    let bot = app.installation(InstallationId(world.installation)).unwrap();
    world
        .sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    let head = bot
        .repos("acme", "ops")
        .get_ref(&Reference::Branch("topic".to_owned()))
        .await
        .unwrap();
    assert!(matches!(
        head.object,
        octocrab::models::repos::Object::Commit { .. }
    ));
    let pulls = bot.pulls("acme", "ops");
    let pull = pulls
        .create("Topic", "topic", "main")
        .body("words")
        .send()
        .await
        .unwrap();
    assert_eq!(pull.mergeable, Some(true));
    world.sandbox.as_user("alice").approve(REPO, pull.number).unwrap();
    let reviews = pulls.list_reviews(pull.number).send().await.unwrap();
    assert_eq!(reviews.items[0].user.as_ref().unwrap().login, "alice");
    let checks = bot.checks("acme", "ops");
    let run = checks
        .create_check_run("countersign", pull.head.sha.clone())
        .send()
        .await
        .unwrap();
    checks
        .update_check_run(run.id)
        .conclusion(octocrab::params::checks::CheckRunConclusion::Success)
        .send()
        .await
        .unwrap();
    bot.issues("acme", "ops")
        .create_comment(pull.number, "hello")
        .await
        .unwrap();
    let merged = pulls
        .merge(pull.number)
        .sha(pull.head.sha.clone())
        .send()
        .await
        .unwrap();
    assert!(merged.merged && merged.sha.is_some());
    bot.commits("acme", "ops").get(merged.sha.unwrap()).await.unwrap();
    assert_described(&world.sandbox.requests());
}

/// Runs `gh api` as alice, with a configuration of its own.
fn gh(world: &World, home: &Path, args: &[&str]) -> Output {
    Command::new("gh")
        .arg("api")
        .args(args)
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GH_CONFIG_DIR", home)
        .env("GH_HOST", "github.test")
        .env("GH_ENTERPRISE_TOKEN", world.sandbox.user_token("alice").unwrap())
        .output()
        .unwrap()
}

/// What `gh` prints when it succeeds, one value a page.
#[track_caller]
fn gh_ok(world: &World, home: &Path, args: &[&str]) -> Vec<Value> {
    let output = gh(world, home, args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "gh api {args:?}: {out}{err}");
    let pages = serde_json::Deserializer::from_str(&out).into_iter();
    pages.collect::<Result<_, _>>().unwrap()
}

#[test]
fn gh_reads_pages_and_writes_over_the_unix_socket() {
    if Command::new("gh").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "gh is missing; install it");
        eprintln!("SKIPPED: gh is missing, so GitHub's own command line was not tried");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("github.sock");
    let world = World::with(Options {
        socket: Some(socket.clone()),
        ..Options::default()
    });
    std::fs::write(
        home.path().join("config.yml"),
        format!("http_unix_socket: {}\n", socket.display()),
    )
    .unwrap();
    let bob = world.sandbox.as_user("bob");
    for branch in ["t0", "t1", "t2", "t3"] {
        bob.push_files(REPO, branch, &[(branch, "1\n")], "One", false)
            .unwrap();
    }
    for branch in ["t0", "t1", "t2"] {
        bob.open_pull(REPO, branch, "main", branch, "").unwrap();
    }
    let api = |args: &[&str]| gh_ok(&world, home.path(), args);
    assert_eq!(api(&["user"])[0]["login"], "alice");
    let pulls = "repos/acme/ops/pulls";
    let paged = format!("{pulls}?per_page=1");
    let titles = api(&[&paged, "--paginate", "--jq", "[.[].title]"]);
    assert_eq!(
        titles,
        [["t2"], ["t1"], ["t0"]].map(|page| serde_json::json!(page))
    );
    let opened = api(&[
        "-X",
        "POST",
        pulls,
        "-f",
        "title=t3",
        "-f",
        "head=t3",
        "-f",
        "base=main",
    ]);
    assert_eq!(opened[0]["user"]["login"], "alice");
    let refused = gh(&world, home.path(), &["repos/acme/nothing"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("Not Found (HTTP 404)"), "{said}");
    assert_described(&world.sandbox.requests());
    drop(world);
    assert!(!socket.exists());
}

#[test]
fn libgit2_fetches_and_pushes_with_an_app_token() {
    let world = World::new();
    let token = world.token();
    let home = tempfile::tempdir().unwrap();
    let credentials = || {
        let token = token.clone();
        let mut callbacks = git2::RemoteCallbacks::new();
        callbacks.credentials(move |_, _, _| git2::Cred::userpass_plaintext("x-access-token", &token));
        callbacks
    };
    let mut fetch = git2::FetchOptions::new();
    fetch.remote_callbacks(credentials());
    let url = format!("{}/acme/ops.git", world.sandbox.url());
    let repo = git2::build::RepoBuilder::new()
        .fetch_options(fetch)
        .clone(&url, home.path())
        .unwrap();
    let parent = repo.head().unwrap().peel_to_commit().unwrap();
    let who = git2::Signature::now("gate", "gate@example.com").unwrap();
    let oid = repo
        .commit(
            Some("refs/heads/ledger"),
            &who,
            &who,
            "genesis",
            &parent.tree().unwrap(),
            &[&parent],
        )
        .unwrap();
    let push = |spec: &str| -> Option<String> {
        let refused = std::cell::RefCell::new(None);
        let mut callbacks = credentials();
        callbacks.push_update_reference(|_, status| {
            *refused.borrow_mut() = status.map(str::to_owned);
            Ok(())
        });
        let mut options = git2::PushOptions::new();
        options.remote_callbacks(callbacks);
        repo.find_remote("origin")
            .unwrap()
            .push(&[spec], Some(&mut options))
            .unwrap();
        drop(options);
        refused.into_inner()
    };
    assert_eq!(push("refs/heads/ledger:refs/heads/ledger"), None);
    assert_eq!(
        world.sandbox.branch_head(REPO, "ledger").unwrap(),
        oid.to_string()
    );
    world
        .sandbox
        .reserve_branches(REPO, "theirs", "refs/heads/theirs/**", 1)
        .unwrap();
    assert!(
        push("refs/heads/ledger:refs/heads/theirs/x")
            .unwrap()
            .contains("declined")
    );
}

#[test]
fn a_push_that_brings_the_head_to_the_base_counts_as_a_merge() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let bob = sandbox.as_user("bob");
    bob.push_files(REPO, "one", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    let one = bob.open_pull(REPO, "one", "main", "One", "").unwrap();
    let twin = bob
        .push_files(REPO, "two", &[("b.txt", "1\n")], "Two", false)
        .unwrap();
    let two = bob.open_pull(REPO, "two", "main", "Two", "").unwrap();
    let home = tempfile::tempdir().unwrap();
    let token = sandbox.user_token("root").unwrap();
    crate::sandbox::git_ok(home.path(), &["clone", "-q", &world.remote(&token), "."]);
    crate::sandbox::git_ok(home.path(), &["push", "-q", "origin", "origin/two:main"]);
    let merged = sandbox.pull(REPO, two).unwrap();
    assert_eq!(
        (merged["merged"].as_bool(), merged["merged_by"]["login"].as_str()),
        (Some(true), Some("root"))
    );
    assert_eq!(merged["merge_commit_sha"], twin.as_str());
    bob.merge(REPO, one, MergeMethod::Rebase).unwrap();
    bob.delete_branch(REPO, "one").unwrap();
    assert!(bob.reopen(REPO, one).is_err());
}
