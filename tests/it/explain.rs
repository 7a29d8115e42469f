//! `countersign policy explain` on JSON lines.

pub(crate) mod realistic;

use countersign::{
    cli::policy::{Answered, Form, explain},
    domain::observation::Seen,
};
use serde_json::Value;

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
            .contains("missing field `case`")
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
    ├─ holds   the base branch's protection could be read
    ├─ holds   the bot saw what is affected
    ├─ holds   every resource has owners
    ├─ noted   an approval by a party to the proposal: carol
    ├─ noted   an approval by somebody who does not own it, or not any more: erin
    ├─ missing approvals by owners, 1 of 2: bob
    │    could: alice (finance)
    └─ holds   nobody asks for changes
    ");
}
