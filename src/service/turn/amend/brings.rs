//! The rules that a pull request brings: what is wrong with them, and what their own cases say.

use crate::{
    domain::{
        policy::{
            Policy, cases, compile,
            lint::{Finding, lint},
        },
        source::SourceFile,
        trial,
    },
    ledger::ChangeRead,
    render,
};

/// The rules at a head.
pub(super) struct Brings {
    pub(super) policy: Option<Policy>,
    pub(super) findings: Vec<Finding>,
    pub(super) tested: Option<render::Tested>,
    pub(super) unreadable: Option<String>,
}

impl Brings {
    pub(super) fn of(read: &ChangeRead) -> Self {
        let mut brings = Self {
            policy: None,
            findings: Vec::new(),
            tested: None,
            unreadable: None,
        };
        match &read.files {
            Err(why) => brings.unreadable = Some(why.clone()),
            Ok(files) => {
                brings.findings = lint(files);
                brings.policy = compile(files).ok();
                brings.tested = brings.policy.as_ref().map(|policy| tested(files, policy));
            }
        }
        brings
    }
}

/// The cases of the new rules, run by them.
fn tested(files: &[SourceFile], policy: &Policy) -> render::Tested {
    let (all, _) = cases::read(files, policy);
    let mut tested = render::Tested {
        cases: all.len(),
        failed: Vec::new(),
    };
    for case in &all {
        let outcome = trial::run(case, policy);
        if outcome.passed() {
            continue;
        }
        let line = case.mark.map_or(1, |mark| mark.place().line);
        let came_out = outcome
            .differences
            .iter()
            .map(|one| format!("{}: {} instead of {}", one.what, one.found, one.expected));
        let came_out: Vec<String> = came_out.collect();
        let place = format!("{}:{line}", case.file);
        tested
            .failed
            .push((place, case.name.clone(), came_out.join("; ")));
    }
    tested
}
