//! What benches share: how a time is taken, and what it is compared with.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use countersign::domain::source::SourceFile;

/// The shortest of some rounds; what else runs on the machine only makes one longer.
pub(crate) fn best(rounds: u32, mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

/// Reads lines as plain JSON and writes them again, on every core.
#[allow(dead_code, reason = "not every bench compares with it")]
pub(crate) fn copied(input: &str) {
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

/// Every file of the starter set.
#[allow(dead_code, reason = "not every bench has the starter set")]
pub(crate) fn starter() -> Vec<SourceFile> {
    fn collect(folder: &Path, under: &str, files: &mut Vec<SourceFile>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{under}{}", path.file_name().unwrap().to_string_lossy());
            if path.is_dir() {
                collect(&path, &format!("{name}/"), files);
            } else {
                files.push(SourceFile::new(name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"),
        "",
        &mut files,
    );
    files
}
