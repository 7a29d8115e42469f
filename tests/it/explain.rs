//! `countersign policy explain` on JSON lines.

pub(crate) mod realistic;
mod recorded;

use countersign::{
    cli::policy::{Answered, Form, explain},
    domain::observation::Seen,
};
use serde_json::Value;

use super::cli::{Ran, run};

fn told(input: &str, form: Form) -> (String, Answered) {
    let mut out = Vec::new();
    let answered = explain(&realistic::policy(), input.as_bytes(), &mut out, form).unwrap();
    (String::from_utf8(out).unwrap(), answered)
}

fn lines(input: &str) -> (Vec<Value>, Answered) {
    let (out, answered) = told(input, Form::Json);
    (
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        answered,
    )
}

fn open() -> String {
    let (case, seen) = realistic::case(&realistic::policy(), 7);
    realistic::line(&case, &seen)
}

fn waiting() -> String {
    let (mut case, mut seen) = realistic::case(&realistic::policy(), 8);
    case.reviews.remove(0);
    let Seen::Known(reviews) = &mut seen.reviews else {
        panic!("no reviews")
    };
    reviews.remove(0);
    realistic::line(&case, &seen)
}

#[test]
fn decisions_keep_the_order_of_their_lines() {
    let input = [
        open(),
        waiting(),
        "{]".into(),
        open(),
        String::new(),
        "{}".into(),
        waiting(),
    ]
    .join("\n");
    let (answers, answered) = lines(&input);
    assert_eq!(
        answered,
        Answered {
            decided: 4,
            unreadable: 2
        }
    );
    let gates: Vec<&str> = answers
        .iter()
        .map(|answer| match &answer["gate"] {
            Value::String(gate) => gate.as_str(),
            Value::Object(open) if open.contains_key("open") => "open",
            _ => "unreadable",
        })
        .collect();
    assert_eq!(
        gates,
        ["open", "waiting", "unreadable", "open", "unreadable", "waiting"]
    );
    assert_eq!(answers[2]["error"]["line"], 3);
    assert_eq!(answers[4]["error"]["line"], 6);
    assert!(
        answers[4]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("missing field `operation`")
    );
}

#[test]
fn thousands_of_lines_come_back_in_order() {
    let (one, two) = (open(), waiting());
    let input: String = (0..600)
        .map(|n| format!("{}\n", if n % 3 == 0 { &two } else { &one }))
        .collect();
    let (answers, answered) = lines(&input);
    assert_eq!(
        answered,
        Answered {
            decided: 600,
            unreadable: 0
        }
    );
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["gate"] == "waiting", n % 3 == 0, "line {n}");
    }
}

#[test]
fn a_proposal_that_was_changed_is_not_read() {
    // Its observed facts are bound by the binding's digest.
    let changed = open().replace("\"open_invoices\":3", "\"open_invoices\":4");
    let (answers, answered) = lines(&changed);
    assert_eq!(answered.unreadable, 1);
    let message = answers[0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("what was observed for item `1`"), "{message}");
    // Another amount is another action than the one that was approved.
    let (answers, _) = lines(
        &open()
            .replace("1250000", "1250001")
            .replace("-1250001", "-1250000"),
    );
    assert_eq!(answers[0]["gate"], "waiting");
}

#[test]
fn a_tree_for_people_says_what_is_missing_and_who_could() {
    let (out, _) = told(&waiting(), Form::Human);
    let policy = realistic::policy().digest().short();
    insta::assert_snapshot!(out.replace(&policy, "(policy)"), @r"
    01M81B5H800000000000000008 waiting: Pay ACME 12,500.00 EUR, invoice 2026-4711, high tier
    ├─ holds   the proposal has not ended: open
    ├─ holds   the policy in force is the one it was received under: (policy)
    ├─ holds   the catalog knows the action, and its agent may propose it
    ├─ holds   tier and checks are as recorded
    ├─ holds   every check passed
    ├─ holds   it can still be approved
    ├─ holds   its window has begun
    ├─ holds   the pull request is the one that was opened, on its base branch: 42
    ├─ holds   the head is the proposal's commit: 02020202
    ├─ holds   title and text are as the bot wrote them
    ├─ holds   its commits are the bot's alone
    ├─ holds   base branch and ledger are protected
    ├─ holds   the bot saw what is affected
    ├─ holds   every resource has owners
    ├─ noted   an approval by a party to the proposal: carol
    ├─ noted   an approval by somebody who does not own it, or not any more: erin
    ├─ missing approvals by owners, 1 of 2: bob
    │    could: alice (finance)
    └─ holds   nobody asks for changes
    ");
}

#[test]
fn facts_are_judged_without_a_case_around_them() {
    let mut one: Value = serde_json::from_str(&realistic::facts(1)).unwrap();
    one["reviews"].as_array_mut().unwrap().pop();
    let mut unknown = one.clone();
    unknown["operation"] = "payments.crate".into();
    let mut early = one.clone();
    early["now"] = "2026-11-22T09:00:00Z".into();
    let input = format!("{}\n{one}\n{unknown}\n{early}\n", realistic::facts(1));
    let (answers, answered) = lines(&input);
    assert_eq!(answered.decided, 3);
    assert_eq!(answers[0]["gate"], "open");
    assert_eq!(answers[0]["tier"], "high");
    assert_eq!(answers[0]["approvers"], serde_json::json!(["alice", "bob"]));
    assert_eq!(answers[1]["gate"], "waiting");
    assert_eq!(answers[2]["gate"], "blocked");
    assert_eq!(answers[2]["tier"], "high");
    let error = answers[3]["error"]["message"].as_str().unwrap();
    assert!(error.contains("`now` is before `at`"), "{error}");
}

/// A payment as it is sent with `countersign propose`, in a folder of its own.
fn payment_file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payment.yaml");
    let text = "\
operation: payments.create
sponsor: carol
nonce: 0123456789abcdef
justification: the invoice is due
parameters:
  supplier_id: ACME
  amount: { minor: 1250000, currency: EUR }
  reference: invoice 4711
observed:
  - before: { balance: 100000000 }
";
    std::fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    (folder, path)
}

fn policy(args: &[&str]) -> Ran {
    let args: Vec<&str> = ["policy"].iter().chain(args).copied().collect();
    run(&args)
}

#[test]
fn a_proposal_in_a_file_is_explained_as_a_tree() {
    let (_folder, file) = payment_file();
    let told = policy(&[
        "explain",
        &file,
        "--review",
        "alice=approve",
        "--review",
        "carol=approve",
    ]);
    assert_eq!((told.code, told.err.as_str()), (3, ""));
    let told: Vec<&str> = told
        .out
        .lines()
        .filter(|line| !line.contains("can still be approved"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    waiting, high tier
    ├─ holds   the catalog knows the action, and its agent may propose it
    ├─ holds   every check passed
    ├─ holds   the bot saw what is affected
    ├─ holds   every resource has owners
    ├─ noted   an approval by a party to the proposal: carol
    ├─ missing approvals by owners, 1 of 2: alice
    │    could: bob (treasury), ivan (treasury)
    └─ holds   nobody asks for changes
    ");
    let open = policy(&[
        "explain",
        &file,
        "--json",
        "--review",
        "alice=approve",
        "--review",
        "bob=approve",
    ]);
    assert_eq!((open.code, open.err.as_str()), (0, ""));
    let answer: Value = serde_json::from_str(&open.out).unwrap();
    assert_eq!(answer["approvers"], serde_json::json!(["alice", "bob"]));
}

#[test]
fn limits_are_told_as_people_write_money() {
    let (_folder, file) = payment_file();
    let limits = || {
        let told = policy(&["explain", &file, "--json"]);
        let answer: Value = serde_json::from_str(&told.out).unwrap();
        let checks = answer["checks"].as_array().unwrap().clone();
        checks
            .into_iter()
            .find(|check| check["check"] == "limits")
            .unwrap()
    };
    assert_eq!(
        limits()["problems"],
        serde_json::json!([{
            "level": "pass", "at": "/items",
            "found": "limit `per_supplier` of 50,000.00 EUR in 1d: nothing ran, and this adds 12,500.00 EUR",
        }])
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let before = "counted: { per_supplier: { ran: 4000000, others: 100 } }\n";
    std::fs::write(&file, format!("{text}{before}")).unwrap();
    assert_eq!(limits()["level"], "deny");
    assert_eq!(
        limits()["problems"][0]["found"],
        "limit `per_supplier` of 50,000.00 EUR in 1d: 40,000.00 EUR ran, 1.00 EUR of other agents wait, and this adds \
         12,500.00 EUR"
    );
    std::fs::write(
        &file,
        format!("{text}{}", before.replace("per_supplier", "per_suplier")),
    )
    .unwrap();
    let bad = policy(&["explain", &file]);
    assert!(
        bad.code == 1 && bad.err.contains("did you mean `per_supplier`?"),
        "{}",
        bad.err
    );
    std::fs::write(&file, format!("{text}{}", before.replace("ran", "runs"))).unwrap();
    let bad = policy(&["explain", &file]);
    assert!(
        bad.code == 1 && bad.err.contains("unknown field `runs`"),
        "{}",
        bad.err
    );
    std::fs::write(&file, format!("{text}{before}")).unwrap();
    let tree = policy(&["explain", &file]);
    assert!(
        tree.out
            .contains("limits at /items: limit `per_supplier` of 50,000.00 EUR in 1d"),
        "{}",
        tree.out
    );
}

#[test]
fn a_proposal_in_the_words_of_a_case_is_answered_with_its_own() {
    let (_folder, file) = payment_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let said = |from: &str, to: &str, more: &[&str]| {
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        policy(&[&["simulate", &file], more].concat()).err
    };
    for (from, to, more, meant) in [
        (
            "operation:",
            "action:",
            &[][..],
            "`action`; did you mean `operation`?",
        ),
        (
            "parameters:",
            "params:",
            &[],
            "`params`; did you mean `parameters`?",
        ),
        (
            "",
            "",
            &["--set", "reference=x"],
            "`reference`; did you mean `parameters.reference`?",
        ),
        (
            "",
            "",
            &["--set", "params.reference=x"],
            "`params`; did you mean `parameters`?",
        ),
    ] {
        // Folded to one line, as it may be broken anywhere.
        let told = said(from, to, more).replace("\n  │ ", " ");
        assert!(told.contains(meant), "{to}: {told}");
    }
}

#[test]
fn what_a_proposal_s_file_gets_wrong_is_said_with_the_next_step() {
    let (_folder, file) = payment_file();
    let bad = policy(&["explain", &file, "--review", "alice"]);
    assert_eq!(bad.code, 2);
    assert!(
        bad.err.contains("write NAME=approve or NAME=changes"),
        "{}",
        bad.err
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("payments.create", "payments.crate")).unwrap();
    let bad = policy(&["explain", &file]);
    assert_eq!(bad.code, 1);
    assert!(
        bad.err.contains("no agent may propose `payments.crate`"),
        "{}",
        bad.err
    );
    std::fs::write(&file, text.replace("minor: 1250000", "minor: 12500.00")).unwrap();
    let bad = policy(&["explain", &file]);
    assert!(
        bad.code == 1 || bad.out.contains("blocks"),
        "{}{}",
        bad.out,
        bad.err
    );
}

#[test]
fn simulating_says_what_would_be_different() {
    let (_folder, file) = payment_file();
    let told = policy(&[
        "simulate",
        &file,
        "--set",
        "parameters.supplier_id=OTHER",
        "--review",
        "alice=approve",
        "--review",
        "bob=approve",
    ]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    insta::assert_snapshot!(told.out, @r"
    tier: high, as before
    gate: waiting -> open
    - missing approvals by owners, 0 of 2
    + holds   approvals by owners, 2 of 2: alice, bob
    ");
    let json = policy(&["simulate", &file, "--set", "parameters.amount=many", "--json"]);
    let simulated: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(simulated["before"]["gate"], "waiting");
    assert_eq!(simulated["after"]["gate"], "blocked");
    let bad = policy(&["simulate", &file, "--set", "parameters.supplier_id.name=x"]);
    assert_eq!(bad.code, 1);
    assert!(bad.err.contains("`name` would stand in a value"), "{}", bad.err);
}
