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

/// The text with digests, commits and keys by their names only.
fn plain(text: &str) -> String {
    let word = |word: &str| {
        let (stem, comma) = word.strip_suffix(',').map_or((word, ""), |stem| (stem, ","));
        let name = match stem {
            _ if stem.starts_with("sha256:") => "[digest]",
            _ if stem.starts_with("SHA256:") => "[key]",
            _ if stem.len() == 40 && stem.chars().all(|c| c.is_ascii_hexdigit()) => "[commit]",
            _ => stem,
        };
        format!("{name}{comma}")
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
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
    insta::assert_snapshot!(plain(&told.join("\n")), @r"
    sound: everything on `ledger` is part of the record

    written  2026-09-21 14:13 UTC to 2026-09-21 14:13 UTC
    kinds    1 genesis, 2 received, 1 opened, 1 reviewed, 1 merged, 1 started, 1 finished
    genesis  [digest]
    head     [digest]
    commit   [commit]

    proved
      + it begins with the entry whose digest you gave
      + every entry is signed by a key of this ledger, in a role that may write it
      + every entry names the digest of the one before: none was edited, dropped, inserted or re-ordered
      + every entry may follow what came before it
    not proved
      - that nothing was cut off at its end: give a checkpoint kept elsewhere (`--checkpoint FILE`)
      - that the target systems did what was recorded: compare with their own records
    ");
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
    insta::assert_snapshot!(found, @r"
    x ledger, position 7: the ledger does not hold the checkpoint's entry 8: it was truncated or rewritten
      entries that were there when the checkpoint was taken are gone or changed
    ");
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
    insta::assert_snapshot!(error.trim(), @"error: neither `log` nor `origin/log` is a branch here; name the ledger's branch, or fetch it");
}

#[tokio::test]
async fn log_and_trace_tell_the_story() {
    let world = told().await;
    let clone = world.root.path().join("clone");
    let (out, _, code) = audit(&clone, &["log"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(plain(&out), @r"
    0  2026-09-21 14:13 UTC  genesis              the ledger of acme/approvals begins
    1  2026-09-21 14:13 UTC  received             pay ACME Ltd 1 12,500.00 EUR, from agent-1, medium tier
    2  2026-09-21 14:13 UTC  opened               pay ACME Ltd 1 12,500.00 EUR, as pull request 1
    3  2026-09-21 14:13 UTC  reviewed             approved: pay ACME Ltd 1 12,500.00 EUR, by alice (finance), 1 of 1
    4  2026-09-21 14:13 UTC  merged               pay ACME Ltd 1 12,500.00 EUR, as 03030303
    5  2026-09-21 14:13 UTC  started              pay ACME Ltd 1 12,500.00 EUR, attempt 1
    6  2026-09-21 14:13 UTC  finished             executed: pay ACME Ltd 1 12,500.00 EUR
    7  2026-09-21 14:13 UTC  received             pay ACME Ltd 2 12,500.00 EUR, from agent-2, high tier
    ");
    let id = Story::new(1, Tier::Medium).proposal.id.to_string();
    let (out, _, code) = audit(&clone, &["trace", &id]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(plain(&out), @r"
    proposal 01M3250VZ80000000000000001
    what     pay ACME Ltd 1 12,500.00 EUR (payments.create)
    who      agent agent-1, sponsor sam
    tier     medium
    action   [digest]
    now      executed

         1  2026-09-21T14:13:21.000Z  received: pay ACME Ltd 1 12,500.00 EUR, from agent-1, medium tier
            commit [commit]
            entry [digest]
            written by gate with [key]
            policy [digest]
         2  2026-09-21T14:13:21.000Z  opened: pay ACME Ltd 1 12,500.00 EUR, as pull request 1
            commit [commit]
            entry [digest]
            written by gate with [key]
            report [digest]
            head [commit] on [commit]
         3  2026-09-21T14:13:21.000Z  approved: pay ACME Ltd 1 12,500.00 EUR, by alice (finance), 1 of 1
            commit [commit]
            entry [digest]
            written by gate with [key]
            account 17, review 8, on head [commit]
         4  2026-09-21T14:13:21.000Z  merged: pay ACME Ltd 1 12,500.00 EUR, as 03030303
            commit [commit]
            entry [digest]
            written by gate with [key]
            merge [commit]
         5  2026-09-21T14:13:21.000Z  started: pay ACME Ltd 1 12,500.00 EUR, attempt 1
            commit [commit]
            entry [digest]
            written by executor with [key]
            plan [digest]
            instance one, until 2026-09-21T14:14:21.000Z
         6  2026-09-21T14:13:21.000Z  executed: pay ACME Ltd 1 12,500.00 EUR
            commit [commit]
            entry [digest]
            written by executor with [key]

    people   agent agent-1, alice, sam (sponsor)
    ");
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
