//! Compiling the starter set with 500 actions, against reading the same files as plain YAML, in the same run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

mod measure;

use std::hint::black_box;

use countersign::domain::policy::compile;
use measure::{best, starter};

const ACTIONS: usize = 500;
const ROUNDS: u32 = 20;

fn main() {
    let mut files = starter();
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    let entries: Vec<String> = entries(&catalog.text);
    let there = entries.len();
    for (entry, number) in entries.iter().cycle().zip(there..ACTIONS) {
        // `  payments.create:` becomes `  payments.create_30:`.
        let (name, rest) = entry.split_once(':').unwrap();
        catalog.text.push_str(&format!("{name}_{number}:{rest}"));
    }
    let policy = compile(&files).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(policy.actions().count(), ACTIONS);
    let took = best(ROUNDS, || {
        black_box(compile(&files).unwrap());
    });
    let plain = best(ROUNDS, || {
        for file in files.iter().filter(|file| file.path.ends_with(".yaml")) {
            black_box(serde_yaml::from_str::<serde_yaml::Value>(&file.text).unwrap());
        }
    });
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    println!(
        "{ACTIONS} actions, {} files of {} kB: {:.1} ms, {:.2} times reading them as plain YAML",
        files.len(),
        bytes / 1000,
        took.as_secs_f64() * 1e3,
        took.as_secs_f64() / plain.as_secs_f64()
    );
}

/// The text of every entry of a catalog.
fn entries(catalog: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in catalog.lines() {
        let begins = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        if begins {
            entries.push(String::new());
        }
        // A comment at the left edge belongs to nobody.
        if let (false, Some(entry)) = (line.starts_with('#'), entries.last_mut()) {
            entry.push_str(line);
            entry.push('\n');
        }
    }
    entries
}
