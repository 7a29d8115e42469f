//! What people stopped from being executed, until a proposal of the high tier lets it go on. INVARIANT i22.

mod command;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use command::{COMMAND, asked};

use super::{
    entry::{Frozen, Scope},
    ids::{ActionName, AgentName, PersonName, Seq},
};

/// What a person stops, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// What.
    pub what: Scope,
    /// Why.
    pub reason: String,
}

/// Every freeze that holds, by its place in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Freezes(BTreeMap<Seq, InForce>);

/// A freeze that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// Who said so.
    pub by: PersonName,
    /// What, why, and where they said it.
    pub frozen: Frozen,
}

impl Freezes {
    /// Whether nothing is stopped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All that hold, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &InForce)> {
        self.0.iter().map(|(seq, freeze)| (*seq, freeze))
    }
    /// One that holds, by its place.
    pub fn get(&self, seq: Seq) -> Option<&InForce> {
        self.0.get(&seq)
    }
    /// One that is to be ended. Errors: it does not hold, and which do.
    pub fn held(&self, seq: Seq) -> Result<&InForce, String> {
        self.get(seq).ok_or_else(|| {
            let others = self.iter().map(|(seq, freeze)| {
                let InForce { by, frozen } = freeze;
                format!("entry {seq}, by which {by} stopped {}", frozen.what)
            });
            let others = match self.is_empty() {
                true => "nothing is frozen".to_owned(),
                false => format!("what holds is {}", others.collect::<Vec<_>>().join("; ")),
            };
            format!("no freeze holds by entry {seq}; {others}")
        })
    }
    /// The oldest that stops an action for an agent.
    pub fn over(&self, action: &ActionName, agent: &AgentName) -> Option<(Seq, &InForce)> {
        self.iter()
            .find(|(_, freeze)| freeze.frozen.what.covers(action, agent))
    }
    pub(super) fn extend(&mut self, freezes: Option<(Seq, PersonName, Frozen)>) {
        let in_force = |(seq, by, frozen)| (seq, InForce { by, frozen });
        self.0.extend(freezes.map(in_force));
    }
    pub(super) fn thaw(&mut self, seq: Seq) {
        self.0.remove(&seq);
    }
}
