//! Decisions from JSON lines a second, by the code of `countersign policy explain`, against reading the same lines as
//! plain JSON and writing them again, on as many cores.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

#[path = "../tests/it/explain/realistic.rs"]
mod realistic;

use std::{
    io, thread,
    time::{Duration, Instant},
};

use countersign::cli::policy::{Form, explain};

const LINES: usize = 20_000;
const ROUNDS: usize = 5;

fn main() {
    let policy = realistic::policy();
    let lines: Vec<String> = (0..200)
        .map(|number| {
            let (case, seen) = realistic::case(&policy, number);
            realistic::line(&case, &seen)
        })
        .collect();
    let input: String = lines
        .iter()
        .cycle()
        .take(LINES)
        .flat_map(|line| [line, "\n"])
        .collect();
    let decide = best(|| {
        let answered = explain(&policy, input.as_bytes(), io::sink(), Form::Json).unwrap();
        assert_eq!(answered.decided, LINES as u64);
    });
    let copy = best(|| copied(&input));
    let rate = |took: Duration| LINES as f64 / took.as_secs_f64();
    println!(
        "lines: {LINES} of {} bytes, high tier, five reviews, the gate open",
        input.len() / LINES
    );
    println!(
        "policy explain:                {:>9.0} decisions a second",
        rate(decide)
    );
    println!(
        "serde_json, read and written:  {:>9.0} lines a second",
        rate(copy)
    );
    println!(
        "ratio:                         {:>9.2}",
        rate(decide) / rate(copy)
    );
}

/// The shortest of some rounds; what else runs on the machine only makes one longer.
fn best(mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn copied(input: &str) {
    let lines: Vec<&str> = input.lines().collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for share in lines.chunks(lines.len().div_ceil(cores)) {
            scope.spawn(move || {
                let mut out = Vec::new();
                for line in share {
                    out.clear();
                    let value: serde_json::Value = serde_json::from_str(line).unwrap();
                    serde_json::to_writer(&mut out, &value).unwrap();
                }
            });
        }
    });
}
