//! `policy replay` of 1,000,000 facts, by the code of the command: a candidate that changes a gate, and one that changes
//! what the action's own entry says, so that nothing can be assessed once for both. The reference reads the same lines as
//! plain JSON and writes them again, on as many cores.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

mod measure;
#[path = "../tests/it/explain/realistic.rs"]
#[allow(dead_code, reason = "the cases of another bench stand beside the facts")]
mod realistic;

use std::{fs, io::Read};

use countersign::{
    cli::policy::replay_lines,
    domain::policy::{Policy, compile},
};
use measure::{best, copied, starter};

const FACTS: usize = 1_000_000;
const ROUNDS: u32 = 3;

/// The same lines over and over, made as they are read, so that only what the replay holds takes memory.
struct Lines<'a> {
    block: &'a [u8],
    at: usize,
    blocks: usize,
}

impl Read for Lines<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.block.len() && self.blocks > 1 {
            (self.at, self.blocks) = (0, self.blocks - 1);
        }
        let read = self.block.get(self.at..).unwrap_or_default().read(to)?;
        self.at += read;
        Ok(read)
    }
}

/// The starter set with one text replaced.
fn rules(file: &str, from: &str, to: &str) -> Policy {
    let mut files = starter();
    let found = files.iter_mut().find(|one| one.path == file).unwrap();
    assert!(found.text.contains(from), "`{from}` stands in {file}");
    found.text = found.text.replacen(from, to, 1);
    compile(&files).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The most memory that the process held, in MB, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? / 1024)
}

fn main() {
    let policy = rules("tiers.yaml", "approvals: 2", "approvals: 2");
    let block: String = (0..200).map(|number| realistic::facts(number) + "\n").collect();
    let lines = |count: usize| Lines {
        block: block.as_bytes(),
        at: 0,
        blocks: count / 200,
    };
    let sample = block.repeat(FACTS / 200 / 10);
    let bytes = block.len() / 200;
    println!("{FACTS} lines of {bytes} bytes, the starter rules, high tier, two approvals");
    let gate = rules("tiers.yaml", "expires_after: 2d", "expires_after: 3d");
    let entry = rules(
        "catalog.yaml",
        "summary: Pay a supplier",
        "summary: Pay one supplier",
    );
    for (what, candidate) in [("another gate:", gate), ("another catalog entry:", entry)] {
        let replay = |count: usize| {
            let replayed = replay_lines(lines(count), &policy, &candidate).unwrap();
            assert_eq!((replayed.proposals, replayed.unreadable), (count as u64, 0));
            assert_eq!((replayed.same_rules, replayed.differences.len()), (0, 0));
        };
        replay(FACTS / 10);
        let before = peak();
        let took = best(ROUNDS, || replay(FACTS));
        let copy = best(ROUNDS, || copied(&sample)) * 10;
        println!(
            "  {what:<24} {:>6.2} s, {:>5.2} times the time of serde_json; at most {} MB after a tenth, {} MB after all",
            took.as_secs_f64(),
            took.as_secs_f64() / copy.as_secs_f64(),
            before.unwrap_or_default(),
            peak().unwrap_or_default(),
        );
    }
}
