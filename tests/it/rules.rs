//! The rules, claim by claim, as their authors ask them: a folder of policy files to `policy lint`, a question a line to
//! `policy explain`.

mod checks;
mod gates;
mod lint;
mod own_checks;
mod owners;
mod people;
mod tiers;
mod unanswered;

use serde_json::{Value, json};

use crate::{
    authors::{self, small},
    cli::{at, run_with},
};

/// A Monday morning.
const AT: &str = "2026-03-02T09:00:00Z";

/// A folder of policy files.
struct Rules(tempfile::TempDir);

impl Rules {
    /// The small set, some texts replaced.
    fn small(edits: &[(&str, &str, &str)]) -> Self {
        Self(small(edits))
    }
    /// The same with another file.
    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join("policies").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }
    /// The answers to questions, in order.
    fn ask(&self, questions: &[Value]) -> Vec<Value> {
        let lines: String = questions.iter().map(|one| format!("{one}\n")).collect();
        let policies = self.0.path().join("policies");
        let ran = run_with(&["policy", "explain", "--policies", at(&policies)], &lines);
        assert_eq!(ran.err, "");
        let answers: Vec<Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(answers.len(), questions.len());
        answers
    }
    fn ask_one(&self, question: Value) -> Value {
        self.ask(&[question]).remove(0)
    }
    /// Everything that `policy lint` finds: severity, id, place, message, remedy.
    fn lint(&self) -> Vec<String> {
        let all = authors::json(&authors::policy(self.0.path(), "lint", &["--json"]));
        let told = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
            let place = match one["line"].as_u64() {
                Some(line) => format!("{}:{line}:{}", text("file"), one["column"]),
                None => text("file"),
            };
            format!(
                "{} {} {place} {} -> {}",
                text("severity"),
                text("id"),
                text("message"),
                text("remedy")
            )
        };
        all["findings"].as_array().unwrap().iter().map(told).collect()
    }
}

fn question(operation: &str, agent: &str, parameters: Value) -> Value {
    json!({
        "operation": operation,
        "agent": agent,
        "parameters": parameters,
        "observed": [{ "before": {}, "affected": { "count": 1 } }],
        "at": AT,
    })
}

/// A payment of 12,500.00 EUR, which is high.
fn payment() -> Value {
    let parameters = json!({
        "supplier_id": "ACME",
        "amount": { "minor": 1_250_000, "currency": "EUR" },
        "reference": "invoice 4711",
    });
    question("payments.create", "payments-agent", parameters)
}

/// A campaign, which is medium.
fn campaign() -> Value {
    let parameters = json!({ "segment_id": "spring", "subject": "News", "body": "Hello" });
    question("campaigns.send", "campaign-agent", parameters)
}

/// A note, which is low.
fn note(text: &str) -> Value {
    question(
        "crm.note",
        "support-agent",
        json!({ "customer_id": "C-1", "text": text }),
    )
}

/// The same, approved by people or accounts.
fn approved<T: Into<Value> + Copy>(mut question: Value, by: &[T]) -> Value {
    let said = by
        .iter()
        .map(|who| json!({ "by": (*who).into(), "says": "approve" }));
    question["reviews"] = said.collect();
    question
}

/// The same with another value at a pointer, which is there or in an object.
fn set(mut question: Value, pointer: &str, value: Value) -> Value {
    let (up, field) = pointer.rsplit_once('/').unwrap();
    question.pointer_mut(up).unwrap()[field] = value;
    question
}

fn gates(answers: &[Value]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| answer["gate"].as_str().unwrap())
        .collect()
}

fn tiers(answers: &[Value]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| answer["tier"].as_str().unwrap())
        .collect()
}

/// The first that is said about a rule.
fn because<'a>(answer: &'a Value, rule: &str) -> &'a Value {
    let all = answer["because"].as_array().unwrap();
    all.iter().find(|one| one["rule"] == rule).unwrap_or(&Value::Null)
}

/// The result of a check.
fn check<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let all = answer["checks"].as_array().unwrap();
    all.iter()
        .find(|one| one["check"] == name)
        .unwrap_or(&Value::Null)
}

/// What a check found: level, place, what, remedy.
fn found(answer: &Value, name: &str) -> Vec<String> {
    let problems = check(answer, name)["problems"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let told = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        format!(
            "{} {} {}; {}",
            text("level"),
            text("at"),
            text("found"),
            text("remedy")
        )
    };
    problems.iter().map(told).collect()
}
