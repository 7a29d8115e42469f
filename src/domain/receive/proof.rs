//! Who asked for a proposal, checked again from the proposal alone. INVARIANT i04.

use serde_json::Value;

use super::undo::{self, NoUndo};
use crate::domain::{
    ids::{AccountId, ItemId, PersonName},
    policy::{Action, AgentKey, ParamPath, Person, Policy},
    proposal::{AgentProof, Item, Proposal, put},
    request::{Checked, RequestError, RequestItem, signed_bytes},
    sealed::{DataKey, SealError},
};

/// Why an executor can't tell that the agent asked for a proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Sealed values can't be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The agent is not in the policy, or signs otherwise.
    #[error("agent `{0}` is not in agents.yaml with the key that the proposal names")]
    Agent(String),
    /// A parameter is passed off as one of the schema's defaults.
    #[error("item `{0}` holds parameters that neither the agent sent nor the schema's defaults give")]
    Defaults(ItemId),
    /// The signature does not hold.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Changed by somebody who is nobody to the policy.
    #[error("it was changed in the name of `{0}`, who is not in people.yaml with that account")]
    Nobody(PersonName),
    /// What people are said to have changed is not what differs from what the agent asked for.
    #[error(
        "what people changed of item `{0}` is not what stands there now, or nothing that a comment may change"
    )]
    Changes(ItemId),
    /// What is said to take something back does not.
    #[error(transparent)]
    NoUndo(#[from] NoUndo),
    /// Nobody is said to have changed anything, or another proposal than the one that it replaces.
    #[error("what people changed is not of the proposal that this one replaces")]
    Replaces,
}

/// A proposal's parameters in clear.
pub fn clear_parameters(proposal: &Proposal, item: &Item, key: Option<&DataKey>) -> Result<Value, SealError> {
    let mut parameters = item.parameters.clone();
    for sealed in proposal.sealed.iter().filter(|sealed| *sealed.item() == item.id) {
        let key = key.ok_or_else(|| SealError::Open(sealed.pointer().to_owned()))?;
        let clear = sealed.open(proposal.id, key)?;
        if let Some(place) = parameters.pointer_mut(sealed.pointer()) {
            *place = clear;
        }
    }
    Ok(parameters)
}

/// An item's parameters as they were sent: sealed values opened, defaults taken out.
pub fn as_sent(proposal: &Proposal, item: &Item, key: Option<&DataKey>) -> Result<Value, SealError> {
    let parameters = clear_parameters(proposal, item, key)?;
    Ok(without_defaults(proposal, &item.id, parameters))
}

/// An item's parameters without what defaults filled in.
pub(in crate::domain) fn without_defaults(
    proposal: &Proposal,
    item: &ItemId,
    mut parameters: Value,
) -> Value {
    let filled = proposal.defaulted.get(item);
    for pointer in filled.into_iter().flatten().rev() {
        put(&mut parameters, pointer, None);
    }
    parameters
}

/// Checks the agent's signature again, from the proposal alone: sealed values opened, defaults taken out, and what people
/// changed taken back. INVARIANT i04.
pub fn check_proof(proposal: &Proposal, policy: &Policy, key: Option<&DataKey>) -> Result<(), ProofError> {
    check_proof_knowing(None, proposal, policy, key)
}

/// The same, where a signature may be known to hold: everything else is looked at again, and that only if it is over other
/// bytes than what the proposal says now, or of another key.
pub fn check_proof_knowing(
    known: Option<&Checked>,
    proposal: &Proposal,
    policy: &Policy,
    key: Option<&DataKey>,
) -> Result<(), ProofError> {
    let binding = &proposal.binding;
    let unknown = || ProofError::Agent(binding.agent.to_string());
    let agent = policy.agent(&binding.agent).ok_or_else(unknown)?;
    if let Some(rolled) = proposal.proof.rolled_back() {
        return Ok(undo::check(proposal, rolled, policy, key)?);
    }
    let (asked, nonce) = proposal.asked();
    let corrected = matches!(proposal.proof, AgentProof::Corrected(_));
    let signed = match (asked, agent.key()) {
        (AgentProof::Ed25519 { key, signature }, AgentKey::Ed25519 { id, public }) if key == id => {
            Some((signature, public))
        }
        (AgentProof::GateAttested { .. }, AgentKey::Hmac) if !corrected => return Ok(()),
        (AgentProof::GateAttested { .. }, AgentKey::Hmac) => None,
        (
            AgentProof::Ed25519 { .. }
            | AgentProof::GateAttested { .. }
            | AgentProof::Corrected(_)
            | AgentProof::RolledBack(_),
            AgentKey::Ed25519 { .. } | AgentKey::Hmac,
        ) => {
            return Err(unknown());
        }
    };
    let action = policy.action(&binding.operation).ok_or_else(unknown)?;
    let mut items = Vec::new();
    for item in &binding.items {
        let whole = clear_parameters(proposal, item, key)?;
        let parameters = without_defaults(proposal, &item.id, whole.clone());
        let filled = proposal
            .defaulted
            .get(&item.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        // Only what the schema itself fills in may be missing from what the agent signed.
        let mut again = parameters.clone();
        if action.apply_defaults(&mut again) != filled || again != whole {
            return Err(ProofError::Defaults(item.id.clone()));
        }
        items.push(RequestItem {
            id: item.id.clone(),
            parameters,
        });
    }
    if corrected {
        take_back(&mut items, proposal, action, policy)?;
    }
    let Some((signature, public)) = signed else {
        return Ok(());
    };
    let bytes = signed_bytes(
        &binding.operation,
        &binding.sponsor,
        &items,
        nonce,
        proposal.asked_expiry,
    )?;
    if !known.is_some_and(|known| known.is(&bytes, signature, public)) {
        Checked::new(&bytes, signature, **public)?;
    }
    Ok(())
}

/// Takes back what people changed, newest first, so that what the agent asked for is left. Each is a person, changed what
/// stands there, and nothing that is sealed or names what is acted on.
fn take_back(
    items: &mut [RequestItem],
    proposal: &Proposal,
    action: &Action,
    policy: &Policy,
) -> Result<(), ProofError> {
    let corrections = proposal.proof.corrections();
    let newest = corrections.last().map(|correction| correction.from);
    if newest.is_none() || newest != proposal.supersedes {
        return Err(ProofError::Replaces);
    }
    let now = items.to_vec();
    for correction in corrections.iter().rev() {
        if !is_persons(&correction.by, correction.account, policy) {
            return Err(ProofError::Nobody(correction.by.clone()));
        }
        for change in correction.changes.iter().rev() {
            let no = || ProofError::Changes(change.item.clone());
            let open = action
                .sensitive()
                .iter()
                .all(|sealed| !meet(&sealed.pointer(), &change.at));
            let item = items.iter_mut().find(|item| item.id == change.item);
            let item = item.filter(|_| open).ok_or_else(no)?;
            change.undo(&mut item.parameters).ok_or_else(no)?;
        }
    }
    let filled = |item: &RequestItem| {
        let mut parameters = item.parameters.clone();
        action.apply_defaults(&mut parameters);
        parameters
    };
    let other = |(asked, now): &(&RequestItem, &RequestItem)| {
        other_matter(action, &filled(asked), &filled(now)).is_some()
    };
    match items.iter().zip(&now).find(other) {
        Some((item, _)) => Err(ProofError::Changes(item.id.clone())),
        None => Ok(()),
    }
}

/// Whether a word is said in the name of a person by an account of theirs, which is no agent's.
pub(super) fn is_persons(by: &PersonName, account: AccountId, policy: &Policy) -> bool {
    let name = policy.person_of(account).map(Person::name);
    name == Some(by) && policy.agent_of(account).is_none()
}

/// Whether two JSON pointers name the same place, or one lies in the other.
pub(in crate::domain) fn meet(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The parameter by which two sets of parameters name something else that is acted on, which is another matter.
fn other_matter<'a>(action: &'a Action, one: &Value, other: &Value) -> Option<&'a ParamPath> {
    let mut named = action.resource().params();
    named.find(|param| param.find(one) != param.find(other))
}
