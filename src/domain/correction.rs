//! What a person changes of a proposal with `/amend`: a proposal of its own that takes the old one's place, of which they
//! are a co-writer. The agent's proof covers what it asked for, and the changes are on top of it. INVARIANT i04, i05, i08.
//!
//! Only parameters change, and only open ones. Agent, action, sponsor and what is acted on stay, since anything else is
//! another matter; what the agent says stays its own; what is sealed must not stand in a comment.

mod command;

use serde::Serialize;
use serde_json::Value;

pub(super) use command::{COMMAND, asked};

use super::{
    case::{Case, Life},
    entry::{Received, Via},
    ids::{AccountId, CommentId, ItemId, Nonce, PersonName},
    observation::Observation,
    policy::{Policy, Tier},
    proposal::{AgentProof, Change, Corrected, Correction, Item, MAX_CORRECTIONS, Proposal},
    receive::{as_sent, meet, without_defaults},
    request::{Request, RequestItem},
    review::Rolls as _,
    sealed::{DataKey, SealError},
};

/// Why what a person changes can't be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotCorrected {
    /// It must be a person's own word.
    #[error("a proposal is changed by a person of people.yaml, by a comment on its pull request")]
    Nobody,
    /// Not on what is replaced.
    #[error(
        "what is changed is not the open proposal that this one takes the place of; write it again there"
    )]
    Elsewhere,
    /// Nothing is changed.
    #[error("nothing is changed")]
    Nothing,
    /// The record is not what was there with the changes.
    #[error("{0} is not what the replaced proposal and the changes give")]
    Differs(&'static str),
    /// What a comment shows can't be sealed any more. INVARIANT i29.
    #[error("a value of item `{0}` is sealed, and a comment shows what it says; ask the agent to revise")]
    Sealed(ItemId),
    /// A person's word is no signature: somebody else approves it.
    #[error("what a person changed is of medium tier at least; assess it again")]
    Low,
    /// The catalog says what takes something back, and nobody else.
    #[error(
        "what takes something back is as the catalog says; close it, and ask the agent for anything else"
    )]
    Rollback,
    /// A chain that nobody can read any more.
    #[error("it was changed {MAX_CORRECTIONS} times; ask the agent to revise")]
    Often,
    /// An agent has a door of its own.
    #[error(
        "an agent does not change it by a comment; send a corrected proposal that names it in `supersedes`"
    )]
    Agent,
    /// Not somebody who may write. INVARIANT i09.
    #[error("a proposal is changed by people who may write to the repository; request changes instead")]
    NotAWriter,
    /// Something could not be looked up. INVARIANT i10.
    #[error("who may write can't be read now; write it again in a while")]
    Unread,
}

/// Whether an account may change a proposal now: any person's who may write, since whoever may close it may, and whoever
/// changes it approves nothing of it.
pub fn correctable(
    case: &Case,
    seen: &Observation,
    policy: &Policy,
    account: AccountId,
) -> Result<(), NotCorrected> {
    if policy.agent_of(account).is_some() {
        return Err(NotCorrected::Agent);
    }
    if case.proposal.binding.rolls_back.is_some() {
        return Err(NotCorrected::Rollback);
    }
    if case.proposal.proof.corrections().len() >= MAX_CORRECTIONS {
        return Err(NotCorrected::Often);
    }
    match seen.may_write(account) {
        Some(true) => Ok(()),
        Some(false) => Err(NotCorrected::NotAWriter),
        None => Err(NotCorrected::Unread),
    }
}

/// What the agent would have sent with the changes made: the same in everything else, and in place of the old one.
pub fn request(
    old: &Proposal,
    changes: &[Change],
    nonce: Nonce,
    key: Option<&DataKey>,
) -> Result<Request, CorrectError> {
    let mut items = Vec::new();
    for item in &old.binding.items {
        let mut parameters = as_sent(old, item, key)?;
        for change in changes.iter().filter(|change| change.item == item.id) {
            change
                .apply(&mut parameters)
                .ok_or_else(|| CorrectError::Changed(change.item.clone()))?;
        }
        items.push(RequestItem {
            id: item.id.clone(),
            parameters,
        });
    }
    let from = old.binding.valid.from;
    Ok(Request {
        operation: old.binding.operation.clone(),
        sponsor: old.binding.sponsor.clone(),
        parameters: None,
        items,
        nonce,
        expires_at: old.asked_expiry,
        not_before: (from > old.created_at).then_some(from),
        idempotency_key: None,
        supersedes: Some(old.id),
        claimed: old.claimed.clone(),
        justification: old.justification.clone(),
        exceptions: old.exceptions.clone(),
        rollback_plan: old.rollback_plan.clone(),
        provenance: old.provenance.clone(),
        signature: None,
    })
}

/// Why changes can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrectError {
    /// Sealed values can't be opened, so that they can't be sealed anew.
    #[error("its sealed values can't be opened here; ask the agent to revise")]
    Seal(#[from] SealError),
    /// What was changed stands there no more.
    #[error("item `{0}` is not as it was when the change was written; write it again")]
    Changed(ItemId),
}

/// How it is known who asked for what, once somebody changed it.
pub fn proof(
    old: &Proposal,
    by: &PersonName,
    spoken: (AccountId, CommentId),
    changes: Vec<Change>,
) -> AgentProof {
    let (account, comment) = spoken;
    let (asked, nonce) = old.asked();
    let mut corrections = old.proof.corrections().to_vec();
    corrections.push(Correction {
        from: old.id,
        by: by.clone(),
        account,
        comment,
        changes,
    });
    AgentProof::Corrected(Box::new(Corrected {
        asked: asked.clone(),
        nonce: nonce.clone(),
        corrections,
    }))
}

/// Whether a proposal that people changed is what the record and their changes give, whatever the policy says: the one it
/// replaces, ended for it, with the newest changes and nothing else. One that nobody changed says nothing of a comment.
pub(super) fn admissible(
    received: &Received,
    old: Option<&Case>,
    person: Option<&PersonName>,
) -> Result<(), NotCorrected> {
    let new = &received.proposal;
    let (corrected, heard) = match (&new.proof, &received.via) {
        (AgentProof::Corrected(corrected), Via::Comment(heard)) => (corrected, heard),
        (AgentProof::Corrected(_), Via::Api | Via::Pull { .. } | Via::Rollback(_)) | (_, Via::Comment(_)) => {
            return Err(NotCorrected::Nobody);
        }
        (
            AgentProof::Ed25519 { .. } | AgentProof::GateAttested { .. } | AgentProof::RolledBack(_),
            Via::Api | Via::Pull { .. } | Via::Rollback(_),
        ) => {
            return Ok(());
        }
    };
    let (last, before) = corrected.corrections.split_last().ok_or(NotCorrected::Nothing)?;
    if person != Some(&last.by) || heard.account != last.account || heard.comment != last.comment {
        return Err(NotCorrected::Nobody);
    }
    if before.len() >= MAX_CORRECTIONS {
        return Err(NotCorrected::Often);
    }
    if received.assessment.tier == Tier::Low {
        return Err(NotCorrected::Low);
    }
    let replaced = |old: &&Case| {
        let opened = old.opened.as_ref().map(|opened| opened.head);
        Some(old.proposal.id) == new.supersedes
            && old.life == Life::Superseded
            && old.replaced_by == Some(new.id)
            && opened == Some(heard.head)
    };
    let old = old.filter(replaced).ok_or(NotCorrected::Elsewhere)?;
    let old = &old.proposal;
    if old.binding.rolls_back.is_some() {
        return Err(NotCorrected::Rollback);
    }
    if last.from != old.id {
        return Err(NotCorrected::Elsewhere);
    }
    let differs = |same: bool, what| {
        if same {
            Ok(())
        } else {
            Err(NotCorrected::Differs(what))
        }
    };
    differs(
        (&corrected.asked, &corrected.nonce) == old.asked(),
        "the agent's proof",
    )?;
    differs(before == old.proof.corrections(), "what was changed before")?;
    same_words(old, new)?;
    changed(old, new, &last.changes)
}

/// Whatever no change touches is the agent's own.
fn same_words(old: &Proposal, new: &Proposal) -> Result<(), NotCorrected> {
    let (was, is) = (&old.binding, &new.binding);
    let asked = was.operation == is.operation
        && was.agent == is.agent
        && was.sponsor == is.sponsor
        && was.target == is.target
        && was.valid.from <= is.valid.from
        && old.asked_expiry == new.asked_expiry;
    let said = old.claimed == new.claimed
        && old.justification == new.justification
        && old.exceptions == new.exceptions
        && old.rollback_plan == new.rollback_plan
        && old.provenance == new.provenance;
    match (asked, said) {
        (true, true) => Ok(()),
        (false, _) => Err(NotCorrected::Differs("what is asked for")),
        (true, false) => Err(NotCorrected::Differs("what the agent says")),
    }
}

/// Every item is what it was with its changes made. Sealed values are told apart by place and mask alone: their
/// commitments have a salt each, and whoever holds the key compares them in clear.
fn changed(old: &Proposal, new: &Proposal, changes: &[Change]) -> Result<(), NotCorrected> {
    if changes.is_empty() {
        return Err(NotCorrected::Nothing);
    }
    let seals = |proposal: &Proposal| -> Vec<(ItemId, String, String)> {
        let sealed = proposal.sealed.iter();
        sealed
            .map(|one| {
                (
                    one.item().clone(),
                    one.pointer().to_owned(),
                    one.masked().to_owned(),
                )
            })
            .collect()
    };
    if seals(old) != seals(new) {
        return Err(NotCorrected::Differs("what is sealed"));
    }
    let on_sealed = |change: &&Change| {
        let mut sealed = new.sealed.iter().filter(|one| *one.item() == change.item);
        sealed.any(|one| meet(one.pointer(), &change.at))
    };
    if let Some(change) = changes.iter().find(on_sealed) {
        return Err(NotCorrected::Sealed(change.item.clone()));
    }
    let items = || Err(NotCorrected::Differs("an item"));
    let (was, is) = (&old.binding.items, &new.binding.items);
    if was.len() != is.len()
        || !changes
            .iter()
            .all(|change| was.iter().any(|item| item.id == change.item))
    {
        return items();
    }
    for (was, is) in was.iter().zip(is) {
        let mut parameters = sent(old, was);
        let own = changes.iter().filter(|change| change.item == was.id);
        let made = own
            .map(|change| change.apply(&mut parameters))
            .all(|made| made.is_some());
        if !made || was.id != is.id || parameters != sent(new, is) {
            return items();
        }
        // The schema's defaults are those of before; further ones stand in what was changed only.
        let mut filled = new.defaulted.get(&is.id).into_iter().flatten();
        let before = old.defaulted.get(&was.id);
        let same = |at: &String| match before.is_some_and(|before| before.contains(at)) {
            true => was.parameters.pointer(at) == is.parameters.pointer(at),
            false => changes
                .iter()
                .any(|change| change.item == is.id && meet(&change.at, at)),
        };
        if !filled.all(same) {
            return items();
        }
    }
    Ok(())
}

/// An item's parameters as they were sent, nothing in place of what is sealed.
fn sent(proposal: &Proposal, item: &Item) -> Value {
    let mut parameters = item.parameters.clone();
    for sealed in proposal.sealed.iter().filter(|sealed| *sealed.item() == item.id) {
        if let Some(place) = parameters.pointer_mut(sealed.pointer()) {
            *place = Value::Null;
        }
    }
    without_defaults(proposal, &item.id, parameters)
}

#[cfg(test)]
mod tests;
