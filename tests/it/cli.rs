//! The program as people and scripts run it: exit codes, help, JSON, and what it says when it can't.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// The program, with nothing of this machine's environment but what Git and temporary files need.
pub(crate) fn countersign() -> Command {
    let mut command = Command::cargo_bin("countersign").unwrap();
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

/// What a run printed and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(args: &[&str]) -> Ran {
    run_with(args, "")
}

pub(crate) fn run_with(args: &[&str], stdin: &str) -> Ran {
    let output = countersign().args(args).write_stdin(stdin).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

#[test]
fn every_command_has_help_and_bad_usage_is_two() {
    let commands = [
        &["demo"][..],
        &["init"],
        &["serve"],
        &["doctor"],
        &["sandbox"],
        &["propose"],
        &["status"],
        &["result"],
        &["erase"],
        &["freeze"],
        &["resolve"],
        &["rollback"],
        &["inbox"],
        &["inbox", "list"],
        &["inbox", "retry"],
        &["index"],
        &["index", "status"],
        &["index", "rebuild"],
        &["credentials"],
        &["credentials", "show"],
        &["credentials", "rotate"],
        &["audit"],
        &["audit", "verify"],
        &["audit", "log"],
        &["audit", "trace"],
        &["audit", "sample"],
        &["audit", "checkpoint"],
        &["policy"],
        &["policy", "explain"],
        &["policy", "owners"],
        &["completions"],
        &["man"],
    ];
    for command in commands {
        let ran = run(&[command, &["--help"]].concat());
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.err);
        assert!(ran.out.contains("Usage: countersign"), "{command:?}: {}", ran.out);
        assert!(
            !ran.out.contains('\u{1b}'),
            "{command:?} paints where nobody looks"
        );
        assert_eq!(
            run(&[command, &["--no-such-flag"]].concat()).code,
            2,
            "{command:?}"
        );
    }
    assert_eq!(run(&[]).code, 2);
    assert_eq!(
        run(&["--version"]).out,
        format!("countersign {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_and_pages_come_from_the_same_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        for word in ["demo", "propose", "policies-out"] {
            assert!(ran.out.contains(word), "{shell} does not complete {word}");
        }
    }
    assert!(run(&["man"]).out.contains(".TH countersign 1"));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", "--dir", at(dir.path())]).code, 0);
    for page in [
        "countersign.1",
        "countersign-propose.1",
        "countersign-audit-verify.1",
    ] {
        assert!(dir.path().join(page).exists(), "{page} is missing");
    }
}

#[test]
fn serve_names_everything_that_is_missing() {
    let ran = run(&["serve"]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.err);
}

#[test]
fn a_proposal_that_cannot_be_read_or_sent_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    countersign::ledger::Signer::generate()
        .unwrap()
        .save(&key)
        .unwrap();
    let propose = |file: &str, stdin: &str| {
        let server = "http://127.0.0.1:9";
        run_with(
            &[
                "propose",
                "-f",
                file,
                "--agent",
                "a-1",
                "--key",
                at(&key),
                "--server",
                server,
            ],
            stdin,
        )
    };
    let whole = "operation: a.b\nsponsor: carol\nparameters: {}\njustification: because\n";
    let said = |ran: Ran| {
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert_eq!(ran.out, "");
        ran.err.lines().next().unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(said(propose("/no/such/file", "")), @"error: can't read `/no/such/file`: No such file or directory (os error 2)");
    insta::assert_snapshot!(said(propose("-", "a: [")), @"error: standard input:1:4: unclosed bracket '['");
    insta::assert_snapshot!(said(propose("-", "[1, 2]")), @"error: `standard input` is not a proposal: it holds no fields");
    insta::assert_snapshot!(said(propose("-", "operation: a.b\noperation: a.b\n")), @"error: standard input:2:1: the key `operation` appears twice; keep one");
    insta::assert_snapshot!(said(propose("-", &whole.replace("carol", "'no name'"))), @"error: `standard input`: `no name` is not a person's name: a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most");
    insta::assert_snapshot!(said(propose("-", &whole.replace("{}", "{ amount: 1.5 }"))), @"error: `/items/0/parameters/amount` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)");
    insta::assert_snapshot!(said(propose("-", whole)), @"error: can't reach the gate at `http://127.0.0.1:9/`: Connection refused (os error 111)");
}

#[test]
fn an_agent_without_a_key_or_with_an_open_one_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&["propose", "-f", "-", "--agent", "a-1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("give `--key FILE`"), "{}", ran.err);
    let key = dir.path().join("key");
    countersign::ledger::Signer::generate()
        .unwrap()
        .save(&key)
        .unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ran = run(&["propose", "-f", "-", "--agent", "a-1", "--key", at(&key)]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("run `chmod 600"), "{}", ran.err);
}

#[test]
fn init_begins_a_local_repository_once() {
    let dir = tempfile::tempdir().unwrap();
    let remote = dir.path().join("approvals.git");
    git2::Repository::init_bare(&remote).unwrap();
    let keys = dir.path().join("keys");
    let init = |more: &[&str]| {
        let args = [
            "init",
            "--repo",
            "acme/approvals",
            "--remote",
            at(&remote),
            "--keys",
            at(&keys),
        ];
        run(&[&args[..], more].concat())
    };
    let first = init(&["--json"]);
    assert_eq!(first.code, 0, "{}", first.err);
    let begun = json(&first);
    assert_eq!(begun["begun"], true);
    let genesis = begun["genesis"].as_str().unwrap();
    for role in ["gate", "executor"] {
        let mode = std::fs::metadata(keys.join(role)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
    let verified = run(&["audit", "verify", at(&remote), "--genesis", genesis, "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert_eq!(json(&verified)["entries"], 1);
    let made = std::fs::read(keys.join("gate")).unwrap();
    let again = init(&["--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(json(&again)["begun"], false);
    assert_eq!(json(&again)["genesis"], genesis);
    assert_eq!(std::fs::read(keys.join("gate")).unwrap(), made);
    assert!(init(&[]).out.contains("had begun before"));
}

#[test]
fn init_writes_the_starter_policies_and_refuses_to_overwrite_them() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    let ran = run(&["init", "--policies-out", at(&policies)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(policies.join("catalog.yaml").exists());
    let owners = run(&[
        "policy",
        "owners",
        "--file",
        at(&policies.join("CODEOWNERS")),
        "/payments/1",
    ]);
    assert_eq!(owners.code, 0, "{}", owners.err);
    assert_eq!(run(&["init", "--policies-out", at(&policies)]).code, 1);
}

#[test]
fn init_does_not_begin_on_policies_that_do_not_compile() {
    let dir = tempfile::tempdir().unwrap();
    let (remote, policies) = (dir.path().join("r.git"), dir.path().join("policies"));
    git2::Repository::init_bare(&remote).unwrap();
    assert_eq!(run(&["init", "--policies-out", at(&policies)]).code, 0);
    let tiers: PathBuf = policies.join("tiers.yaml");
    let text = std::fs::read_to_string(&tiers).unwrap();
    std::fs::write(&tiers, text.replace("approvals: 2", "aprovals: 2")).unwrap();
    let ran = run(&[
        "init",
        "--repo",
        "acme/approvals",
        "--remote",
        at(&remote),
        "--policies",
        at(&policies),
        "--keys",
        at(&dir.path().join("keys")),
    ]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("policies/tiers.yaml:"), "{}", ran.err);
    assert!(!dir.path().join("keys").exists(), "keys were made for nothing");
    assert!(git2::Repository::open(&remote).unwrap().is_empty().unwrap());
}

pub(crate) fn at(path: &Path) -> &str {
    path.to_str().unwrap()
}
