//! From what an agent sent to a proposal: everything is checked before anything is recorded.

mod proof;
mod undo;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{
    canonical::{Salt, refuse_inexact},
    checks::{Problem, secrets},
    gate::EXECUTE_WITHIN,
    ids::{IdempotencyKey, ItemId, ProposalId, Timestamp},
    policy::{Action, Agent, AgentKey, ParamPath, Policy},
    proposal::{
        AgentProof, Attestation, Binding, DryRun, Item, MAX_ITEMS, Observed, Proposal, ProposalError,
        ProposalParts, SPEC_VERSION, Target, Validity,
    },
    request::{Checked, Request, RequestError},
    sealed::{DataKey, PLACEHOLDER, SealError, Sealed, SealedAt, placeholders},
};

pub use proof::{ProofError, as_sent, check_proof, check_proof_knowing, clear_parameters};
pub(super) use proof::{meet, without_defaults};
pub use undo::{NoUndo, Way, undone_until};

/// One field that is not as it must be, and what would satisfy it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request; empty for the request as a whole.
    pub field: String,
    /// What is wrong and what to send instead.
    pub message: String,
}

impl FieldError {
    /// An error on one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// An item with defaults materialised, still in clear.
#[derive(Clone, PartialEq)]
pub struct ClearItem {
    /// Its name.
    pub id: ItemId,
    /// Its parameters.
    pub parameters: Value,
    /// JSON pointers that defaults filled in.
    pub defaulted: Vec<String>,
}

impl std::fmt::Debug for ClearItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClearItem")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A request that fits the catalog; what is still missing is what the bot itself observes.
#[derive(Debug)]
pub struct Fitting<'p> {
    request: Request,
    policy: &'p Policy,
    agent: &'p Agent,
    action: &'p Action,
    items: Vec<ClearItem>,
    now: Timestamp,
}

/// What the bot brings to make a fitting request a proposal.
#[derive(Debug)]
pub struct Arrival {
    /// The proposal's id.
    pub id: ProposalId,
    /// How it is known that the agent asked.
    pub proof: AgentProof,
    /// One line for people, rendered from the masked parameters.
    pub summary: String,
    /// What the bot observed.
    pub observed: Vec<Observed>,
    /// The key of this proposal's sealed fields.
    pub key: DataKey,
    /// The parameters, in clear, of the proposal that it replaces; none where it replaces none, or nobody can open that.
    pub replaced: Option<BTreeMap<ItemId, Value>>,
    /// The salts of values that keep their commitment, by item and JSON pointer; empty for all that is sealed anew.
    pub kept: BTreeMap<(ItemId, String), Salt>,
    /// One salt and nonce for each sealed value, drawn at random; at least [`Fitting::sealed_values`].
    pub salts: Vec<([u8; 32], [u8; 24])>,
}

/// Why a fitting request did not become a proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalError {
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Fewer salts than sealed values.
    #[error("not enough salts were drawn")]
    Salts,
    /// What the bot read holds a secret, which Git must not learn. INVARIANT i29.
    #[error(
        "what was observed for item `{item}` holds {what} at `{at}`; narrow what `observe` reads in the catalog"
    )]
    Secret {
        /// The item.
        item: ItemId,
        /// What it is.
        what: String,
        /// JSON pointer (RFC 6901) into what was read.
        at: String,
    },
    /// What the target said it would do holds a secret, which Git must not learn either.
    #[error(
        "what the target said of item `{item}` holds {what} at `{at}`; narrow what `dry_run` keeps in the catalog"
    )]
    Said {
        /// The item.
        item: ItemId,
        /// What it is.
        what: String,
        /// JSON pointer (RFC 6901) into what is kept.
        at: String,
    },
    /// The parts do not agree.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
}

/// Who asks in an agent's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// The agent itself.
    Agent,
    /// A person, to take back what it did.
    Person,
}

/// Checks a request of an agent against the catalog; every field that does not fit is named.
pub fn fit<'p>(
    request: Request,
    agent: &'p Agent,
    policy: &'p Policy,
    now: Timestamp,
) -> Result<Fitting<'p>, Vec<FieldError>> {
    fit_as(Asks::Agent, request, agent, policy, now)
}

/// The same of what a person has taken back: it needs no leave of the agent's.
pub fn fit_rollback<'p>(
    request: Request,
    agent: &'p Agent,
    policy: &'p Policy,
    now: Timestamp,
) -> Result<Fitting<'p>, Vec<FieldError>> {
    fit_as(Asks::Person, request, agent, policy, now)
}

fn fit_as<'p>(
    asks: Asks,
    request: Request,
    agent: &'p Agent,
    policy: &'p Policy,
    now: Timestamp,
) -> Result<Fitting<'p>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let action = policy.action(&request.operation);
    // Before anything else, so that no other message can repeat a part of it. INVARIANT i29.
    let sealed: Vec<String> = action
        .map(|action| action.sensitive().iter().map(ParamPath::pointer).collect())
        .unwrap_or_default();
    let secrets = secrets::refuse(&request, &sealed);
    if !secrets.is_empty() {
        let refused = |problem: Problem| {
            FieldError::new(problem.at, format!("holds {}; {}", problem.found, problem.remedy))
        };
        return Err(secrets.into_iter().map(refused).collect());
    }
    let Some(action) = action else {
        let near = policy.nearest_action(request.operation.as_str());
        let hint = near.map_or_else(
            || {
                format!(
                    "; agent `{}` may propose {}",
                    agent.name(),
                    listed(agent.actions())
                )
            },
            |near| format!("; did you mean `{near}`?"),
        );
        let message = format!("the catalog has no action `{}`{hint}", request.operation);
        return Err(vec![FieldError::new("/operation", message)]);
    };
    if asks == Asks::Agent && !agent.may_propose(&request.operation) {
        let message = format!(
            "agent `{}` may not propose it; it may propose {}",
            agent.name(),
            listed(agent.actions())
        );
        return Err(vec![FieldError::new("/operation", message)]);
    }
    if request.sponsor != *agent.sponsor() {
        let message = format!(
            "`{}` is not the sponsor of agent `{}`; send `{}`",
            request.sponsor,
            agent.name(),
            agent.sponsor()
        );
        errors.push(FieldError::new("/sponsor", message));
    }
    if request.expires_at.is_some_and(|at| at <= now) {
        errors.push(FieldError::new(
            "/expires_at",
            "has passed already; send a later time or none",
        ));
    }
    if request.justification.trim().is_empty() {
        errors.push(FieldError::new(
            "/justification",
            "is empty; say in a sentence why this should be done",
        ));
    }
    for (field, text) in [
        ("/justification", Some(&request.justification)),
        ("/rollback_plan", request.rollback_plan.as_ref()),
    ] {
        if text.is_some_and(|text| text.chars().count() > 4_000) {
            errors.push(FieldError::new(
                field,
                "is longer than 4000 characters; shorten it",
            ));
        }
    }
    if let Some(from) = request
        .not_before
        .filter(|from| *from >= latest_approval(&request, action, policy, now))
    {
        let message =
            format!("`{from}` is after the proposal can no longer be approved; send an earlier time");
        errors.push(FieldError::new("/not_before", message));
    }
    for (index, exception) in request.exceptions.iter().enumerate() {
        if !action.checks().contains(&exception.check) {
            let message = format!(
                "`{}` is no check of `{}`; its checks are {}",
                exception.check,
                request.operation,
                listed(action.checks())
            );
            errors.push(FieldError::new(format!("/exceptions/{index}/check"), message));
        }
        if exception.reason.trim().is_empty() {
            errors.push(FieldError::new(
                format!("/exceptions/{index}/reason"),
                "is empty; say in a sentence why the check should not hold here",
            ));
        }
    }
    let claimed = Value::Object(request.claimed.clone());
    if let Err(error) = refuse_inexact(&claimed, &mut "/claimed".to_owned()) {
        errors.push(FieldError::new("/claimed", error.to_string()));
    }
    let single = request.parameters.is_some();
    let sent = request.items().unwrap_or_else(|error| {
        errors.push(FieldError::new("/items", error.to_string()));
        Vec::new()
    });
    if sent.len() > MAX_ITEMS {
        errors.push(FieldError::new(
            "/items",
            format!("holds {}; send {MAX_ITEMS} at most", sent.len()),
        ));
    }
    let mut items: Vec<ClearItem> = Vec::new();
    for (index, item) in sent.into_iter().take(MAX_ITEMS).enumerate() {
        let at = if single {
            "/parameters".to_owned()
        } else {
            format!("/items/{index}/parameters")
        };
        if items.iter().any(|known| known.id == item.id) {
            errors.push(FieldError::new(
                format!("/items/{index}/id"),
                format!("`{}` stands twice; ids differ", item.id),
            ));
        }
        let mut parameters = item.parameters;
        let mut place = at.clone();
        if let Err(error) = refuse_inexact(&parameters, &mut place) {
            errors.push(FieldError::new(place, error.to_string()));
            continue;
        }
        if placeholders(&parameters) > 0 {
            let message =
                format!("holds an object of the one field `{PLACEHOLDER}`, which stands for sealed values");
            errors.push(FieldError::new(&at, message));
        }
        let wrong = action.validate(&parameters);
        let defaulted = action.apply_defaults(&mut parameters);
        let wrong = if wrong.is_empty() {
            action.validate(&parameters)
        } else {
            wrong
        };
        errors.extend(
            wrong
                .iter()
                .map(|error| FieldError::new(format!("{at}{}", error.pointer()), error.message())),
        );
        if wrong.is_empty()
            && let Err(error) = action.resource().path(&parameters)
        {
            let at = format!("{at}{}", error.param().pointer());
            errors.push(FieldError::new(at, error.to_string()));
        }
        items.push(ClearItem {
            id: item.id,
            parameters,
            defaulted,
        });
    }
    if errors.is_empty() {
        Ok(Fitting {
            request,
            policy,
            agent,
            action,
            items,
            now,
        })
    } else {
        Err(errors)
    }
}

/// A proposal with what its target said it would do. INVARIANT i29.
pub fn told(proposal: Proposal, dry_runs: Vec<DryRun>) -> Result<Proposal, ArrivalError> {
    for asked in &dry_runs {
        if let Some(problem) = secrets::refuse_observed(&asked.said).into_iter().next() {
            return Err(ArrivalError::Said {
                item: asked.item.clone(),
                what: problem.found,
                at: problem.at,
            });
        }
    }
    Ok(proposal.with_dry_runs(dry_runs)?)
}

fn listed(names: &[impl std::fmt::Display]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// When a proposal received now can no longer be approved: as the agent asks, but never later than its gate says.
fn latest_approval(request: &Request, action: &Action, policy: &Policy, now: Timestamp) -> Timestamp {
    let found = policy.classify(action.impact(), action.data(), action.rollback().kind());
    let latest = now.plus(policy.gate(found.tier).expires_after());
    request.expires_at.map_or(latest, |asked| asked.min(latest))
}

/// What shows that an agent asked for something.
#[derive(Debug, Clone, PartialEq)]
pub struct Proved {
    /// As the record holds it.
    pub proof: AgentProof,
    /// The agent's signature, where it has a key of its own.
    pub signature: Option<Checked>,
}

/// Checks that the agent itself asked for exactly this. INVARIANT i04.
pub fn prove(request: &Request, agent: &Agent, seen: Attestation) -> Result<Proved, FieldError> {
    let at = |error: RequestError| FieldError::new("/signature", error.to_string());
    match (agent.key(), &request.signature) {
        (AgentKey::Ed25519 { id, public }, Some(signature)) => {
            let bytes = request.signed_bytes().map_err(at)?;
            let checked = Checked::new(&bytes, signature, **public).map_err(at)?;
            Ok(Proved {
                proof: AgentProof::Ed25519 {
                    key: id.clone(),
                    signature: signature.clone(),
                },
                signature: Some(checked),
            })
        }
        (AgentKey::Ed25519 { .. }, None) => {
            let message = format!(
                "is missing; agent `{}` signs its proposals with its Ed25519 key",
                agent.name()
            );
            Err(FieldError::new("/signature", message))
        }
        (AgentKey::Hmac, None) => Ok(Proved {
            proof: AgentProof::GateAttested { by: seen },
            signature: None,
        }),
        (AgentKey::Hmac, Some(_)) => {
            let message = format!(
                "can't be checked; agent `{}` has no public key in agents.yaml",
                agent.name()
            );
            Err(FieldError::new("/signature", message))
        }
    }
}

impl Fitting<'_> {
    /// The action.
    pub const fn action(&self) -> &Action {
        self.action
    }
    /// The request as sent.
    pub const fn request(&self) -> &Request {
        &self.request
    }
    /// The items in clear, defaults materialised.
    pub fn items(&self) -> &[ClearItem] {
        &self.items
    }
    /// The idempotency key: the agent's own, or its nonce.
    pub fn idempotency_key(&self) -> Option<IdempotencyKey> {
        let nonce = || self.request.nonce.as_str().parse().ok();
        self.request.idempotency_key.clone().or_else(nonce)
    }
    /// How many values will be sealed.
    pub fn sealed_values(&self) -> usize {
        let found = |item: &ClearItem| {
            self.action
                .sensitive()
                .iter()
                .filter(|path| path.find(&item.parameters).is_some())
                .count()
        };
        self.items.iter().map(found).sum()
    }

    /// Seals what is sensitive and makes the proposal.
    pub fn arrive(self, arrival: Arrival) -> Result<Proposal, ArrivalError> {
        let key = self.idempotency_key().ok_or(ArrivalError::Salts)?;
        for seen in &arrival.observed {
            if let Some(problem) = secrets::refuse_observed(&seen.facts).into_iter().next() {
                return Err(ArrivalError::Secret {
                    item: seen.item.clone(),
                    what: problem.found,
                    at: problem.at,
                });
            }
        }
        let mut salts = arrival.salts.into_iter();
        let mut sealed = Vec::new();
        let mut items = Vec::new();
        let mut defaulted = BTreeMap::new();
        for item in self.items {
            let mut parameters = item.parameters;
            for path in self.action.sensitive() {
                let pointer = path.pointer();
                let Some(value) = parameters.pointer_mut(&pointer) else {
                    continue;
                };
                let (salt, nonce) = salts.next().ok_or(ArrivalError::Salts)?;
                let at = SealedAt {
                    proposal: arrival.id,
                    item: item.id.clone(),
                    pointer,
                };
                // Salts keep commitments from being compared, so equal masks would hide another value.
                let as_before = arrival.replaced.as_ref().map(|items| {
                    let old = items.get(&item.id);
                    old.and_then(|old| old.pointer(&at.pointer)) == Some(&*value)
                });
                let place = (at.item.clone(), at.pointer.clone());
                let fresh = Salt::new(salt);
                let salt = arrival.kept.get(&place).unwrap_or(&fresh);
                let hidden = Sealed::seal(&at, value, &arrival.key, salt, nonce)?;
                let hidden = hidden.compared(as_before);
                *value = hidden.placeholder();
                sealed.push(hidden);
            }
            let seen = arrival.observed.iter().find(|seen| seen.item == item.id);
            let observed_digest = seen
                .map(|seen| seen.facts.digest())
                .transpose()
                .map_err(ProposalError::from)?;
            if !item.defaulted.is_empty() {
                defaulted.insert(item.id.clone(), item.defaulted);
            }
            items.push(Item {
                id: item.id,
                parameters,
                observed_digest,
            });
        }
        let action = self.action;
        let expires_at = latest_approval(&self.request, action, self.policy, self.now);
        let from = self.request.not_before.unwrap_or(self.now).max(self.now);
        let until = expires_at.max(from).plus(EXECUTE_WITHIN);
        let request = self.request;
        let rolls_back = arrival.proof.rolled_back().map(|rolled| rolled.of);
        Ok(Proposal::new(ProposalParts {
            id: arrival.id,
            spec_version: SPEC_VERSION,
            created_at: self.now,
            expires_at,
            idempotency_key: key,
            supersedes: request.supersedes,
            nonce: request.nonce,
            asked_expiry: request.expires_at,
            proof: arrival.proof,
            binding: Binding {
                operation: request.operation,
                agent: self.agent.name().clone(),
                sponsor: request.sponsor,
                target: Target {
                    system: action.system().to_owned(),
                    resource: action.resource().to_string(),
                    schema_digest: action.schema_digest(),
                },
                items,
                valid: Validity { from, until },
                rolls_back,
            },
            summary: arrival.summary,
            defaulted,
            sealed,
            observed: arrival.observed,
            dry_runs: Vec::new(),
            claimed: request.claimed,
            justification: request.justification,
            exceptions: request.exceptions,
            rollback_plan: request.rollback_plan,
            provenance: request.provenance,
        })?)
    }
}

#[cfg(test)]
mod tests;
