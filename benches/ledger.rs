//! The ledger against Git itself, on the same repository in the same run: appending against `git commit -S`, verifying
//! against `git log --format=%G?`.
//!
//! `cargo bench --bench ledger` takes 20,000 entries; `COUNTERSIGN_BENCH_ENTRIES=600 cargo bench --bench ledger` is a
//! quick look.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that meets the unexpected must stop, and prints what it measured"
)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use countersign::{
    domain::{
        authentic::{payload, signed},
        ids::{Digest, Sha},
        policy::Tier,
    },
    ledger::{Ledger, for_one_reading, verify},
};
use git2::{ObjectType, Repository};

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/it/ledger/world.rs"]
mod world;

use world::{Story, World, at, branch, committer};

/// Commits that `git` signs to be compared with.
const GIT_COMMITS: u32 = 100;
/// Commits that `git` verifies before the time for all of them is estimated.
const GIT_SAMPLE: usize = 200;
/// Git gets no longer than this to verify.
const GIT_WITHIN: Duration = Duration::from_secs(240);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--peak-memory") {
        return peak_memory(Path::new(&args[at + 1]), args[at + 2].parse().unwrap());
    }
    let entries: u32 = std::env::var("COUNTERSIGN_BENCH_ENTRIES").map_or(20_000, |n| n.parse().unwrap());
    let world = World::new();
    append(&world, entries);
    verify_against_git(&world);
}

fn append(world: &World, entries: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = runtime.block_on(world.open("writer"));
    let singles = runtime.block_on(one_by_one(&ledger));
    let started = Instant::now();
    let mut written = 0;
    let lives: Vec<Story> = (1_000..1_000 + entries / 6)
        .map(|n| Story::new(n, Tier::Medium))
        .collect();
    for some in lives.chunks(100) {
        let drafts = some.iter().flat_map(Story::all).collect();
        written += runtime.block_on(ledger.append(drafts)).unwrap().len();
    }
    let together = rate(written, started.elapsed());
    runtime.block_on(ledger.close());
    let pure = commit_and_sign(world);
    let git = git_commit(world);
    println!("append, entries a second, on the same repository:");
    println!("  git commit -S                         {git:>9.0}");
    println!(
        "  one entry a push, acknowledged        {singles:>9.0}   {:>6.1}x",
        singles / git
    );
    println!(
        "  600 entries a push, acknowledged      {together:>9.0}   {:>6.1}x",
        together / git
    );
    println!(
        "  commit and sign alone                 {pure:>9.0}   {:>6.1}x",
        pure / git
    );
}

async fn one_by_one(ledger: &Ledger) -> f64 {
    let drafts: Vec<_> = (1..30).flat_map(|n| Story::new(n, Tier::Medium).all()).collect();
    let (count, started) = (drafts.len(), Instant::now());
    for draft in drafts {
        ledger.append(vec![draft]).await.unwrap();
    }
    rate(count, started.elapsed())
}

/// What a commit costs without admission and push.
fn commit_and_sign(world: &World) -> f64 {
    let repo = Repository::init_bare(world.root.path().join("pure")).unwrap();
    let message = git(&world.remote(), &["log", "-1", "--format=%B", "ledger"]);
    let tree = repo.treebuilder(None).unwrap().write().unwrap();
    let sha = |id: git2::Oid| id.to_string().parse::<Sha>().unwrap();
    let key = &world.keys[0].1;
    let (mut parent, started) = (None, Instant::now());
    let count = 2_000;
    for _ in 0..count {
        let unsigned = payload(sha(tree), parent, &committer(), at(0), &message);
        let armor = key.sign(unsigned.as_bytes()).unwrap();
        let bytes = signed(&unsigned, &armor).unwrap();
        parent = Some(sha(repo
            .odb()
            .unwrap()
            .write(ObjectType::Commit, &bytes)
            .unwrap()));
    }
    rate(count, started.elapsed())
}

fn git_commit(world: &World) -> f64 {
    let key = world.root.path().join("key");
    world.keys[0].1.save(&key).unwrap();
    let message = world.root.path().join("message");
    std::fs::write(
        &message,
        git(&world.remote(), &["log", "-1", "--format=%B", "ledger"]),
    )
    .unwrap();
    let clone = world.root.path().join("work");
    git(
        world.root.path(),
        &["clone", "-q", "-b", "ledger", "remote.git", "work"],
    );
    let signing = format!("user.signingkey={}", key.display());
    let started = Instant::now();
    for _ in 0..GIT_COMMITS {
        let args = [
            "-c",
            "gpg.format=ssh",
            "-c",
            &signing,
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.com",
            "commit",
            "-q",
            "-S",
            "--allow-empty",
            "-F",
            message.to_str().unwrap(),
        ];
        git(&clone, &args);
    }
    rate(GIT_COMMITS as usize, started.elapsed())
}

fn verify_against_git(world: &World) {
    let clone = world.root.path().join("clone.git");
    git(
        world.root.path(),
        &["clone", "-q", "--bare", "remote.git", "clone.git"],
    );
    git(&clone, &["repack", "-qad"]);
    let signers = world.root.path().join("allowed_signers");
    std::fs::write(&signers, git(&clone, &["show", "ledger:allowed_signers"])).unwrap();
    for_one_reading();
    let mut best = Duration::MAX;
    let mut entries = 0;
    for _ in 0..3 {
        let started = Instant::now();
        let report = verify(&clone, &branch(), world.begun.genesis, None, |_, _| {}).unwrap();
        best = best.min(started.elapsed());
        assert!(report.sound(), "{:?}", report.findings.first());
        entries = usize::try_from(report.entries).unwrap();
    }
    let (checked, took) = git_verify(&clone, &signers, entries);
    let (ours, theirs) = (rate(entries, best), rate(checked, took));
    println!("verify, entries a second, on the same repository of {entries} entries:");
    println!(
        "  git log --format=%G?                  {theirs:>9.0}            ({checked} commits in {:.1} s)",
        took.as_secs_f64()
    );
    println!(
        "  countersign audit verify              {ours:>9.0}   {:>6.0}x   ({entries} entries in {:.2} s)",
        ours / theirs,
        best.as_secs_f64()
    );
    let short = world.root.path().join("short.git");
    git(
        world.root.path(),
        &["clone", "-q", "--bare", "clone.git", "short.git"],
    );
    let back = format!("ledger~{}", entries - entries / 10);
    git(&short, &["update-ref", "refs/heads/ledger", &back]);
    git(&short, &["reflog", "expire", "--all", "--expire=now"]);
    git(&short, &["repack", "-qad"]);
    println!("peak memory of verify:");
    for repo in [&short, &clone] {
        let told = child(repo, world.begun.genesis);
        println!("  {told}");
    }
}

/// `git log --format=%G?` on all commits when it ends in time, else on as many as fit.
fn git_verify(repo: &Path, signers: &Path, entries: usize) -> (usize, Duration) {
    let config = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    let run = |count: usize| {
        let most = format!("-{count}");
        let started = Instant::now();
        let log = git(repo, &["-c", &config, "log", &most, "--format=%G?", "ledger"]);
        assert!(log.lines().all(|line| line == "G"), "git finds a bad signature");
        (log.lines().count(), started.elapsed())
    };
    let (checked, took) = run(GIT_SAMPLE.min(entries));
    let each = took.as_secs_f64() / checked as f64;
    let fit = (GIT_WITHIN.as_secs_f64() / each) as usize;
    run(fit.min(entries))
}

fn child(repo: &Path, genesis: Digest) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--peak-memory")
        .arg(repo)
        .arg(genesis.to_string())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn peak_memory(repo: &Path, genesis: Digest) {
    for_one_reading();
    let report = verify(repo, &branch(), genesis, None, |_, _| {}).unwrap();
    let status = std::fs::read_to_string(PathBuf::from("/proc/self/status")).unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("not known here");
    println!("{:>6} entries: {}", report.entries, peak.trim());
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        // Git's own housekeeping would take locks in the middle of what is measured.
        .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
