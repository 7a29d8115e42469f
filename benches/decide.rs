//! Decisions from JSON lines a second, by the code of `countersign policy explain`, against reading the same lines as
//! plain JSON and writing them again, on as many cores.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

mod measure;
#[path = "../tests/it/explain/realistic.rs"]
mod realistic;

use std::{io, time::Duration};

use countersign::{
    cli::policy::{Form, explain},
    domain::policy::Policy,
};
use measure::{best, copied};

/// Cases in a round; each is some 27 kB.
const CASES: usize = 20_000;
/// Facts in a round.
const FACTS: usize = 600_000;
const ROUNDS: u32 = 5;

fn main() {
    let policy = realistic::policy();
    let cases: Vec<String> = (0..200)
        .map(|number| {
            let (case, seen) = realistic::case(&policy, number);
            realistic::line(&case, &seen)
        })
        .collect();
    let what = "recorded cases, high tier, five reviews, the gate open";
    measure(&policy, what, &cases, CASES);
    let facts: Vec<String> = (0..200).map(realistic::facts).collect();
    let what = "facts, high tier, two approvals of different teams, the gate open";
    measure(&policy, what, &facts, FACTS);
}

fn measure(policy: &Policy, what: &str, lines: &[String], count: usize) {
    let input: String = lines
        .iter()
        .cycle()
        .take(count)
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut out = Vec::new();
    explain(policy, lines[0].as_bytes(), &mut out, Form::Json).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert!(
        answer["gate"] == "open" || answer["gate"]["open"].is_object(),
        "{answer}"
    );
    let decide = best(ROUNDS, || {
        let answered = explain(policy, input.as_bytes(), io::sink(), Form::Json).unwrap();
        assert_eq!(answered.decided, count as u64);
    });
    let copy = best(ROUNDS, || copied(&input));
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    println!("{count} lines of {} bytes: {what}", input.len() / count);
    println!(
        "  policy explain:               {:>9.0} decisions a second",
        rate(decide)
    );
    println!(
        "  serde_json, read and written: {:>9.0} lines a second",
        rate(copy)
    );
    println!(
        "  ratio:                        {:>9.2}",
        rate(decide) / rate(copy)
    );
}
