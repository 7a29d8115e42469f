//! `/rollback`: a person has what ran taken back, by a proposal of its own that others approve. INVARIANT i08.

use std::{collections::BTreeSet, sync::Arc};

use rand::RngExt as _;

use super::{
    Bot, NotNow,
    command::Place,
    correct::{ids, later, misfits, told},
    receive::Made,
};
use crate::{
    domain::{
        audit::Recorded,
        entry::{Event, Said, Via},
        ids::{ItemId, Nonce, ProposalId, PullNumber},
        policy::{Person, Policy},
        proposal::Proposal,
        receive::{check_proof, fit_rollback},
        rollback::{self, NotRolledBack, Rollable, Wish, may_ask},
    },
    github::CommentEvent,
    render::{self, RenderError},
};

impl Bot {
    /// What is answered to a comment that asks for a rollback; nothing when it asks for none.
    pub(super) async fn roll_back(
        &self,
        event: &CommentEvent,
        by: &Person,
        place: Place<'_>,
    ) -> Result<Option<String>, NotNow> {
        let Some(asked) = rollback::asked(&event.text) else {
            return Ok(None);
        };
        let done = match asked {
            Ok(wish) => self.roll_back_as(wish, event, by, place).await?,
            Err(why) => Err(why),
        };
        Ok(Some(match done {
            Ok(answer) => answer,
            Err(why) => render::not_recorded(by.name(), &why)?,
        }))
    }

    /// Inner errors: why not, for the person who wrote it.
    async fn roll_back_as(
        &self,
        wish: Wish,
        event: &CommentEvent,
        by: &Person,
        place: Place<'_>,
    ) -> Result<Result<String, String>, NotNow> {
        let id = wish.proposal.unwrap_or(place.id);
        if let Some(made) = self.asked_by(id, event) {
            // This very comment, worked on again.
            return Ok(Ok(self.answer_rollback(&made)?));
        }
        let policy = match self.in_force().await {
            Ok(policy) => policy,
            Err(not) => return Ok(Err(later(&not.to_string()))),
        };
        let login = by.accounts().iter().find(|known| known.id() == event.account);
        let also = login.map(|known| (known.id(), known.login().clone()));
        let also = also.into_iter().collect();
        let seeing = self.see(place.id, Vec::new(), also, &policy, place.pull).await?;
        if let Err(no) = may_ask(&policy, seeing.observation(), event.account) {
            return Ok(Err(no.to_string()));
        }
        let Some(old) = self.whole_proposal(id).await? else {
            return Ok(Err(NotRolledBack::Unheard(id).to_string()));
        };
        let made = match self.undoing(&old, &wish.reason, event, by, &policy).await? {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        let proposal = made.proposal.clone();
        let said = Said {
            account: event.account,
            comment: event.comment,
            below: place.pull,
            at: event.at,
            delivery: event.delivery.clone(),
        };
        let epoch = self.store().outbox().epoch().await?;
        let entered = self
            .enter(made, &policy, Via::Rollback(said), Some(by.name()), epoch)
            .await;
        if let Err(problem) = entered {
            return Ok(Err(told(&problem, &ids(&proposal))));
        }
        metrics::counter!("countersign_rollbacks_total").increment(1);
        Ok(Ok(self.answer_rollback(&proposal)?))
    }

    /// The proposal that takes another one back. Inner errors: why there is none.
    async fn undoing(
        &self,
        old: &Proposal,
        reason: &str,
        event: &CommentEvent,
        by: &Person,
        policy: &Policy,
    ) -> Result<Result<Made, String>, NotNow> {
        let key = self.store().keys().get(old.id).await?;
        let nonce: u128 = rand::rng().random();
        let nonce: Nonce = format!("rollback-{nonce:032x}")
            .parse()
            .map_err(NotNow::internal)?;
        let now = self.now();
        let asked = self.ledger().read(|book| {
            let ended = book.ended(old.id).ok_or_else(|| match book.case(old.id) {
                Some(case) => NotRolledBack::NotRun {
                    id: old.id,
                    life: case.life,
                },
                None => NotRolledBack::Unheard(old.id),
            })?;
            let rollable = Rollable::of(old, &ended, policy, now)?;
            let request = rollable.request(reason, nonce, key.as_ref())?;
            let proof = rollable.proof(by.name(), event.account, event.comment);
            Ok::<_, NotRolledBack>((request, rollable.kept(key.as_ref())?, proof))
        });
        let (request, kept, proof) = match asked {
            Ok(asked) => asked,
            Err(no) => return Ok(Err(no.to_string())),
        };
        let Some(agent) = policy.agent(&old.binding.agent) else {
            let agent = &old.binding.agent;
            return Ok(Err(format!("agent `{agent}` is not in agents.yaml any more")));
        };
        let items: Vec<ItemId> = request.items.iter().map(|item| item.id.clone()).collect();
        let fitting = match fit_rollback(request, agent, policy, now) {
            Ok(fitting) => fitting,
            Err(errors) => return Ok(Err(misfits(&errors, &items))),
        };
        let made = match self.arrive(fitting, proof, kept, now).await {
            Ok(made) => made,
            Err(problem) => return Ok(Err(told(&problem, &items))),
        };
        // As the executor will look at it, so that nobody approves what can't run. INVARIANT i04.
        Ok(match check_proof(&made.proposal, policy, Some(&made.key)) {
            Ok(()) => Ok(made),
            Err(error) => Err(error.to_string()),
        })
    }

    /// A proposal of the ledger, however long ago it ended.
    async fn whole_proposal(&self, id: ProposalId) -> Result<Option<Arc<Proposal>>, NotNow> {
        let (known, whole, head) = self.ledger().read(|book| {
            let case = book.case(id).or_else(|| book.recent(id));
            let whole = case.map(|case| Arc::clone(&case.proposal));
            (book.knows(id), whole, book.head())
        });
        if whole.is_some() || !known {
            return Ok(whole);
        }
        let found = self.ledger().received(head, id).await?;
        Ok(found.map(Arc::new))
    }

    /// The pull request of what is taken back shows how far that came.
    pub(super) async fn look_at_taken_back(&self, recorded: &[Recorded]) -> Result<(), NotNow> {
        let moved = recorded.iter().map(Recorded::entry).filter(|entry| {
            !matches!(
                entry.event,
                Event::Observed(_) | Event::Reviewed(_) | Event::Step(_) | Event::Undone(_)
            )
        });
        let ids: BTreeSet<ProposalId> = moved.filter_map(|entry| entry.proposal).collect();
        let pulls: Vec<PullNumber> = self.ledger().read(|book| {
            let of = |id: ProposalId| {
                let case = book.case(id).or_else(|| book.recent(id))?;
                let old = book.recent(case.proposal.binding.rolls_back?)?;
                old.opened.as_ref().map(|opened| opened.pull)
            };
            ids.into_iter().filter_map(of).collect()
        });
        match pulls.is_empty() {
            true => Ok(()),
            false => self.look_again(pulls).await,
        }
    }

    /// What a comment had made before, to take a proposal back.
    fn asked_by(&self, id: ProposalId, event: &CommentEvent) -> Option<Arc<Proposal>> {
        self.ledger().read(|book| {
            let by = book.undo(id)?.by;
            let case = book.case(by).or_else(|| book.recent(by))?;
            let rolled = case.proposal.proof.rolled_back()?;
            (rolled.comment == event.comment).then(|| Arc::clone(&case.proposal))
        })
    }

    fn answer_rollback(&self, made: &Proposal) -> Result<String, RenderError> {
        let pull = self.ledger().read(|book| {
            let case = book.case(made.id).or_else(|| book.recent(made.id))?;
            case.opened.as_ref().map(|opened| opened.pull)
        });
        render::rolled_back(made, pull)
    }
}
