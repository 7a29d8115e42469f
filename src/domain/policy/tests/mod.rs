//! The rules as their authors meet them: what compiles, and what every mistake is answered with.

mod auth;
mod checks;
mod commands;
mod connectors;
mod dry_runs;
mod errors;
mod limits;
mod owners;
mod params;
mod people;
mod rollback;
mod rules;
mod sections;
mod starter;
mod targets;
mod workflows;

use super::{Action, Policy, PolicyError, compile};
use crate::domain::source::SourceFile;

/// The small set of `tests/policies/`, file by file; it stays as it is while the starter set grows.
fn starter() -> Vec<SourceFile> {
    [
        (
            "catalog.yaml",
            include_str!("../../../../tests/policies/catalog.yaml"),
        ),
        (
            "tiers.yaml",
            include_str!("../../../../tests/policies/tiers.yaml"),
        ),
        (
            "CODEOWNERS",
            include_str!("../../../../tests/policies/CODEOWNERS"),
        ),
        (
            "people.yaml",
            include_str!("../../../../tests/policies/people.yaml"),
        ),
        (
            "agents.yaml",
            include_str!("../../../../tests/policies/agents.yaml"),
        ),
        ("README.md", include_str!("../../../../tests/policies/README.md")),
    ]
    .map(|(path, text)| SourceFile::new(path, text))
    .into()
}

/// The starter set with one text replaced in one file.
fn with(path: &str, from: &str, to: &str) -> Vec<SourceFile> {
    let mut files = starter();
    let file = files
        .iter_mut()
        .find(|file| file.path == path)
        .expect("a starter file");
    assert!(file.text.contains(from), "`{from}` is not in {path}");
    file.text = file.text.replacen(from, to, 1);
    files
}

fn policy(files: &[SourceFile]) -> Policy {
    compile(files).unwrap_or_else(|errors| panic!("{}", shown(&errors)))
}

fn action(policy: &Policy, name: &str) -> Action {
    policy
        .action(&name.parse().expect("an action name"))
        .expect("an action")
        .clone()
}

fn shown(errors: &[PolicyError]) -> String {
    let lines = errors.iter().map(|error| format!("[{}] {error}", error.rule()));
    lines.collect::<Vec<_>>().join("\n")
}

/// What the starter set with one replacement is answered with.
fn broken(path: &str, from: &str, to: &str) -> String {
    shown(&compile(&with(path, from, to)).expect_err("an error"))
}
