//! The past under other rules: `countersign audit facts` and `countersign policy replay`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign::domain::policy::compile;
use serde_json::Value;

use super::{
    cli::{Ran, run, run_with},
    explain::realistic,
    world::{REPO, git, story},
};

/// Policies with a change to one file.
pub(crate) fn candidate(policies: &Path, folder: &Path, file: &str, from: &str, to: &str) -> String {
    let to_folder = folder.join("candidate");
    fs::create_dir_all(&to_folder).unwrap();
    copy(policies, &to_folder);
    let path = to_folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {file}");
    fs::write(&path, text.replace(from, to)).unwrap();
    to_folder.display().to_string()
}

fn starter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// The policies on a repository's base branch, written to a folder.
pub(crate) fn checked_out(repo: &Path, folder: &Path) -> PathBuf {
    let policies = folder.join("policies");
    for path in git(repo, &["ls-tree", "-r", "--name-only", "main", "policies"]).lines() {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, git(repo, &["show", &format!("main:{path}")])).unwrap();
    }
    policies
}

#[tokio::test(flavor = "multi_thread")]
async fn i28_the_past_of_a_ledger_is_judged_again_under_other_rules() {
    story(async |world| {
        let paid = world.payment().await;
        world.approve("alice", &paid).await;
        world.approve("bob", &paid).await;
        assert_eq!(world.state(&paid).await, "executed");
        let sent = world.campaign().await;
        world.approve("dave", &sent).await;
        let repo = world.github.git_dir(REPO).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let policies = checked_out(&repo, folder.path());
        let (repo, in_force) = (repo.display().to_string(), policies.display().to_string());

        let facts = run(&["audit", "facts", &repo]);
        assert_eq!((facts.code, facts.err.as_str()), (0, ""));
        let lines: Vec<Value> = facts
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let payment = lines.iter().find(|line| line["id"] == paid.id).unwrap();
        assert_eq!(payment["operation"], "payments.create");
        assert_eq!(payment["reviews"].as_array().unwrap().len(), 2);

        // The same rules: what was open then is open now.
        let replay = |candidate: &str, past: &[&str], input: &str| {
            let args = [
                "policy",
                "replay",
                "--policies",
                &in_force,
                "--candidate",
                candidate,
                "--json",
            ];
            run_with(&[&args, past].concat(), input)
        };
        let same = candidate(
            &policies,
            folder.path(),
            "tiers.yaml",
            "approvals: 2 ",
            "approvals: 2  ",
        );
        let told = replay(&same, &["--ledger", &repo], "");
        assert_eq!((told.code, told.err.as_str()), (0, ""));
        assert_eq!(json(&told)["proposals"], lines.len());
        assert_eq!(json(&told)["same_rules"], 0);

        // Three approvals instead of two: the payment would have waited; nothing else differs.
        let strict = candidate(
            &policies,
            folder.path(),
            "tiers.yaml",
            "approvals: 2 ",
            "approvals: 3 ",
        );
        let told = replay(&strict, &["--ledger", &repo], "");
        assert_eq!((told.code, told.err.as_str()), (3, ""));
        let differences = json(&told)["differences"].clone();
        assert_eq!(
            differences,
            serde_json::json!([{
                "proposal": paid.id, "action": "payments.create",
                "gate": { "from": "open", "to": "waiting" },
            }])
        );
        // From the facts alone, the same answer.
        let again = replay(&strict, &["--facts", "-"], &facts.out);
        assert_eq!(json(&again)["differences"], differences);
    })
    .await;
}

#[test]
fn actions_with_the_same_rules_are_left_out_and_a_table_shows_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let note = "{\"operation\":\"crm.note\",\"agent\":\"support-agent\",\"at\":\"2026-11-22T10:00:00Z\",\
        \"parameters\":{\"customer_id\":\"C-1\",\"text\":\"called\"}}";
    let input = format!("{}\n{note}\n{note}\n", realistic::facts(1));
    let lower = candidate(
        &starter(),
        folder.path(),
        "catalog.yaml",
        "impact: low ",
        "impact: moderate ",
    );
    let told = run_with(
        &["policy", "replay", "--candidate", &lower, "--facts", "-"],
        &input,
    );
    assert_eq!((told.code, told.err.as_str()), (3, ""));
    let told: Vec<&str> = told.out.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    3 proposals; 1 of actions with the same rules in both; 2 would differ
    ──────────────────────────────────────────────────────────────────────────────────────────────
     action     proposals   tier up   tier down   newly open   newly shut   newly failing a check
    ══════════════════════════════════════════════════════════════════════════════════════════════
     crm.note           2         2           0            0            2                       0
    ──────────────────────────────────────────────────────────────────────────────────────────────
    (no id)  crm.note: tier low -> medium, gate open -> blocked
    (no id)  crm.note: tier low -> medium, gate open -> blocked
    ");
}

#[test]
fn a_line_that_is_no_facts_is_named_and_the_rest_is_still_told() {
    let folder = tempfile::tempdir().unwrap();
    let same = candidate(&starter(), folder.path(), "README.md", "", "");
    let input = format!("{}\n{{}}\n", realistic::facts(1));
    let told = run_with(
        &["policy", "replay", "--candidate", &same, "--facts", "-", "--json"],
        &input,
    );
    assert_eq!(told.code, 1);
    assert_eq!(json(&told)["proposals"], 1);
    assert_eq!(json(&told)["same_rules"], 1);
    assert!(
        told.err
            .contains("line 2 can't be read: missing field `operation`"),
        "{}",
        told.err
    );
}

#[test]
fn the_rules_of_an_action_are_the_same_only_when_all_that_bears_on_it_is() {
    let files = realistic::files();
    let policy = compile(&files).unwrap();
    let changed = |path: &str, from: &str, to: &str| {
        let mut files = files.clone();
        let file = files.iter_mut().find(|file| file.path == path).unwrap();
        assert!(file.text.contains(from));
        file.text = file.text.replacen(from, to, 1);
        compile(&files).unwrap()
    };
    let other = changed("catalog.yaml", "impact: low ", "impact: moderate ");
    assert!(!policy.same_rules(&other, "crm.note"));
    assert!(policy.same_rules(&other, "payments.create"));
    assert!(policy.same_rules(&other, "nobody.knows"));
    let comment = changed("catalog.yaml", "# What agents may do.", "# What agents can do.");
    assert!(policy.same_rules(&comment, "crm.note"));
    for (path, from, to) in [
        ("tiers.yaml", "approvals: 2 ", "approvals: 3 "),
        ("CODEOWNERS", "/crm/ ", "/crm/*"),
        ("people.yaml", "teams: [treasury]", "teams: [finance, treasury]"),
    ] {
        assert!(!policy.same_rules(&changed(path, from, to), "crm.note"), "{path}");
    }
}
