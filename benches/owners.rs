//! Who owns a path under a CODEOWNERS of 10,000 lines, against trying every line, in the same run.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

mod measure;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use countersign::domain::{
    policy::{Owners, Policy, compile},
    source::SourceFile,
};
use measure::best;

const LINES: usize = 10_000;
const PATHS: usize = 2_000;
const ROUNDS: u32 = 5;
/// Trying every line is slow, so fewer paths are tried so.
const TRIED: usize = 100;

fn main() {
    let text = codeowners();
    let begun = Instant::now();
    let policy = policy(&text);
    let loaded = begun.elapsed();
    let raw = Owners::parse_alone(&text).unwrap();
    let paths: Vec<String> = (0..PATHS).map(path).collect();
    for path in &paths {
        let found = policy.owners().requirements(path);
        let tried = raw.matching(path).len();
        assert_eq!(found.sets().len(), tried, "{path}");
    }
    let index = best(ROUNDS, || {
        for path in &paths {
            black_box(policy.owners().requirements(path));
        }
    });
    let scan = best(ROUNDS, || {
        for path in paths.iter().take(TRIED) {
            black_box(raw.matching(path));
        }
    });
    let each = |took: Duration, paths: usize| took.as_secs_f64() * 1e6 / paths as f64;
    let (index, scan) = (each(index, PATHS), each(scan, TRIED));
    println!("lines: {LINES}, in sections: a fifth; loaded with its policy in {loaded:.0?}");
    println!("by the index:         {index:>9.2} microseconds a path");
    println!("by trying every line: {scan:>9.2} microseconds a path");
    println!("ratio:                {:>9.1}", scan / index);
}

/// Mostly folders, some names at any depth, some forms, and a section every thousand lines.
fn codeowners() -> String {
    let mut text = String::from("* @alice\n");
    for number in 0..LINES {
        if number >= LINES * 4 / 5 && number % 1_000 == 0 {
            text += &format!("[Section {number}][1] @acme/finance\n");
        }
        let owner = match number % 4 {
            0 => "@alice",
            1 => "@bob",
            2 => "@acme/finance",
            _ => "@acme/marketing",
        };
        text += &match number % 10 {
            0 => format!("name-{number} {owner}\n"),
            1 => format!("*.ext{number} {owner}\n"),
            2 => format!("/area-{}/*/team-{number}/ {owner}\n", number % 100),
            3 => format!("/area-{}/**/deep-{number}/ {owner}\n", number % 100),
            _ => format!("/area-{}/team-{number}/ {owner}\n", number % 100),
        };
    }
    text
}

fn path(number: usize) -> String {
    let line = number * 7 % LINES;
    format!(
        "/area-{}/team-{line}/x/name-{}/file.ext{}",
        line % 100,
        line / 10 * 10,
        line / 10 * 10 + 1
    )
}

fn policy(owners: &str) -> Policy {
    let file = |path: &str, text: &str| SourceFile::new(path, text);
    let files = [
        file("catalog.yaml", include_str!("../tests/policies/catalog.yaml")),
        file("tiers.yaml", include_str!("../tests/policies/tiers.yaml")),
        file("people.yaml", include_str!("../tests/policies/people.yaml")),
        file("agents.yaml", include_str!("../tests/policies/agents.yaml")),
        file("CODEOWNERS", owners),
    ];
    compile(&files).unwrap()
}
