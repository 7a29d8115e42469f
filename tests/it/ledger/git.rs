//! The ledger is plain Git: `git` and `ssh-keygen` alone say that every signature is good.

use std::process::Command;

use countersign::domain::policy::Tier;

use super::world::{Story, World};

/// `git` checks SSH signatures through `ssh-keygen`; without it this can't be tested, and CI must have it.
fn ssh_keygen() -> bool {
    let found = Command::new("ssh-keygen").arg("-?").output().is_ok();
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "ssh-keygen is missing; install openssh-client"
        );
        eprintln!("SKIPPED: ssh-keygen is missing, so git's own check of the signatures was not tried");
    }
    found
}

#[tokio::test]
async fn git_finds_every_signature_good_with_the_trees_allowed_signers() {
    if !ssh_keygen() {
        return;
    }
    let world = World::new();
    let ledger = world.open("one").await;
    ledger.append(Story::new(1, Tier::Medium).all()).await.unwrap();
    ledger.append(Story::new(2, Tier::Low).all()).await.ok();
    let group: Vec<_> = (10..40).map(|n| Story::new(n, Tier::Low).received()).collect();
    ledger.append(group).await.unwrap();
    let signers = world.root.path().join("allowed_signers");
    std::fs::write(&signers, world.git(&["show", "ledger:allowed_signers"])).unwrap();
    let config = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    let log = world.git(&["-c", &config, "log", "--format=%G? %GS %s", "ledger"]);
    assert!(log.lines().count() >= 8, "{log}");
    for line in log.lines() {
        assert!(
            line.starts_with("G gate@countersign ") || line.starts_with("G executor@countersign "),
            "{line}"
        );
    }
    world.git(&["-c", &config, "verify-commit", "ledger"]);
    insta::assert_snapshot!(world.git(&["log", "--reverse", "--format=%s", "ledger"]), @r"
    genesis: the ledger of acme/approvals begins
    received: pay ACME Ltd 1 12,500.00 EUR, from agent-1, medium tier
    opened: pay ACME Ltd 1 12,500.00 EUR, as pull request 1
    approved: pay ACME Ltd 1 12,500.00 EUR, by alice (finance), 1 of 1
    merged: pay ACME Ltd 1 12,500.00 EUR, as 03030303
    started: pay ACME Ltd 1 12,500.00 EUR, attempt 1
    executed: pay ACME Ltd 1 12,500.00 EUR
    received: pay ACME Ltd 2 12,500.00 EUR, from agent-2, low tier
    executed: proposal 01M3250WYG0000000000000002
    recorded 30 entries: 30 received
    ");
    let trailers = world.git(&[
        "log",
        "-1",
        "--grep=^approved",
        "--format=%(trailers:only,unfold)",
        "ledger",
    ]);
    insta::assert_snapshot!(trailers.trim(), @r"
    Proposal-Id: 01M3250VZ80000000000000001
    Kind: reviewed
    Actor: gate, for person alice
    ");
    world.git(&["fsck", "--strict"]);
}
