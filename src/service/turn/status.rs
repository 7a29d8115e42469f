//! What a proposing agent may see of its proposal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Bot;
use crate::{
    domain::{
        book::Book,
        case::{Case, Life},
        entry::{Reviewed, StepResult},
        gate::Verdict,
        ids::{ActionName, AgentName, Digest, ItemId, Login, PersonName, ProposalId, PullNumber, Timestamp},
        observation::ReviewState,
        policy::Tier,
        proposal::DryRun,
        rollback::Undo,
    },
    service::problem::Problem,
    store::{Ended, Row},
};

/// Where a proposal stands, and the ledger's length when that was said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The proposal.
    pub id: ProposalId,
    /// Where it stands.
    pub state: Life,
    /// Whether nothing more can come of it.
    pub ended: bool,
    /// Its action.
    pub operation: ActionName,
    /// Its tier.
    pub tier: Tier,
    /// One line for people.
    pub summary: String,
    /// What was authorised.
    pub action_digest: Digest,
    /// The gate's last recorded verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Verdict>,
    /// Its pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullNumber>,
    /// Where people review it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it can no longer be approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What the target said it would do, before people were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dry_runs: Vec<DryRun>,
    /// How each item ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepResult>,
    /// The items that approvers took out of what runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ItemId>,
    /// Who asks for changes, with the last word they said; send a corrected proposal that names this one in `supersedes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes_requested: Vec<ChangesRequested>,
    /// The proposal that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<ProposalId>,
    /// Who amended it: the proposal that took its place, or this one, where it took another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amended_by: Option<PersonName>,
    /// The proposal that it takes back, because a person asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<ProposalId>,
    /// What takes it back, or was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<Undo>,
    /// One line on why it ended without running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its key and the answers to it are destroyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// Somebody asks for something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesRequested {
    /// Their login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Login>,
    /// When.
    pub at: Timestamp,
    /// What should change, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whose eyes it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View<'a> {
    /// The agent that proposed it, and no other. INVARIANT i24.
    Agent(&'a AgentName),
}

impl Bot {
    /// Where a proposal stands.
    pub async fn status(&self, id: ProposalId, view: &View<'_>) -> Result<Status, Problem> {
        let View::Agent(agent) = view;
        let nobody = || Problem::not_found(format!("agent `{agent}` has no proposal {id}; check the id"));
        // The ledger takes how a low-tier proposal began and how it ended in two commits; until it has both, the row tells.
        let recorded = self.ledger().read(|book| match book.case(id) {
            Some(case) => case.tier() > Tier::Low,
            None => book.closed(id).is_some(),
        });
        if !recorded {
            let row = self
                .row(id)
                .await
                .filter(|row| row.received().proposal.binding.agent == **agent);
            // Without a row it may have been recorded just now: the ledger is asked again.
            if let Some(row) = row {
                return Ok(of_row(&row));
            }
        }
        let stray = self.stray();
        let page = |pull: PullNumber| self.github().page(pull);
        self.ledger().read(|book| {
            if let Some(case) = book.case(id).or_else(|| book.recent(id)) {
                if case.proposal.binding.agent != **agent {
                    return Err(nobody());
                }
                let pull = case.opened.as_ref().map(|opened| opened.pull);
                return Ok(Status {
                    id,
                    state: case.life,
                    ended: case.life.ended(),
                    operation: case.proposal.binding.operation.clone(),
                    tier: case.tier(),
                    summary: case.proposal.summary.clone(),
                    action_digest: case.proposal.action_digest(),
                    gate: case.verdict,
                    pull_request: pull,
                    url: pull.map(page),
                    expires_at: (!case.life.ended()).then_some(case.proposal.expires_at),
                    dry_runs: case.proposal.dry_runs.clone(),
                    steps: case.results().to_vec(),
                    excluded: case.left_out().cloned().collect(),
                    changes_requested: changes_requested(case),
                    replaced_by: case.replaced_by,
                    amended_by: amended_by(book, case),
                    rolls_back: case.proposal.binding.rolls_back,
                    rolled_back: book.undo(id),
                    reason: case
                        .refused
                        .clone()
                        .or_else(|| stray.filter(|_| !case.life.ended())),
                    erased: case.erased.is_some(),
                });
            }
            let closed = book
                .closed(id)
                .filter(|closed| *closed.agent == **agent)
                .ok_or_else(nobody)?;
            Ok(Status {
                id,
                state: closed.life,
                ended: true,
                operation: closed.operation.clone(),
                tier: closed.tier,
                summary: closed.summary.to_owned(),
                action_digest: closed.action,
                gate: None,
                pull_request: closed.pull,
                url: closed.pull.map(page),
                expires_at: None,
                dry_runs: Vec::new(),
                steps: Vec::new(),
                excluded: Vec::new(),
                changes_requested: Vec::new(),
                replaced_by: None,
                amended_by: None,
                rolls_back: book.rolls_back(id),
                rolled_back: book.undo(id),
                reason: closed.refused.map(str::to_owned),
                erased: closed.erased.is_some(),
            })
        })
    }
}

/// The latest word of everyone whose latest word asks for changes.
fn changes_requested(case: &Case) -> Vec<ChangesRequested> {
    let mut latest = BTreeMap::new();
    for Reviewed {
        account,
        decision,
        login,
        submitted_at,
        reason,
        ..
    } in case.reviews.iter().map(|one| &one.review)
    {
        let asks = (*decision == ReviewState::ChangesRequested).then(|| ChangesRequested {
            by: login.clone(),
            at: *submitted_at,
            reason: reason.clone(),
        });
        if *decision != ReviewState::Commented {
            latest.insert(*account, asks);
        }
    }
    latest.into_values().flatten().collect()
}

/// Who changed it last, whether that made another proposal of it or made it out of another one.
fn amended_by(book: &Book, case: &Case) -> Option<PersonName> {
    let next = case
        .replaced_by
        .and_then(|id| book.case(id).or_else(|| book.recent(id)));
    let made_of_it = next.and_then(|next| next.proposal.proof.corrections().last());
    let made_of_it = made_of_it.filter(|last| last.from == case.proposal.id);
    let last = made_of_it.or_else(|| case.proposal.proof.corrections().last())?;
    Some(last.by.clone())
}

/// A low-tier proposal that the ledger does not hold yet.
pub(super) fn of_row(row: &Row) -> Status {
    let proposal = &row.received().proposal;
    let (state, steps, reason) = match row.ended() {
        None => (Life::Started, Vec::new(), None),
        Some(Ended::Finished(finished)) => (Life::of(finished.outcome), finished.steps.clone(), None),
        Some(Ended::Unknown(unknown)) => (Life::Unknown, unknown.steps.clone(), Some(unknown.reason.clone())),
    };
    Status {
        id: proposal.id,
        state,
        ended: state.ended(),
        operation: proposal.binding.operation.clone(),
        tier: row.received().assessment.tier,
        summary: proposal.summary.clone(),
        action_digest: proposal.action_digest(),
        gate: Some(Verdict::Open),
        pull_request: None,
        url: None,
        expires_at: None,
        dry_runs: Vec::new(),
        steps,
        excluded: Vec::new(),
        changes_requested: Vec::new(),
        replaced_by: None,
        amended_by: None,
        rolls_back: None,
        rolled_back: None,
        reason,
        erased: false,
    }
}
