//! The audit commands as an auditor meets them, on a clone.

use std::{path::Path, process::Command};

use countersign::domain::policy::Tier;

use super::world::{Story, World};

/// What the program said, and its exit code.
fn audit(dir: &Path, args: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("audit")
        .args(args)
        .current_dir(dir)
        .env_remove("COUNTERSIGN_GENESIS")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap(),
    )
}

async fn told() -> World {
    let world = World::new();
    let ledger = world.open("one").await;
    ledger.append(Story::new(1, Tier::Medium).all()).await.unwrap();
    ledger
        .append(vec![Story::new(2, Tier::High).received()])
        .await
        .unwrap();
    ledger.close().await;
    world.git(&["symbolic-ref", "HEAD", "refs/heads/ledger"]);
    world.git(&["clone", "-q", ".", "../clone"]);
    world.git(&["-C", "../clone", "checkout", "-q", "--detach"]);
    world.git(&["-C", "../clone", "branch", "-qD", "ledger"]);
    world
}

#[tokio::test]
async fn a_sound_ledger_is_proved_from_a_clone() {
    let world = told().await;
    let clone = world.root.path().join("clone");
    let genesis = world.begun.genesis.to_string();
    let (out, error, code) = audit(&clone, &["verify", "--genesis", &genesis]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(error, "");
    let told: Vec<&str> = out.lines().filter(|line| !line.starts_with("entries")).collect();
    insta::assert_snapshot!(told.join("\n"), @"");
    let (out, _, code) = audit(&clone, &["verify", ".", "--genesis", &genesis, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["sound"], &report["entries"]),
        (0, &true.into(), &8.into())
    );
}

#[tokio::test]
async fn findings_have_their_own_exit_code() {
    let world = told().await;
    let key = world.root.path().join("gate");
    world.keys[0].1.save(&key).unwrap();
    let genesis = world.begun.genesis.to_string();
    let note = world.root.path().join("note");
    let (key, note) = (key.to_str().unwrap(), note.to_str().unwrap());
    let (out, error, code) = audit(
        &world.remote(),
        &["checkpoint", "--genesis", &genesis, "--key", key, "--out", note],
    );
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    let with_note = ["verify", "--genesis", &genesis, "--checkpoint", note];
    assert_eq!(audit(&world.remote(), &with_note).2, 0);
    world.git(&["update-ref", "refs/heads/ledger", "ledger~1"]);
    assert_eq!(audit(&world.remote(), &["verify", "--genesis", &genesis]).2, 0);
    let (out, _, code) = audit(&world.remote(), &with_note);
    assert_eq!(code, 3, "{out}");
    let found = out.split_once("\nfound\n").unwrap().1;
    insta::assert_snapshot!(found, @"");
    // Bad usage, and things that are not there.
    assert_eq!(audit(&world.remote(), &["verify"]).2, 2);
    assert_eq!(audit(&world.remote(), &["verify", "--genesis", "sha256:12"]).2, 2);
    let (_, error, code) = audit(world.root.path(), &["verify", "--genesis", &genesis]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with("error: the repository at `.` can't be read"),
        "{error}"
    );
    let (_, error, code) = audit(
        &world.remote(),
        &["verify", "--genesis", &genesis, "--branch", "log"],
    );
    assert_eq!(code, 1);
    insta::assert_snapshot!(error.trim(), @"");
}

#[tokio::test]
async fn log_and_trace_tell_the_story() {
    let world = told().await;
    let clone = world.root.path().join("clone");
    let (out, _, code) = audit(&clone, &["log"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @"");
    let id = Story::new(1, Tier::Medium).proposal.id.to_string();
    let (out, _, code) = audit(&clone, &["trace", &id]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @"");
    let (out, _, _) = audit(&clone, &["trace", &id, "--json"]);
    let trace: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(trace["life"], "executed");
    assert_eq!(trace["entries"].as_array().unwrap().len(), 6);
    let (out, _, _) = audit(&clone, &["log", "--json"]);
    assert_eq!(out.lines().count(), 8);
    let (_, error, code) = audit(&clone, &["trace", "01M3250VZ8000000000000000Z"]);
    assert_eq!(code, 1);
    assert!(error.contains("is not on `ledger`"), "{error}");
}
