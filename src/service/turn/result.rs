//! What a proposing agent gets of what it asked for: every step's answer as the target gave it, or why there is none.
//! The answers are kept sealed and for a while, outside Git; the ledger holds a commitment to each. INVARIANT i24, i29.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bot, NotNow, View};
use crate::{
    domain::{
        answer::{Answer, StepAnswer},
        case::{Case, Life},
        entry::{Outcome, StepResult},
        ids::{Digest, ItemId, ProposalId, StepName},
        refusal::{Refusal, refusal},
        sealed::{DataKey, SealError},
    },
    execute::Ran,
    service::problem::Problem,
    store::{Kept, StoreError},
};

/// The whole of what became of a proposal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProposalResult {
    /// The proposal.
    pub id: ProposalId,
    /// How it ended.
    pub state: Life,
    /// What became of each step of each item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemResult>,
    /// Why it did not do all that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// What became of one step of an item, or of taking it back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ItemResult {
    /// The item.
    pub item: ItemId,
    /// The step, when the action has named steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// Whether the step was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The target's status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the ledger holds: `sha256(salt || bytes)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Digest>,
    /// The answer itself.
    #[serde(flatten)]
    pub answer: Option<Bytes>,
}

/// A target's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bytes {
    /// What the target said that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The answer, where it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The answer's bytes as they came, in base64: what is committed to.
    pub bytes: String,
    /// The salt of the commitment, in hex.
    pub salt: String,
}

impl Bytes {
    fn of(answer: &Answer) -> Self {
        let json = answer.content_type().is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
        });
        Self {
            content_type: answer.content_type().map(str::to_owned),
            body: json.then(|| serde_json::from_slice(answer.body()).ok()).flatten(),
            bytes: BASE64.encode(answer.body()),
            salt: hex::encode(answer.salt().expose()),
        }
    }
    /// Whether the bytes are those that a commitment was made to.
    pub fn is_committed_to(&self, commitment: Digest) -> bool {
        let bytes = BASE64.decode(&self.bytes).ok();
        let mut all = hex::decode(&self.salt).unwrap_or_default();
        bytes.is_some_and(|bytes| {
            all.extend(bytes);
            Digest::of(&all) == commitment
        })
    }
}

impl Bot {
    /// What became of a proposal, for the agent that proposed it and no other.
    pub async fn result(&self, id: ProposalId, view: &View<'_>) -> Result<ProposalResult, Problem> {
        let status = self.status(id, view).await?;
        let state = status.state;
        if !status.ended {
            return Err(Problem::not_yet(match state {
                Life::Unknown => format!(
                    "proposal {id} may or may not have run; there is a result once a person settled which"
                ),
                _ => format!("proposal {id} is {state}; ask again when it has ended"),
            }));
        }
        if status.erased {
            return Err(Problem::erased(format!(
                "proposal {id} was erased, and its result with it; the ledger keeps that it happened"
            )));
        }
        let (voided, against) = self.ledger().read(|book| {
            let case = book.recent(id);
            case.map_or_else(Default::default, |case| (case.voided, case.against.clone()))
        });
        let refusal = refusal(state, voided, status.reason.as_deref(), &against);
        let tried = matches!(
            state,
            Life::Executed | Life::Refused | Life::Errored | Life::Undone | Life::Partial
        );
        let items = match tried {
            true => self.answers(id).await?,
            false => Vec::new(),
        };
        if tried && items.is_empty() {
            let kept = self.inner.parts.settings.results_for();
            return Err(Problem::expired(format!(
                "proposal {id} is {state}; what its target answered is kept for {kept}, and none of it is kept any more"
            )));
        }
        Ok(ProposalResult {
            id,
            state,
            items,
            refusal,
        })
    }

    async fn answers(&self, id: ProposalId) -> Result<Vec<ItemResult>, Problem> {
        let shut = |error: StoreError| Problem::unavailable(error.to_string());
        let kept = self.store().results().of(id).await.map_err(shut)?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let Some(key) = self.store().keys().get(id).await.map_err(shut)? else {
            return Ok(Vec::new());
        };
        let open = |kept: &Kept| {
            let answered = StepAnswer::open(&kept.sealed, id, &kept.place, &key);
            let StepAnswer { result, answer } =
                answered.map_err(|error| Problem::unavailable(error.to_string()))?;
            Ok(ItemResult {
                item: result.item,
                step: result.step,
                undo: result.undo,
                outcome: result.outcome,
                status: result.status,
                note: result.note,
                commitment: result.response,
                answer: answer.as_ref().map(Bytes::of),
            })
        };
        kept.iter().map(open).collect()
    }

    /// Keeps what became of every step for the agent, sealed with the proposal's key, or with one drawn for that. That it
    /// can't be kept changes nothing about what ran.
    pub(super) async fn keep_answers(&self, case: &Case, key: &DataKey, ran: &Ran) {
        let answers = ran.answers();
        let answered = |step: &&StepResult| !answers.iter().any(|known| known.result == **step);
        let unanswered = ran.steps().iter().filter(answered).map(|step| StepAnswer {
            result: step.clone(),
            answer: None,
        });
        let mut unanswered: Vec<StepAnswer> = unanswered.collect();
        // An attempt before this one kept what it was answered.
        if unanswered.iter().any(|one| case.took.contains(&one.result)) {
            let kept = self.store().results().of(case.proposal.id).await.ok();
            // Nor is what can't be read written over.
            let is_kept = |one: &StepAnswer| {
                let kept = kept.as_ref();
                kept.is_none_or(|kept| kept.iter().any(|kept| kept.place == one.place()))
            };
            unanswered.retain(|one| !(case.took.contains(&one.result) && is_kept(one)));
        }
        let all: Vec<&StepAnswer> = answers.iter().chain(&unanswered).collect();
        self.keep_all(case.proposal.id, key, &all).await;
    }

    /// Keeps the answer to a step that was just taken.
    pub(super) async fn keep_answer(&self, id: ProposalId, key: &DataKey, answered: &StepAnswer) {
        self.keep_all(id, key, &[answered]).await;
    }

    async fn keep_all(&self, id: ProposalId, key: &DataKey, answered: &[&StepAnswer]) {
        if let Err(error) = self.try_to_keep(id, key, answered).await {
            tracing::error!(proposal = %id, %error, "what the target answered could not be kept");
        }
    }

    async fn try_to_keep(
        &self,
        id: ProposalId,
        key: &DataKey,
        answered: &[&StepAnswer],
    ) -> Result<(), NotNow> {
        let seal = |answered: &&StepAnswer| {
            let sealed = answered.seal(id, key, rand::random())?;
            let place = answered.place();
            Ok(Kept { place, sealed })
        };
        let sealed = answered
            .iter()
            .map(seal)
            .collect::<Result<Vec<Kept>, SealError>>();
        let sealed = sealed.map_err(NotNow::internal)?;
        let until = self.now().plus(self.inner.parts.settings.results_for());
        if !self.store().results().keep(id, key, sealed, until).await? {
            tracing::warn!(proposal = %id, "it was erased meanwhile, and what its target answered is not kept");
        }
        Ok(())
    }
}
