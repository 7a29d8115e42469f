//! A line of CODEOWNERS that decides about no action, nor about the rules themselves.

use std::collections::BTreeSet;

use super::{Around, Found, Lint, OWNERS, Severity};
use crate::domain::{
    policy::Owners,
    source::{Mark, Place},
};

pub(super) const LINT: Lint = Lint {
    id: "unused-owners-line",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let Ok(raw) = Owners::parse_alone(at.owners) else {
        return Vec::new();
    };
    // The rules themselves are owned too: whoever owns a file must agree to its change. INVARIANT i02.
    let rules: BTreeSet<u32> = at
        .paths
        .iter()
        .flat_map(|file| at.policy.owners().deciding(&format!("/policies/{file}")))
        .collect();
    let unused = raw.patterns().filter_map(|(line, pattern)| {
        if rules.contains(&line) {
            return None;
        }
        let mut matched = None;
        for action in at.policy.actions() {
            let Some(path) = action.resource().example_for(pattern) else {
                continue;
            };
            let deciding = at.policy.owners().deciding(&path);
            if deciding.contains(&line) {
                return None;
            }
            matched = matched.or(deciding.last().copied());
        }
        let (message, remedy) = match matched {
            None => (
                "no action has a resource that this line matches, so it decides about nothing".to_owned(),
                "compare it with the `resource` of the actions, or remove it".to_owned(),
            ),
            Some(later) => (
                format!("line {later} decides wherever this line would: in a section the last line that matches counts"),
                format!("move it below line {later}, or remove it"),
            ),
        };
        Some(Found {
            file: OWNERS.into(),
            mark: mark_of(at.owners, line),
            message,
            remedy,
        })
    });
    unused.collect()
}

/// The text of a line, without the space around it.
pub(super) fn mark_of(text: &str, line: u32) -> Option<Mark> {
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines
        .by_ref()
        .take(usize::try_from(line).ok()?.checked_sub(1)?)
        .map(str::len)
        .sum();
    let written = lines.next()?;
    let indent = written.len() - written.trim_start().len();
    let column = u32::try_from(indent).ok()? + 1;
    Some(Mark::new(
        Place { line, column },
        before + indent,
        written.trim().len(),
    ))
}
