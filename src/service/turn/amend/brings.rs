//! The rules that a pull request brings: what is wrong with them, and what their own cases say.

use std::sync::{Arc, PoisonError};

use super::{Bot, NotNow};
use crate::{
    domain::{
        amendment::Change,
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
#[derive(Debug)]
pub(in crate::service::turn) struct Brings {
    pub(super) policy: Option<Arc<Policy>>,
    pub(super) findings: Vec<Finding>,
    pub(super) tested: Option<render::Tested>,
    pub(super) unreadable: Option<String>,
}

impl Brings {
    fn of(files: &Result<Vec<SourceFile>, String>) -> Self {
        let mut brings = Self {
            policy: None,
            findings: Vec::new(),
            tested: None,
            unreadable: None,
        };
        match files {
            Err(why) => brings.unreadable = Some(why.clone()),
            Ok(files) => {
                brings.findings = lint(files);
                brings.policy = compile(files).ok().map(Arc::new);
                brings.tested = brings.policy.as_ref().map(|policy| tested(files, policy));
            }
        }
        brings
    }
}

impl Bot {
    /// The rules that a pull request brings. Anybody who may push brings them: they are looked at once a head, beside
    /// everything else that goes on.
    pub(super) async fn brings(&self, read: ChangeRead) -> Result<(Change, Arc<Brings>), NotNow> {
        let ChangeRead { change, files } = read;
        let known = {
            let brought = self.inner.brought.lock().unwrap_or_else(PoisonError::into_inner);
            let known = brought.as_ref().filter(|(head, _)| *head == change.head);
            known.map(|(_, brings)| Arc::clone(brings))
        };
        let brings = match known {
            Some(brings) => brings,
            None => {
                let looked = tokio::task::spawn_blocking(move || Arc::new(Brings::of(&files)));
                let brings = looked.await.map_err(NotNow::internal)?;
                let mut brought = self.inner.brought.lock().unwrap_or_else(PoisonError::into_inner);
                *brought = Some((change.head, Arc::clone(&brings)));
                brings
            }
        };
        Ok((change, brings))
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
