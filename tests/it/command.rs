//! Programs of the catalog, run by the real launcher under a real kernel, doing their worst. INVARIANT i23.
//!
//! The hostile program is this test binary itself: [`hostile`] holds what it tries once it was started as a program.

mod bounds;
mod crowd;
mod forbidden;
mod hostile;
mod kernel;
mod outcomes;
mod whole;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use countersign::{domain::policy::Policy, execute::Ran};
use serde_json::{Value, json};

use super::execute::{act_on, policy, propose, told};

/// A directory of one test's own, which no program here may touch unless it is told to.
pub(crate) fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// What a program of this system needs to be loaded.
pub(crate) fn libraries() -> String {
    let there = [
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        "/bin/sh",
    ];
    let there: Vec<&str> = there
        .into_iter()
        .filter(|path| PathBuf::from(path).exists())
        .collect();
    there.join(", ")
}

/// A policy whose action runs one program, with more lines of the catalog.
pub(crate) fn running(program: &str, more: &str) -> Policy {
    policy(
        &format!(
            "steps:\n- name: run\n  command:\n    program: {program}\n    read: [{}]\n    stdin: {{ name: \"${{params.name}}\", text: \"${{params.text}}\" }}\n{more}",
            libraries()
        ),
        None,
    )
}

/// A script for the shell, which can't start a process and so has only what is built into it.
pub(crate) fn script(dir: &tempfile::TempDir, text: &str) -> String {
    let (draft, path) = (dir.path().join("draft"), dir.path().join("script"));
    fs::write(&draft, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    // By a process of its own: a child that another test forks meanwhile would hold this one's handle, and nobody executes
    // what is open for writing.
    let copied = std::process::Command::new("cp")
        .arg("-p")
        .arg(&draft)
        .arg(&path)
        .status();
    assert!(copied.unwrap().success());
    path.to_str().unwrap().to_owned()
}

/// Runs a program with a parameter.
pub(crate) async fn run(policy: &Policy, text: &str) -> Ran {
    let proposal = propose(policy, &[json!({"name": "x", "text": text})]).await;
    act_on(policy, &proposal).await
}

/// What a program said on standard output.
pub(crate) fn said(ran: &Ran) -> String {
    let answers: Vec<_> = ran
        .answers()
        .iter()
        .filter_map(|step| step.answer.as_ref())
        .map(|answer| String::from_utf8_lossy(answer.body()).into_owned())
        .collect();
    answers.join("")
}

/// Lets the hostile program try one thing; what came of it. Its memory is that of a test binary full of symbols.
pub(crate) async fn tries(act: &Value, more: &str) -> (String, String) {
    let program = std::env::current_exe().unwrap();
    let more = format!(
        "    args: [\"{}\", --exact, --nocapture, --test-threads=1]\n    memory: 1GiB\n{more}",
        hostile::NAME
    );
    let policy = running(program.to_str().unwrap(), &more);
    let ran = run(&policy, &act.to_string()).await;
    let said = said(&ran);
    let result = said.lines().find_map(|line| line.strip_prefix(hostile::MARK));
    (told(&ran), result.unwrap_or("nothing").to_owned())
}

/// Whether this kernel can contain a program at all. Where it can't, a test says so and passes, but never in CI.
pub(crate) async fn contains() -> bool {
    let dir = dir();
    let ran = run(&running(&script(&dir, "exit 0"), ""), "").await;
    let told = told(&ran);
    let cannot = told.contains("contained: landlock") || told.contains("contained: seccomp");
    if cannot {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must be able to contain programs: {told}"
        );
        eprintln!("SKIPPED, this kernel can't contain a program: {told}");
    }
    !cannot
}
