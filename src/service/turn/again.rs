//! A request that came before is the same request; one that only looks like it is refused. INVARIANT i16, i24.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::{Bot, Receipt};
use crate::{
    domain::{
        ids::{AgentName, IdempotencyKey, ProposalId},
        proposal::Proposal,
        receive::as_sent,
        request::Request,
    },
    service::problem::Problem,
    store::Epoch,
};

/// What is known of a request's idempotency key and nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Neither was used; the epoch of the rules then.
    Nothing(Epoch),
    /// The key was used by this proposal.
    Proposal(ProposalId),
    /// The nonce was used with another key.
    Nonce,
}

/// What is being received: requests with the same key or nonce go one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals {
    under_way: Arc<Mutex<BTreeSet<Used>>>,
    bell: Arc<Notify>,
}

/// One agent's key or nonce.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Used {
    Key(AgentName, IdempotencyKey),
    Nonce(AgentName, String),
}

/// While it lives, nobody else is received with the same key or nonce.
#[derive(Debug)]
pub(super) struct Alone {
    arrivals: Arrivals,
    mine: Vec<Used>,
}

impl Arrivals {
    async fn alone(&self, mine: Vec<Used>) -> Alone {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            {
                let mut taken = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
                if mine.iter().all(|used| !taken.contains(used)) {
                    taken.extend(mine.iter().cloned());
                    let arrivals = self.clone();
                    return Alone { arrivals, mine };
                }
            }
            rung.await;
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let mut taken = self
            .arrivals
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for used in &self.mine {
            taken.remove(used);
        }
        drop(taken);
        self.arrivals.bell.notify_waiters();
    }
}

/// The agent's own key, or its nonce.
fn key_of(request: &Request) -> Option<IdempotencyKey> {
    let nonce = || request.nonce.as_str().parse().ok();
    request.idempotency_key.clone().or_else(nonce)
}

impl Bot {
    /// Waits until no other request of this agent with the same key or nonce is being received.
    pub(super) async fn alone(&self, agent: &AgentName, request: &Request) -> Alone {
        let nonce = Used::Nonce(agent.clone(), request.nonce.as_str().to_owned());
        let key = key_of(request).map(|key| Used::Key(agent.clone(), key));
        self.inner
            .arrivals
            .alone(key.into_iter().chain([nonce]).collect())
            .await
    }

    /// What is known of a request's key and nonce. The outbox is read before the ledger: a row leaves it only when the
    /// ledger has it.
    pub(super) async fn before(&self, agent: &AgentName, request: &Request) -> Result<Before, Problem> {
        let key = key_of(request);
        let outbox = self.store().outbox();
        let prior = outbox
            .before(agent, key.as_ref(), &request.nonce)
            .await
            .map_err(|error| Problem::unavailable(error.to_string()))?;
        let (in_ledger, nonce_in_ledger) = self.ledger().read(|book| {
            let by_key = key.as_ref().and_then(|key| book.request(agent, key));
            (by_key, book.nonce_used(agent, &request.nonce))
        });
        Ok(match prior.proposal.or(in_ledger) {
            Some(id) => Before::Proposal(id),
            None if prior.nonce || nonce_in_ledger => Before::Nonce,
            None => Before::Nothing(prior.epoch),
        })
    }

    /// The same idempotency key must mean the same request.
    pub(super) async fn same_request(&self, id: ProposalId, request: &Request) -> Result<Receipt, Problem> {
        let row = self.row(id).await;
        let whole = self.ledger().read(|book| {
            let case = book.case(id).or_else(|| book.recent(id));
            case.map(|case| case.proposal.clone())
        });
        let same = match (whole, row) {
            (Some(proposal), _) => self.asks_the_same(&proposal, request).await,
            (None, Some(row)) => self.asks_the_same(&row.received().proposal, request).await,
            (None, None) => self.ledger().read(|book| {
                let closed = book.closed(id);
                closed.is_none_or(|closed| *closed.operation == request.operation)
            }),
        };
        if same {
            return Ok(Receipt {
                id,
                repeated: true,
                ran: None,
            });
        }
        Err(Problem::conflict(format!(
            "the idempotency key was used for another request, proposal {id}; send a key of its own with each request"
        )))
    }

    /// Whether a request asks for what a proposal holds; what only explains it may differ.
    async fn asks_the_same(&self, proposal: &Proposal, request: &Request) -> bool {
        let binding = &proposal.binding;
        let key = self.store().keys().get(proposal.id).await.ok().flatten();
        let Ok(items) = request.items() else { return false };
        request.operation == binding.operation
            && request.sponsor == binding.sponsor
            && items.len() == binding.items.len()
            && items.iter().zip(&binding.items).all(|(sent, known)| {
                sent.id == known.id
                    && as_sent(proposal, known, key.as_ref()).is_ok_and(|known| known == sent.parameters)
            })
    }
}
