//! One requested instance of an action, immutable from the moment it is received.

mod dry_run;
mod proof;

use std::{collections::BTreeMap, ops::Deref};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{
    canonical::{NotCanonical, digest_of, escape_pointer, refuse_inexact},
    ids::{
        ActionName, AgentName, CheckName, Digest, IdempotencyKey, ItemId, Nonce, PersonName, ProposalId,
        StepName, Timestamp,
    },
    sealed::{Sealed, placeholder_of, placeholders},
};

pub use dry_run::DryRun;
pub(super) use proof::put;
pub use proof::{
    AgentProof, Attestation, Change, Corrected, Correction, MAX_CORRECTIONS, RolledBack, dotted,
};

/// The version of the proposal's format; part of every proposal.
pub const SPEC_VERSION: u32 = 1;
/// The most items one proposal may hold.
pub const MAX_ITEMS: usize = 500;

/// The file that shows before and after; a proposal without either has none.
pub const DIFF_FILE: &str = "change.diff";
/// The files of a proposal's one commit, by their names in its directory.
pub const FILES: [&str; 3] = ["proposal.yaml", DIFF_FILE, "report.md"];

/// What is authorised: the digest of this, and of nothing else, is the action digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The agent that asks.
    pub agent: AgentName,
    /// One or many instances of the same action.
    pub items: Vec<Item>,
    /// The action, as the catalog names it.
    pub operation: ActionName,
    /// The proposal that ran and that this one takes back, because a person asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<ProposalId>,
    /// The person accountable for the agent.
    pub sponsor: PersonName,
    /// What is acted on.
    pub target: Target,
    /// When the action may run.
    pub valid: Validity,
}

/// What is acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The catalog's resource pattern; with an item's parameters it gives that item's resource.
    pub resource: String,
    /// The digest of the action's parameter schema.
    pub schema_digest: Digest,
    /// The system that is called.
    pub system: String,
}

/// One instance of the action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name within the proposal.
    pub id: ItemId,
    /// The digest of what the bot itself observed for this item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_digest: Option<Digest>,
    /// Parameters with defaults materialised; sensitive values are commitments.
    pub parameters: Value,
}

/// When the action may run: from `from`, and before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Not before this.
    pub from: Timestamp,
    /// Not at or after this.
    pub until: Timestamp,
}

/// What the bot itself read before asking anybody. INVARIANT i13.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The item it was read for.
    pub item: ItemId,
    /// When it was read; not part of the digest.
    pub at: Timestamp,
    /// What was read.
    pub facts: ObservedFacts,
}

/// The part of an observation that must be the same right before the act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedFacts {
    /// How it was read: `http`.
    pub connector: String,
    /// The state now.
    pub before: Value,
    /// The state the target says it would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whom and what it touches.
    #[serde(default, skip_serializing_if = "Affected::is_empty")]
    pub affected: Affected,
    /// What proves that nothing changed in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precondition: Option<Precondition>,
}

/// Whom and what an action touches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Affected {
    /// How many records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Who they are, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// What changes by how much; whole numbers or texts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deltas: BTreeMap<String, Value>,
    /// A few of the records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<Value>,
}

impl Affected {
    /// Whether nothing is known of what is touched.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What proves that a resource did not change between the approval and the act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Precondition {
    /// The resource's entity tag (RFC 9110).
    Etag(String),
    /// The digest of the canonical answer.
    Digest(Digest),
}

impl ObservedFacts {
    /// The digest that the item's binding carries.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        digest_of(self)
    }
}

/// A justified departure from a failed check, asked for by the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionAsked {
    /// The check to depart from.
    pub check: CheckName,
    /// Why.
    pub reason: String,
}

/// Where a proposal came from; names follow OpenTelemetry's generative-AI conventions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// W3C Trace Context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The agent's id in its own system.
    #[serde(rename = "gen_ai.agent.id", default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The model that was asked.
    #[serde(
        rename = "gen_ai.request.model",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub request_model: Option<String>,
    /// The conversation it came from.
    #[serde(
        rename = "gen_ai.conversation.id",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub conversation_id: Option<String>,
    /// The tool call it came from.
    #[serde(
        rename = "gen_ai.tool.call.id",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub tool_call_id: Option<String>,
    /// What was asked; the body stays in a store that can erase it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Body>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Body>,
}

/// A body kept elsewhere, bound by a salted digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// `sha256(salt || bytes)`; the salt stays with the body.
    pub digest: Digest,
    /// Where the body is kept.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Everything a proposal holds, before its own consistency was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalParts {
    /// The expiry as the agent sent and signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_expiry: Option<Timestamp>,
    /// What is authorised.
    pub binding: Binding,
    /// What only the agent says.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub claimed: serde_json::Map<String, Value>,
    /// When it was received.
    pub created_at: Timestamp,
    /// JSON pointers, by item, of parameters that the schema's defaults filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaulted: BTreeMap<ItemId, Vec<String>>,
    /// What the target said it would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dry_runs: Vec<DryRun>,
    /// Departures from failed checks that the agent asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ExceptionAsked>,
    /// When it can no longer be approved.
    pub expires_at: Timestamp,
    /// The proposal's id.
    pub id: ProposalId,
    /// What makes a repeated request the same request.
    pub idempotency_key: IdempotencyKey,
    /// Why the agent asks.
    pub justification: String,
    /// Used once by this agent.
    pub nonce: Nonce,
    /// What the bot itself read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<Observed>,
    /// How it is known that the agent asked.
    pub proof: AgentProof,
    /// Where it came from.
    #[serde(default)]
    pub provenance: Provenance,
    /// How the agent would undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_plan: Option<String>,
    /// The sealed values of all items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<Sealed>,
    /// [`SPEC_VERSION`].
    pub spec_version: u32,
    /// One line for people, rendered from the binding; at most 200 characters.
    pub summary: String,
    /// The proposal this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ProposalId>,
}

/// A proposal whose parts agree with each other. It can be read, never changed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ProposalParts")]
pub struct Proposal {
    parts: ProposalParts,
    action_digest: Digest,
}

/// Why parts do not make a proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// A format this program does not know.
    #[error("`spec_version` {0} is not known; this program reads version {SPEC_VERSION}")]
    Version(u32),
    /// No items, or too many.
    #[error("`items` holds {0}; a proposal holds 1 to {MAX_ITEMS}")]
    Items(usize),
    /// Two items of one name.
    #[error("`items` names `{0}` twice")]
    TwiceItem(ItemId),
    /// A window that never opens.
    #[error("`{0}` is not before `{1}`")]
    Window(&'static str, &'static str),
    /// An observation that the binding does not carry.
    #[error("what was observed for item `{0}` is not what its binding carries")]
    Observed(ItemId),
    /// An answer to a dry run that is not the target's yes to one of the items.
    #[error("what the target said of item `{0}` is no answer to a dry run of it")]
    DryRun(ItemId),
    /// A sealed value whose placeholder is missing.
    #[error("the sealed value at `{1}` of item `{0}` has no placeholder in its parameters")]
    Sealed(ItemId, String),
    /// A placeholder without its sealed value.
    #[error("item `{0}` has a placeholder without a sealed value")]
    Placeholder(ItemId),
    /// Two proposals are said to be taken back, or one without saying what it was.
    #[error("`rolls_back` and the proof do not agree on what it takes back")]
    RollsBack,
    /// A text beyond its bound.
    #[error("`{field}` is longer than {max} characters")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its bound.
        max: usize,
    },
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

impl Proposal {
    /// Checks that the parts agree and computes the action digest.
    pub fn new(parts: ProposalParts) -> Result<Self, ProposalError> {
        if parts.spec_version != SPEC_VERSION {
            return Err(ProposalError::Version(parts.spec_version));
        }
        let items = &parts.binding.items;
        if items.is_empty() || items.len() > MAX_ITEMS {
            return Err(ProposalError::Items(items.len()));
        }
        if parts.created_at >= parts.expires_at {
            return Err(ProposalError::Window("created_at", "expires_at"));
        }
        if parts.binding.valid.from >= parts.binding.valid.until {
            return Err(ProposalError::Window("valid.from", "valid.until"));
        }
        if parts.binding.rolls_back != parts.proof.rolled_back().map(|rolled| rolled.of) {
            return Err(ProposalError::RollsBack);
        }
        for (field, text, max) in [
            ("summary", Some(&parts.summary), 200),
            ("justification", Some(&parts.justification), 4_000),
            ("rollback_plan", parts.rollback_plan.as_ref(), 4_000),
        ] {
            if text.is_some_and(|text| text.chars().count() > max) {
                return Err(ProposalError::TooLong { field, max });
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for item in items {
            if !names.insert(&item.id) {
                return Err(ProposalError::TwiceItem(item.id.clone()));
            }
            check_observed(&parts, item)?;
            check_sealed(&parts, item)?;
        }
        if let Some(stray) = parts.observed.iter().find(|seen| !names.contains(&seen.item)) {
            return Err(ProposalError::Observed(stray.item.clone()));
        }
        if let Some(stray) = parts.sealed.iter().find(|sealed| !names.contains(sealed.item())) {
            return Err(ProposalError::Sealed(
                stray.item().clone(),
                stray.pointer().to_owned(),
            ));
        }
        check_exact(&parts)?;
        dry_run::check(&parts)?;
        let action_digest = digest_of(&parts.binding)?;
        Ok(Self { parts, action_digest })
    }

    /// The same with what its target said it would do; what is authorised stays as it is.
    pub fn with_dry_runs(self, dry_runs: Vec<DryRun>) -> Result<Self, ProposalError> {
        Self::new(ProposalParts {
            dry_runs,
            ..self.parts
        })
    }

    /// `sha256(JCS(binding))`.
    pub const fn action_digest(&self) -> Digest {
        self.action_digest
    }

    /// How it is known that the agent asked, apart from what people changed since; and the nonce that this proof covers.
    pub(super) fn asked(&self) -> (&AgentProof, &Nonce) {
        match &self.parts.proof {
            AgentProof::Corrected(corrected) => (&corrected.asked, &corrected.nonce),
            own @ (AgentProof::Ed25519 { .. }
            | AgentProof::GateAttested { .. }
            | AgentProof::RolledBack(_)) => (own, &self.parts.nonce),
        }
    }

    /// What the bot observed for an item.
    pub fn observed_for(&self, item: &ItemId) -> Option<&Observed> {
        self.parts.observed.iter().find(|seen| seen.item == *item)
    }

    /// What the target said of an item.
    pub fn dry_run_for(&self, item: &ItemId) -> Option<&DryRun> {
        self.parts.dry_runs.iter().find(|asked| asked.item == *item)
    }

    /// The sum of affected records over all items, as far as observed.
    pub fn affected_count(&self) -> Option<u64> {
        let counts: Vec<u64> = self
            .parts
            .observed
            .iter()
            .filter_map(|seen| seen.facts.affected.count)
            .collect();
        if counts.is_empty() {
            None
        } else {
            Some(counts.iter().fold(0, |sum, n| sum.saturating_add(*n)))
        }
    }

    /// Where the proposal's files stand in the repository: `proposals/<domain>/<action>/<yyyy>/<mm>/<dd>/<id>`.
    pub fn directory(&self) -> String {
        let name = &self.parts.binding.operation;
        let date = self.parts.created_at.date_path();
        format!(
            "proposals/{}/{}/{date}/{}",
            name.domain(),
            name.verb().replace('.', "/"),
            self.parts.id
        )
    }

    /// The branch that holds the proposal's one commit.
    pub fn branch(&self) -> String {
        branch_of(self.parts.id)
    }
}

/// The branch that holds a proposal's one commit.
pub fn branch_of(id: ProposalId) -> String {
    format!("countersign/{id}")
}

/// The idempotency key of a step: the same for every attempt, and for no other step.
pub(super) fn step_key(proposal: ProposalId, item: &ItemId, step: Option<&StepName>) -> String {
    match step {
        Some(step) => format!("{proposal}/{item}/{step}"),
        None => format!("{proposal}/{item}"),
    }
}

/// Whether a branch is named as those of proposals are.
pub fn is_proposals(branch: &str) -> bool {
    branch
        .strip_prefix("countersign/")
        .is_some_and(|id| id.parse::<ProposalId>().is_ok())
}

/// Refuses what has no canonical form outside the binding; the binding's own digest refuses it inside.
fn check_exact(parts: &ProposalParts) -> Result<(), NotCanonical> {
    for seen in &parts.observed {
        let facts = &seen.facts;
        let values = std::iter::once(&facts.before)
            .chain(&facts.after)
            .chain(facts.affected.deltas.values())
            .chain(&facts.affected.sample);
        for value in values {
            refuse_inexact(value, &mut format!("/observed/{}", seen.item))?;
        }
    }
    for change in parts.proof.corrections().iter().flat_map(|one| &one.changes) {
        for value in change.before.iter().chain([&change.now]) {
            refuse_inexact(value, &mut format!("/proof/{}{}", change.item, change.at))?;
        }
    }
    parts.claimed.iter().try_for_each(|(name, value)| {
        refuse_inexact(value, &mut format!("/claimed/{}", escape_pointer(name)))
    })
}

fn check_observed(parts: &ProposalParts, item: &Item) -> Result<(), ProposalError> {
    let mut seen = parts.observed.iter().filter(|seen| seen.item == item.id);
    let digest = seen.next().map(|seen| seen.facts.digest()).transpose()?;
    if digest == item.observed_digest && seen.next().is_none() {
        Ok(())
    } else {
        Err(ProposalError::Observed(item.id.clone()))
    }
}

fn check_sealed(parts: &ProposalParts, item: &Item) -> Result<(), ProposalError> {
    let mut sealed = 0;
    for value in parts.sealed.iter().filter(|sealed| *sealed.item() == item.id) {
        sealed += 1;
        let stands = item.parameters.pointer(value.pointer()).and_then(placeholder_of);
        if stands != Some(value.commitment()) {
            return Err(ProposalError::Sealed(item.id.clone(), value.pointer().to_owned()));
        }
    }
    if placeholders(&item.parameters) == sealed {
        Ok(())
    } else {
        Err(ProposalError::Placeholder(item.id.clone()))
    }
}

impl Deref for Proposal {
    type Target = ProposalParts;
    fn deref(&self) -> &ProposalParts {
        &self.parts
    }
}
impl TryFrom<ProposalParts> for Proposal {
    type Error = ProposalError;
    fn try_from(parts: ProposalParts) -> Result<Self, ProposalError> {
        Self::new(parts)
    }
}
impl Serialize for Proposal {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(to)
    }
}
impl From<Proposal> for ProposalParts {
    fn from(proposal: Proposal) -> Self {
        proposal.parts
    }
}
