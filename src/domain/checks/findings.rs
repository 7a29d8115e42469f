//! What a check found so far, bounded.

use super::{Level, Problem};

/// The most findings of one level reported for one proposal.
const MOST: usize = 20;

/// What was found so far; each level has room of its own, so that many warnings can't crowd out what denies.
#[derive(Debug, Default)]
pub(in crate::domain) struct Findings {
    errored: Vec<Problem>,
    denied: Vec<Problem>,
    warned: Vec<Problem>,
}

impl Findings {
    /// Adds a finding while its level has room.
    pub(in crate::domain) fn add(
        &mut self,
        level: Level,
        at: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if !self.has_room(level) {
            return;
        }
        let list = match level {
            Level::Pass => return,
            Level::Warn => &mut self.warned,
            Level::Deny => &mut self.denied,
            Level::Errored => &mut self.errored,
        };
        list.push(Problem {
            level,
            at: at.to_owned(),
            found: found.into(),
            remedy: remedy.into(),
        });
    }
    /// Whether another finding of a level would be kept.
    pub(in crate::domain) fn has_room(&self, level: Level) -> bool {
        let list = match level {
            Level::Pass => return false,
            Level::Warn => &self.warned,
            Level::Deny => &self.denied,
            Level::Errored => &self.errored,
        };
        list.len() < MOST
    }
    /// The findings, the worst first, each level in the order it was found in.
    pub(in crate::domain) fn into_problems(self) -> Vec<Problem> {
        let mut all = self.errored;
        all.extend(self.denied);
        all.extend(self.warned);
        all
    }
}
