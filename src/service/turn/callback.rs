//! Callbacks: an agent is told when its proposal opens, needs changes, or ends. A message says what `status` would, so
//! that nothing goes to its address that the agent could not ask for itself. INVARIANT i24, i29.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Bot, NotNow, View};
use crate::{
    domain::{
        book::Book,
        case::Life,
        entry::{Entry, Event, Kind},
        ids::{AgentName, Digest, ProposalId},
        observation::ReviewState,
        policy::Tier,
    },
    execute::{Callback, CallbackKey, call_back},
    ledger::{SignError, Signer},
};

/// Entries of which an agent may be told; see [`told_as`].
pub(super) const KINDS: &[Kind] = &[
    Kind::Opened,
    Kind::Reviewed,
    Kind::Voided,
    Kind::Denied,
    Kind::Expired,
    Kind::Cancelled,
    Kind::Superseded,
    Kind::Bypassed,
    Kind::PolicyChanged,
    Kind::RefusedAfterMerge,
    Kind::Finished,
    Kind::Unknown,
    Kind::Resolved,
    Kind::Erased,
];

impl Bot {
    /// Tells an agent of an entry, when it is about a proposal of its own and something that it waits for.
    pub(super) async fn call_back(
        &self,
        agent: &AgentName,
        digest: Digest,
        entry: &Entry,
    ) -> Result<(), NotNow> {
        let (Some(id), Some(told)) = (entry.proposal, told_as(entry)) else {
            return Ok(());
        };
        let Some((whose, tier)) = self.ledger().read(|book| party(book, id)) else {
            return Ok(());
        };
        // Who proposed it was answered with its end already.
        let answered = tier == Tier::Low && entry.kind() == Kind::Finished;
        if whose != *agent || answered {
            return Ok(());
        }
        let policy = self.policy_known().await?;
        let Some(to) = policy.agent(agent).and_then(|agent| agent.callback()) else {
            return Ok(());
        };
        let Ok(status) = self.status(id, &View::Agent(agent)).await else {
            return Ok(());
        };
        let status = serde_json::to_value(status).map_err(NotNow::internal)?;
        let kind = format!("countersign.proposal.{told}");
        let event: Value = self.event(digest, entry, &kind, status);
        // Whoever lost the lease tells nobody: somebody else does by now.
        self.publishing().await?;
        let message = Callback {
            url: to.url(),
            allow_private: to.allow_private(),
            id: &digest.to_string(),
            proposal: id,
            at: self.now(),
            body: event.to_string(),
        };
        let key = self.callback_key().map_err(NotNow::internal)?;
        let taken = call_back(self.client(), key, message).await;
        let result = if taken.is_ok() { "taken" } else { "failed" };
        metrics::counter!("countersign_callbacks_total", "agent" => agent.to_string(), "result" => result)
            .increment(1);
        taken.map_err(|error| NotNow::Other(format!("the callback of agent `{agent}`: {error}")))
    }

    /// The public key of callbacks, as a key set of its own (RFC 7517, RFC 8037). It must not stand among those of
    /// credentials: whoever signs callbacks could sign credentials then. INVARIANT i19.
    pub(in crate::service) fn callback_keys(&self) -> Result<Value, SignError> {
        let public = self.callback_key()?.public();
        Ok(json!({
            "keys": [{
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": "EdDSA",
                "kid": format!("callback-{}", Digest::of(&public).short()),
                "x": URL_SAFE_NO_PAD.encode(public),
                // As the libraries of Standard Webhooks take it.
                "webhook_key": format!("whpk_{}", STANDARD.encode(public)),
            }],
        }))
    }

    /// What callbacks are signed with: derived from the gate's key, so that every replica has it and nobody has to keep
    /// it.
    fn callback_key(&self) -> Result<&CallbackKey, SignError> {
        let known = &self.inner.callback_key;
        if let Some(key) = known.get() {
            return Ok(key);
        }
        let none = || SignError::Sign("a process that only executes calls nobody back".to_owned());
        let gate = self.gate().ok_or_else(none)?.key().expose_secret();
        let gate = Signer::read(gate.as_bytes(), std::path::Path::new("the gate's key"));
        let seed = gate?.callback_seed();
        let seed = seed.ok_or_else(|| SignError::Sign("no key for callbacks can be derived".to_owned()))?;
        Ok(known.get_or_init(|| CallbackKey::new(&seed)))
    }
}

/// Whose proposal it is, and its tier.
fn party(book: &Book, id: ProposalId) -> Option<(AgentName, Tier)> {
    if let Some(case) = book.case(id) {
        return Some((case.proposal.binding.agent.clone(), case.tier()));
    }
    let closed = book.closed(id)?;
    Some((closed.agent.clone(), closed.tier))
}

/// What an entry means to its proposal's agent; nothing where there is nothing to wait for.
fn told_as(entry: &Entry) -> Option<&'static str> {
    let life = match &entry.event {
        Event::Reviewed(review) => {
            let asks = review.decision == ReviewState::ChangesRequested && entry.actor.person.is_some();
            return asks.then_some("changes_requested");
        }
        Event::Erased(_) => return Some("erased"),
        Event::Opened(_) => Life::Open,
        Event::Voided(_) => Life::Voided,
        Event::Denied(_) => Life::Denied,
        Event::Expired(_) => Life::Expired,
        Event::Cancelled(_) => Life::Cancelled,
        Event::Superseded(_) => Life::Superseded,
        Event::Bypassed(_) => Life::Bypassed,
        Event::PolicyChanged(_) => Life::PolicyChanged,
        Event::RefusedAfterMerge(_) => Life::RefusedAfterMerge,
        Event::Finished(finished) => Life::of(finished.outcome),
        Event::Unknown(_) => Life::Unknown,
        Event::Resolved(resolved) => Life::found(resolved.found),
        Event::Genesis(_)
        | Event::Policy(_)
        | Event::Received(_)
        | Event::Excluded(_)
        | Event::Edited(_)
        | Event::Exception(_)
        | Event::Withdrawn(_)
        | Event::Observed(_)
        | Event::Delegated(_)
        | Event::Reminded(_)
        | Event::Escalated(_)
        | Event::Merged(_)
        | Event::Started(_)
        | Event::Step(_)
        | Event::Undone(_)
        | Event::Incident(_)
        | Event::Frozen(_)
        | Event::Thawed(_)
        | Event::Protection(_) => return None,
    };
    Some(life.as_str())
}
