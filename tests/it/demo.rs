//! The newcomer's first minute, as the program itself tells and proves it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::cli::{at, countersign, run, run_with};

#[test]
fn the_demo_ends_well_and_leaves_a_ledger_that_proves_itself() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("demo");
    let output = countersign()
        .args(["demo", "--auto", "--dir", at(&dir)])
        .timeout(Duration::from_secs(240))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}{error}");
    assert_eq!(error, "");
    for line in [
        "the 5 approved actions, once each, and nothing else",
        "what failed half-way: the step that was done was taken back, once",
        "the account paid 864.00 EUR for good; approved for good: 864.00 EUR",
        "3 of 3 attacks",
        // A step in the target's own words, what the check said, and what is left.
        "note, the CRM: refused, the record is closed",
        "left at the bank: 0 refunds; at the CRM: 0 notes on C-1007",
        "✓ linked",
        "the bank: 12,500.00 EUR called back from ACME Ltd",
        "the check says: somebody stopped executions (entry ",
        "approved and not merged; the bank was not asked",
        "250,000.00 EUR → 249,136.00 EUR",
        "0 → 4,200",
        "0 findings",
    ] {
        assert!(told.contains(line), "`{line}` is missing:\n{told}");
    }
    // What is told fits a terminal, but for the commands at its end.
    let (told_of, _) = told.split_once("Look for yourself").unwrap();
    for line in told_of.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let genesis = told
        .split_whitespace()
        .skip_while(|word| *word != "--genesis")
        .nth(1)
        .unwrap()
        .to_owned();
    let repository = dir.join("repositories/acme/approvals.git");
    let verify =
        |repository: &Path| run(&["audit", "verify", at(repository), "--genesis", &genesis, "--json"]);
    let sound = verify(&repository);
    assert_eq!(sound.code, 0, "{}{}", sound.out, sound.err);
    let copy = root.path().join("edited.git");
    edited(&repository, &copy);
    let unsound = verify(&copy);
    assert_eq!(unsound.code, 3, "{}{}", unsound.out, unsound.err);
    let report: Value = serde_json::from_str(&unsound.out).unwrap();
    assert_eq!(report["sound"], false);
    let again = run(&["demo", "--auto", "--dir", at(&dir)]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is not empty"), "{}", again.err);
}

/// A copy whose newest ledger entry says something else.
fn edited(from: &Path, to: &Path) {
    let git = |args: &[&str]| {
        let done = Command::new("git").args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["clone", "--quiet", "--mirror", at(from), at(to)]);
    let repo = git2::Repository::open(to).unwrap();
    let head = repo
        .find_reference("refs/heads/ledger")
        .unwrap()
        .target()
        .unwrap();
    let odb = repo.odb().unwrap();
    let text = String::from_utf8(odb.read(head).unwrap().data().to_vec()).unwrap();
    assert!(text.contains("\"role\":\"executor\""), "{text}");
    let changed = text.replace("executed", "refunded");
    assert_ne!(changed, text);
    let id = odb.write(git2::ObjectType::Commit, changed.as_bytes()).unwrap();
    repo.reference("refs/heads/ledger", id, true, "edited").unwrap();
}

/// A demo that waits for its reviewers.
struct Live {
    child: Child,
    gate: String,
    github: String,
    key: std::path::PathBuf,
    _root: tempfile::TempDir,
}

impl Live {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("demo");
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("countersign"))
            .args(["demo", "--dir", at(&dir)])
            .env_remove("COUNTERSIGN_LOG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut gate, mut github) = (String::new(), String::new());
        for line in lines.by_ref() {
            let line = line.unwrap();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("gate") => words.next().unwrap().clone_into(&mut gate),
                Some("GitHub") => words.next().unwrap().clone_into(&mut github),
                Some("What") => break,
                _ => {}
            }
        }
        // Read on, so that the demo can go on speaking.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            gate,
            github,
            key: dir.join("keys/agents/payments-agent"),
            _root: root,
        }
    }

    fn speak(&self, command: &[&str], stdin: &str) -> crate::cli::Ran {
        let caller = [
            "--agent",
            "payments-agent",
            "--key",
            at(&self.key),
            "--server",
            &self.gate,
        ];
        run_with(&[command, &caller].concat(), stdin)
    }

    async fn approve(&self, login: &str, pull: u64) {
        let url = url::Url::parse(&self.github).unwrap();
        let origin = url.origin().ascii_serialization();
        let answer = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap()
            .post(format!("{origin}/acme/approvals/pull/{pull}/review"))
            .header("cookie", format!("sandbox_login={login}"))
            .header("origin", origin)
            .body("event=APPROVE&body=")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303);
    }

    /// Ctrl-C.
    fn end(&mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
    }
}

const PAYMENT: &str = "\
operation: payments.create
sponsor: carol
parameters:
  supplier_id: globex
  amount: { minor: 86400, currency: EUR }
  reference: Invoice R-4471
justification: The invoice is due on Friday
idempotency_key: invoice-r-4471
";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_proposes_waits_and_asks_at_a_live_demo() {
    let mut live = tokio::task::spawn_blocking(Live::start).await.unwrap();
    let dry = live.speak(&["propose", "-f", "-", "--dry-run", "--json"], PAYMENT);
    assert_eq!(dry.code, 0, "{}", dry.err);
    let dry: Value = serde_json::from_str(&dry.out).unwrap();
    assert_eq!(dry["assessment"]["tier"], "high");
    assert_eq!(dry["approvals_needed"], 2);
    assert_eq!(dry["distinct_teams"], true);

    let wrong = PAYMENT.replace("86400", "-1").replace("carol", "erin");
    let refused = live.speak(&["propose", "-f", "-"], &wrong);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.err, @"
    error: /sponsor: `erin` is not the sponsor of agent `payments-agent`; send `carol`
    error: /parameters/amount/minor: the value is less than the minimum of 1
      next: change these fields and propose again; nothing was recorded
    ");
    let refused = live.speak(&["propose", "-f", "-", "--json"], &wrong);
    assert_eq!(refused.code, 1);
    let problem: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(problem["status"], 422);
    assert_eq!(problem["errors"][1]["field"], "/parameters/amount/minor");

    let made = live.speak(&["propose", "-f", "-", "--json"], PAYMENT);
    assert_eq!(made.code, 0, "{}", made.err);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let status = live.speak(&["status", &id, "--json"], "");
    assert_eq!(status.code, 0, "{}", status.err);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(
        (&status["state"], &status["ended"]),
        (&"open".into(), &false.into())
    );
    assert_eq!(live.speak(&["status", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], "").code, 1);

    let tired = live.speak(&["propose", "-f", "-", "--wait", "--timeout", "1s"], PAYMENT);
    assert_eq!(tired.code, 1, "{}", tired.err);
    assert!(
        tired.err.contains("it has not ended within 1s; it is open")
            && tired.err.contains(&format!("countersign status {id}")),
        "{}",
        tired.err
    );
    let tired = live.speak(&["propose", "-f", "-", "--timeout", "1s"], PAYMENT);
    assert_eq!(tired.code, 2, "{}", tired.err);

    let waiting = {
        let caller = [
            "--agent",
            "payments-agent",
            "--key",
            at(&live.key),
            "--server",
            &live.gate,
        ];
        let mut command = countersign();
        command.args([&["propose", "-f", "-", "--wait", "--json"][..], &caller].concat());
        command.write_stdin(PAYMENT);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    // The same key is the same proposal, so that whoever waits joins the one above.
    let pull = status["pull_request"].as_u64().unwrap();
    live.approve("alice", pull).await;
    live.approve("bob", pull).await;
    let ended = waiting.await.unwrap();
    let answer: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(
        (&answer["id"], &answer["state"]),
        (&id.into(), &"executed".into()),
        "{answer:#}"
    );
    assert_eq!(ended.status.code(), Some(0));
    tokio::task::spawn_blocking(move || live.end()).await.unwrap();
}
