//! A request becomes a proposal: checked, observed, sealed, recorded.

use std::{collections::BTreeMap, sync::Arc};

use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bot, NotNow, Status, again::Before, limits};
use crate::{
    domain::{
        assess::{Assessment, assess},
        book::{Book, Illegal, StageError},
        canonical::Salt,
        case::Life,
        checks::Level,
        entry::{Digests, Draft, Event, Received, Role, Superseded, Via},
        ids::{AgentName, ItemId, PersonName, ProposalId, Timestamp},
        policy::{Owned, Policy, Tier},
        proposal::{AgentProof, Attestation, DryRun, Item, Observed, Proposal},
        receive::{Arrival, ClearItem, FieldError, Fitting, clear_parameters, fit, prove, told},
        request::{Checked, Request},
        sealed::DataKey,
    },
    execute::{self, DryRunError, ObserveError},
    ledger::AppendError,
    render,
    service::{problem::Problem, turn::View},
    store::Epoch,
};

/// How often the limits are counted again when others are faster.
const MAX_COUNTS: usize = 8;

/// What became of a request.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The proposal.
    pub id: ProposalId,
    /// Whether an earlier request of the same idempotency key had made it already.
    pub repeated: bool,
    /// Where it stands, when it ran at once and its end is kept.
    pub(in crate::service) ran: Option<Status>,
}

/// What would become of a request; nothing is recorded.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preview {
    /// One line for people.
    pub summary: String,
    /// Tier, reasons and check results.
    pub assessment: Assessment,
    /// Approvals it would take.
    pub approvals_needed: u8,
    /// Whether no two of them may be of the same team.
    pub distinct_teams: bool,
    /// Teams and people that could give them, by resource.
    pub approvers: Vec<Approvers>,
    /// When it could no longer be approved.
    pub expires_at: Timestamp,
    /// Whether a check keeps the gate shut.
    pub blocked: bool,
}

/// Who could approve for a resource.
#[derive(Debug, Serialize, Deserialize)]
pub struct Approvers {
    /// The resource.
    pub resource: String,
    /// Its owners.
    pub owners: Vec<String>,
}

/// A proposal that is not recorded yet.
pub(super) struct Made {
    /// The proposal.
    pub(super) proposal: Proposal,
    /// The key of its sealed values.
    pub(super) key: DataKey,
    /// The agent's signature, where it was looked at just now.
    pub(super) signature: Option<Checked>,
}

impl Bot {
    /// Receives a request: low tier runs at once, others become a pull request. Doing it twice with one idempotency
    /// key gives the same proposal.
    pub async fn receive(
        &self,
        request: Request,
        agent: &AgentName,
        seen: Attestation,
        via: Via,
    ) -> Result<Receipt, Problem> {
        let policy = self.recorded_policy().await?;
        let _alone = self.alone(agent, &request).await;
        let epoch = match self.before(agent, &request).await? {
            Before::Nothing(epoch) => epoch,
            Before::Proposal(id) => return self.same_request(id, &request).await,
            Before::Nonce => return Err(nonce_used()),
        };
        let made = self.make(request, agent, seen, &policy).await?;
        let id = made.proposal.id;
        let ran = self.enter(made, &policy, via, None, epoch).await?;
        Ok(Receipt {
            id,
            repeated: false,
            ran,
        })
    }

    /// Records a proposal, in place of the one that it replaces, and opens or runs it; `person` is who changed it, `epoch`
    /// that of the rules since it is prepared. Where it stands, when it ran and its end is kept.
    pub(super) async fn enter(
        &self,
        made: Made,
        policy: &Policy,
        via: Via,
        person: Option<&PersonName>,
        epoch: Epoch,
    ) -> Result<Option<Status>, Problem> {
        let Made {
            proposal,
            key,
            signature,
        } = made;
        let mut proposal = Arc::new(proposal);
        let id = proposal.id;
        let counted = policy
            .action(&proposal.binding.operation)
            .is_some_and(|action| !action.limits().is_empty());
        for _ in 0..MAX_COUNTS {
            // One at a time from the count to the claim: low tier is in the ledger only after the act.
            let counting = match counted {
                true => Some(self.inner.counting.alone().await),
                false => None,
            };
            let assessment = self.assessed(&proposal, policy).await?;
            if let Some(refusal) = limits::refusal(&assessment) {
                return Err(refusal);
            }
            if assessment.tier > Tier::Low && is_unasked(&proposal, policy) {
                // Others are counted meanwhile: a target may take its time.
                drop(counting);
                self.holds_still(policy).await?;
                let dry_runs = self.dry_runs(&proposal, &key, policy).await?;
                let told = told(Arc::unwrap_or_clone(proposal), dry_runs);
                let told =
                    told.map_err(|error| Problem::fields(vec![FieldError::new("", error.to_string())]));
                proposal = Arc::new(told?);
                continue;
            }
            let draft = Draft {
                person: person.cloned(),
                ..arrival(&proposal, assessment, policy, via.clone())
            };
            let mut drafts: Vec<Draft> = proposal
                .supersedes
                .and_then(|old| self.closes(old, id, person))
                .into_iter()
                .collect();
            if draft.grouped {
                // Closed before the act, so that never both run. INVARIANT i05.
                if !drafts.is_empty() {
                    self.holds_still(policy).await?;
                    self.append(drafts).await.map_err(NotNow::into_problem)?;
                }
                let ran = self
                    .run_low(draft, policy, counting, (&key, signature.as_ref()), epoch)
                    .await?;
                self.look_at_replaced(&proposal).await;
                return Ok(ran);
            }
            drop(counting);
            self.holds_still(policy).await?;
            self.keep_key(&proposal, &key).await?;
            drafts.push(draft);
            match self.append(drafts).await {
                Ok(()) => {
                    self.look_at_replaced(&proposal).await;
                    if let Err(error) = self.open(id).await {
                        tracing::warn!(proposal = %id, %error, "received, not opened yet; the sweep tries again");
                    }
                    return Ok(None);
                }
                // Others were recorded in between: what is over now, and how high it stands, is looked at again.
                // INVARIANT i17.
                Err(NotNow::Ledger(AppendError::Refused(StageError::Illegal(Illegal::Totals(_))))) => {}
                Err(error) => return Err(error.into_problem()),
            }
        }
        Err(Problem::unavailable(
            "others of this kind arrived each time its limits were counted",
        ))
    }

    /// Keeps the key of a proposal that is about to be recorded; one without sealed values needs none.
    pub(super) async fn keep_key(&self, proposal: &Proposal, key: &DataKey) -> Result<(), Problem> {
        if proposal.sealed.is_empty() {
            return Ok(());
        }
        let kept = self.store().keys().keep(proposal.id, key).await;
        kept.map(drop)
            .map_err(|error| Problem::unavailable(error.to_string()))
    }

    /// Asks the target what it would do with each item, before people are asked. Nothing of low tier gets here: that is done
    /// at once, and nobody would read it.
    async fn dry_runs(
        &self,
        proposal: &Proposal,
        key: &DataKey,
        policy: &Policy,
    ) -> Result<Vec<DryRun>, Problem> {
        let Some(action) = policy.action(&proposal.binding.operation) else {
            return Ok(Vec::new());
        };
        let mut asked = Vec::new();
        for item in &proposal.binding.items {
            let parameters = clear_parameters(proposal, item, Some(key))
                .map_err(|error| Problem::unavailable(error.to_string()))?;
            let clear = ClearItem {
                id: item.id.clone(),
                parameters,
                defaulted: Vec::new(),
            };
            let (client, now) = (self.client(), self.now());
            let answer = execute::dry_run(client, policy, action, proposal.id, &clear, now).await;
            drop(execute::Clear::new(clear.parameters));
            if let Err(DryRunError::Refused { host, status, .. }) = &answer {
                let binding = &proposal.binding;
                tracing::info!(agent = %binding.agent, operation = %binding.operation, host, status, "the target would refuse it");
            }
            asked.extend(answer.map_err(|error| refused(&item.id, &error))?);
        }
        Ok(asked)
    }

    /// Whether a proposal can be replaced: it is the agent's own, and did not and will not run. Errors: what to send.
    async fn replaceable(&self, id: ProposalId, agent: &AgentName) -> Result<(), String> {
        let Ok(old) = self.status(id, &View::Agent(agent)).await else {
            return Err(format!(
                "agent `{agent}` has no proposal {id}; send the id of one of its own, or none"
            ));
        };
        if old.rolls_back.is_some() {
            return Err(Illegal::Persons(id).to_string());
        }
        match old.state {
            Life::Merged => Err(format!(
                "proposal {id} is merged and about to run; it can't be replaced any more"
            )),
            Life::Superseded => Err(match old.replaced_by {
                Some(by) => format!("proposal {id} was replaced by {by}; send that id"),
                None => format!("proposal {id} was replaced before; send the id of what replaced it"),
            }),
            state if state.ran() => Err(format!("proposal {id} ran, or may have; propose anew without it")),
            _ => Ok(()),
        }
    }

    /// The entry that ends a proposal in favour of another, by a person who changed it or by its agent; none where it has
    /// ended. INVARIANT i05.
    fn closes(&self, old: ProposalId, by: ProposalId, person: Option<&PersonName>) -> Option<Draft> {
        let case = self.case(old)?;
        let agent = person.is_none().then(|| case.proposal.binding.agent.clone());
        let draft = Draft::about(
            &case,
            Role::Gate,
            Event::Superseded(Superseded { by }),
            self.now(),
        );
        Some(Draft {
            agent,
            person: person.cloned(),
            ..draft
        })
    }

    /// The pull request of what was replaced shows that it is.
    async fn look_at_replaced(&self, proposal: &Proposal) {
        let pull = self.ledger().read(|book| {
            let old = proposal.supersedes.and_then(|id| book.recent(id))?;
            old.opened.as_ref().map(|opened| opened.pull)
        });
        if let Err(error) = self.look_again(pull).await {
            tracing::warn!(%error, "a pull request does not show yet that it was replaced; the sweep looks at it");
        }
    }

    /// Says what would become of a request, and records nothing.
    pub async fn preview(
        &self,
        request: Request,
        agent: &AgentName,
        seen: Attestation,
    ) -> Result<Preview, Problem> {
        let policy = self.in_force().await?;
        if self.before(agent, &request).await? == Before::Nonce {
            return Err(nonce_used());
        }
        let Made { proposal, .. } = self.make(request, agent, seen, &policy).await?;
        let assessment = self.assessed(&proposal, &policy).await?;
        let owned = policy.owned(&proposal.binding.operation, &proposal.binding.items);
        let items = owned.iter().flat_map(Owned::items);
        let approvers = items
            .filter_map(|item| {
                let sets = item.requirements.sets().iter();
                Some(Approvers {
                    resource: item.path.clone().ok()?,
                    owners: sets
                        .flat_map(|set| set.owners())
                        .map(ToString::to_string)
                        .collect(),
                })
            })
            .collect();
        Ok(Preview {
            summary: proposal.summary.clone(),
            approvals_needed: policy.gate(assessment.tier).approvals(),
            distinct_teams: policy.gate(assessment.tier).distinct_teams(),
            approvers,
            expires_at: proposal.expires_at,
            blocked: assessment.checks.iter().any(|check| check.level > Level::Warn),
            assessment,
        })
    }

    /// Checks a request and makes its proposal, recording nothing.
    async fn make(
        &self,
        request: Request,
        agent: &AgentName,
        seen: Attestation,
        policy: &Policy,
    ) -> Result<Made, Problem> {
        let now = self.now();
        let known = policy
            .agent(agent)
            .ok_or_else(|| Problem::unauthorised("the agent is not in agents.yaml"))?;
        let proof = prove(&request, known, seen);
        if let Some(id) = request.supersedes {
            self.replaceable(id, agent)
                .await
                .map_err(|message| Problem::fields(vec![FieldError::new("/supersedes", message)]))?;
        }
        // What can't be signed at all is named by its field instead.
        let signable = proof.is_ok() || request.signed_bytes().is_ok();
        let (fitting, proved) = match (fit(request, known, policy, now), proof) {
            (Ok(fitting), Ok(proved)) => (fitting, proved),
            (Ok(_), Err(error)) => return Err(Problem::fields(vec![error])),
            (Err(mut errors), proof) => {
                errors.extend(proof.err().filter(|_| signable));
                return Err(Problem::fields(errors));
            }
        };
        let made = self.arrive(fitting, proved.proof, BTreeMap::new(), now).await?;
        Ok(Made {
            signature: proved.signature,
            ..made
        })
    }

    /// Observes, seals and makes the proposal of a request that fits; `kept` are the salts of what keeps its commitment.
    pub(super) async fn arrive(
        &self,
        fitting: Fitting<'_>,
        proof: AgentProof,
        kept: BTreeMap<(ItemId, String), Salt>,
        now: Timestamp,
    ) -> Result<Made, Problem> {
        let id = ProposalId::from_parts(now, rand::rng().random());
        let action = fitting.action();
        self.thawable(action, fitting.items())?;
        let mut observed = Vec::new();
        for item in fitting.items() {
            let facts = execute::observe(self.client(), action, id, item)
                .await
                .map_err(|error| unobserved(&item.id, &error))?;
            observed.extend(facts.map(|facts| Observed {
                item: item.id.clone(),
                at: now,
                facts,
            }));
        }
        let masked: Vec<_> = fitting
            .items()
            .iter()
            .map(|item| render::masked(action, &item.parameters))
            .collect();
        let summary = render::summary_of_items(action, &masked)
            .map_err(|error| Problem::fields(vec![FieldError::new("/parameters", error.to_string())]))?;
        let replaced = self.replaced_in_clear(fitting.request().supersedes).await?;
        let key = DataKey::new(rand::rng().random());
        let salts = (0..fitting.sealed_values())
            .map(|_| (rand::rng().random(), rand::rng().random()))
            .collect();
        let arrival = Arrival {
            id,
            proof,
            summary,
            observed,
            key: key.clone(),
            replaced,
            kept,
            salts,
        };
        let proposal = fitting
            .arrive(arrival)
            .map_err(|error| Problem::fields(vec![FieldError::new("", error.to_string())]))?;
        Ok(Made {
            proposal,
            key,
            signature: None,
        })
    }

    /// The parameters, in clear, of what is to be replaced; none where that is not known whole any more, or its key is
    /// not here.
    async fn replaced_in_clear(
        &self,
        id: Option<ProposalId>,
    ) -> Result<Option<BTreeMap<ItemId, Value>>, Problem> {
        let known = |id| {
            let whole = |book: &Book| {
                book.case(id)
                    .or_else(|| book.recent(id))
                    .map(|case| Arc::clone(&case.proposal))
            };
            self.ledger().read(whole)
        };
        let Some(old) = id.and_then(known) else {
            return Ok(None);
        };
        let key = self.store().keys().get(old.id).await;
        let key = key.map_err(|error| Problem::unavailable(error.to_string()))?;
        let clear = |item: &Item| {
            let parameters = clear_parameters(&old, item, key.as_ref()).ok()?;
            Some((item.id.clone(), parameters))
        };
        Ok(old.binding.items.iter().map(clear).collect())
    }

    /// Tier and checks of a proposal with what its limits count now.
    async fn assessed(&self, proposal: &Proposal, policy: &Policy) -> Result<Assessment, Problem> {
        let totals = self
            .totals(proposal, policy)
            .await
            .map_err(|error| Problem::unavailable(error.to_string()))?;
        let assessment = assess(&proposal.matter(), &totals, policy);
        if assessment.tier > Tier::Low {
            // What can't be shown whole is refused before anything is recorded. INVARIANT i26.
            self.presentation(proposal, &assessment, policy)
                .map_err(|error| Problem::fields(vec![FieldError::new("", error.to_string())]))?;
        }
        Ok(assessment)
    }
}

/// Whether the target of a proposal is to be asked what it would do, and was not.
fn is_unasked(proposal: &Proposal, policy: &Policy) -> bool {
    let action = policy.action(&proposal.binding.operation);
    proposal.dry_runs.is_empty() && action.is_some_and(|action| action.dry_run().is_some())
}

/// The entry of a proposal that arrived.
fn arrival(proposal: &Arc<Proposal>, assessment: Assessment, policy: &Policy, via: Via) -> Draft {
    Draft {
        role: Role::Gate,
        person: None,
        agent: Some(proposal.binding.agent.clone()),
        time: proposal.created_at,
        proposal: Some(proposal.id),
        digests: Digests {
            action: Some(proposal.action_digest()),
            policy: Some(policy.digest()),
            ..Digests::default()
        },
        grouped: assessment.tier == Tier::Low,
        event: Event::Received(Received {
            proposal: Arc::clone(proposal),
            assessment,
            via,
        }),
    }
}

fn nonce_used() -> Problem {
    let error = FieldError::new("/nonce", "was used before by this agent; send a new one");
    Problem::fields(vec![error])
}

/// A target that would refuse tells the agent so, and nobody else; anything else may pass.
fn refused(item: &ItemId, error: &DryRunError) -> Problem {
    match error {
        DryRunError::Refused { .. } => {
            let message = format!("item `{item}`: {error}; change what it refuses, and propose it anew");
            Problem::fields(vec![FieldError::new("/parameters", message)])
        }
        DryRunError::NoRoom { .. } | DryRunError::Status { .. } | DryRunError::Asked(_) => {
            Problem::unavailable(format!("item `{item}`: {error}"))
        }
    }
}

/// A target that does not know what is asked for is the agent's mistake; anything else may pass.
fn unobserved(item: &ItemId, error: &ObserveError) -> Problem {
    match error {
        ObserveError::Status {
            status: 400 | 404 | 410 | 422,
            ..
        } => {
            let message = format!("item `{item}`: {error}; check that what the parameters name is there");
            Problem::fields(vec![FieldError::new("/parameters", message)])
        }
        _ => Problem::unavailable(format!("item `{item}`: {error}")),
    }
}
