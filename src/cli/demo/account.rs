//! What a target was to be asked for, against what it was asked for and did.

use std::collections::{BTreeMap, BTreeSet};

use super::targets::{Effect, Target};
use crate::domain::ids::ProposalId;

/// A call that must reach a target once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    proposal: ProposalId,
    /// The `Idempotency-Key`, as the catalog promises it.
    key: String,
    /// Whether the target acts on it.
    acts: bool,
}

impl Call {
    /// The one call of an action without named steps.
    pub(super) fn of(proposal: ProposalId) -> Self {
        Self {
            proposal,
            key: format!("{proposal}/1"),
            acts: true,
        }
    }

    /// A named step.
    pub(super) fn step(proposal: ProposalId, step: &str) -> Self {
        Self {
            key: format!("{proposal}/1/{step}"),
            ..Self::of(proposal)
        }
    }

    /// A step that the target refuses.
    pub(super) fn refused(proposal: ProposalId, step: &str) -> Self {
        Self {
            acts: false,
            ..Self::step(proposal, step)
        }
    }

    /// What takes a step back.
    pub(super) fn undo(proposal: ProposalId, step: &str) -> Self {
        Self {
            key: format!("{proposal}/1/{step}/undo"),
            ..Self::of(proposal)
        }
    }

    /// What it is about.
    pub(super) const fn proposal(&self) -> ProposalId {
        self.proposal
    }
}

/// Something that a target was asked for or did otherwise than it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amiss {
    /// The proposal that it is about, when it is one's.
    pub(super) proposal: Option<ProposalId>,
    /// What, in a line.
    pub(super) what: String,
}

/// Everything that is amiss at a target: it must have been asked for each call once and for nothing else, and have acted
/// on those that it does not refuse, in this order.
pub(super) fn amiss(name: &str, target: &Target, due: &[Call]) -> Vec<Amiss> {
    compared(name, &target.effects(), &target.asked_with(), due)
}

fn compared(name: &str, did: &[Effect], asked: &BTreeMap<String, usize>, due: &[Call]) -> Vec<Amiss> {
    let mut found = Vec::new();
    let all: BTreeSet<&str> = due
        .iter()
        .map(|call| call.key.as_str())
        .chain(asked.keys().map(String::as_str))
        .chain(did.iter().map(|effect| effect.key.as_str()))
        .collect();
    for key in all {
        let call = due.iter().find(|call| call.key == key);
        let due = (
            usize::from(call.is_some()),
            usize::from(call.is_some_and(|call| call.acts)),
        );
        let was = (
            asked.get(key).copied().unwrap_or(0),
            did.iter().filter(|effect| effect.key == key).count(),
        );
        if was != due {
            found.push(Amiss {
                proposal: key.split('/').next().and_then(|id| id.parse().ok()),
                what: format!(
                    "the {name} was asked {} and acted {} for {key}; due were {} and {}",
                    was.0, was.1, due.0, due.1
                ),
            });
        }
    }
    let acts = due
        .iter()
        .filter(|call| call.acts)
        .map(|call| (&call.key, call.proposal.to_string()));
    let acted = did
        .iter()
        .map(|effect| (&effect.key, effect.proposal.clone().unwrap_or_default()));
    if found.is_empty() && !acts.eq(acted) {
        found.push(Amiss {
            proposal: None,
            what: format!("the {name} acted in another order, or in another proposal's name"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const B: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

    fn id(text: &str) -> ProposalId {
        text.parse().unwrap()
    }

    /// A payment, a refund whose second step another target refuses, and a recall.
    fn due() -> Vec<Call> {
        vec![
            Call::step(id(A), "pay"),
            Call::undo(id(A), "pay"),
            Call::of(id(B)),
        ]
    }

    fn effect(proposal: &str, rest: &str) -> Effect {
        Effect {
            key: format!("{proposal}/1{rest}"),
            proposal: Some(proposal.to_owned()),
            what: String::new(),
        }
    }

    /// What is amiss when a target did this, asked once for each.
    fn after(did: &[Effect]) -> Vec<String> {
        let asked = did.iter().map(|effect| (effect.key.clone(), 1)).collect();
        said(did, &asked)
    }

    fn said(did: &[Effect], asked: &BTreeMap<String, usize>) -> Vec<String> {
        let found = compared("bank", did, asked, &due());
        found.into_iter().map(|amiss| amiss.what).collect()
    }

    fn all() -> Vec<Effect> {
        vec![effect(A, "/pay"), effect(A, "/pay/undo"), effect(B, "")]
    }

    #[test]
    fn nothing_is_amiss_when_each_ran_once() {
        assert_eq!(after(&all()), Vec::<String>::new());
    }

    #[test]
    fn i21_an_undo_that_is_missing_or_made_twice_is_seen() {
        let mut missing = all();
        missing.remove(1);
        assert_eq!(
            after(&missing),
            [format!(
                "the bank was asked 0 and acted 0 for {A}/1/pay/undo; due were 1 and 1"
            )]
        );
        let mut asked: BTreeMap<String, usize> = all().iter().map(|effect| (effect.key.clone(), 1)).collect();
        asked.insert(format!("{A}/1/pay/undo"), 2);
        assert_eq!(
            said(&all(), &asked),
            [format!(
                "the bank was asked 2 and acted 1 for {A}/1/pay/undo; due were 1 and 1"
            )]
        );
        let mut twice = all();
        twice.push(effect(A, "/pay/undo"));
        assert_eq!(
            after(&twice),
            [format!(
                "the bank was asked 1 and acted 2 for {A}/1/pay/undo; due were 1 and 1"
            )]
        );
    }

    #[test]
    fn i16_a_second_rollback_and_what_nobody_approved_are_seen() {
        const C: &str = "01BX5ZZKBKACTAV9WEVGEMMVS0";
        let mut twice = all();
        twice.push(effect(C, ""));
        assert_eq!(
            after(&twice),
            [format!(
                "the bank was asked 1 and acted 1 for {C}/1; due were 0 and 0"
            )]
        );
    }

    #[test]
    fn a_refusal_that_acted_another_order_and_another_name_are_seen() {
        let due = [Call::refused(id(A), "note")];
        let asked = BTreeMap::from([(format!("{A}/1/note"), 1)]);
        assert_eq!(compared("CRM", &[], &asked, &due), []);
        let found = compared("CRM", &[effect(A, "/note")], &asked, &due);
        assert_eq!(found.first().and_then(|amiss| amiss.proposal), Some(id(A)));
        let mut turned = all();
        turned.reverse();
        assert_eq!(after(&turned).len(), 1);
        let mut renamed = all();
        renamed[2].proposal = None;
        assert_eq!(
            after(&renamed),
            ["the bank acted in another order, or in another proposal's name"]
        );
    }
}
