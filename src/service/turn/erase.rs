//! `/erase` below a pull request: a proposal's key and the answers to it are destroyed, and the ledger says so first.
//!
//! First the entry, then the act: the ledger is the one thing that every replica and every later start reads. From the
//! entry on nobody is given what it names, and whoever holds a copy destroys it; a crash in between is made good by the
//! comment, which is worked on until it is answered, and by every sweep. The other way round a crash would leave values
//! destroyed and nobody to answer for it, and another database would never hear of it. INVARIANT i29.

use std::sync::PoisonError;

use super::{Bot, NotNow, command::Place};
use crate::{
    domain::{
        case::Life,
        entry::{Digests, Draft, Erased, Event, Role},
        erasure::{self, Erasure, NotErased, erasable},
        ids::{ActionName, CommentId, Digest, ProposalId},
        policy::Person,
    },
    github::CommentEvent,
    render,
};

/// A proposal that is to be erased.
enum Found {
    Open(Life),
    Closed {
        operation: ActionName,
        action: Digest,
        erased: Option<CommentId>,
    },
    Unheard,
}

impl Bot {
    /// What is answered to a comment that asks for an erasure; nothing when it asks for none.
    pub(super) async fn erase(
        &self,
        event: &CommentEvent,
        by: &Person,
        place: Place<'_>,
    ) -> Result<Option<String>, NotNow> {
        let Some(asked) = erasure::asked(&event.text) else {
            return Ok(None);
        };
        let done = match asked {
            Ok(wish) => self.erase_as(&wish, event, by, place).await?,
            Err(why) => Err(why),
        };
        Ok(Some(match done {
            Ok((id, reason)) => render::erased(by.name(), id, &reason)?,
            Err(why) => render::not_recorded(by.name(), &why)?,
        }))
    }

    /// Inner errors: why not, for the person who wrote it.
    async fn erase_as(
        &self,
        wish: &Erasure,
        event: &CommentEvent,
        by: &Person,
        place: Place<'_>,
    ) -> Result<Result<(ProposalId, String), String>, NotNow> {
        let id = wish.proposal.unwrap_or(place.id);
        let no = |why: NotErased| Err(why.to_string());
        let (operation, action) = match self.to_erase(id) {
            Found::Unheard => return Ok(no(NotErased::Unheard(id))),
            Found::Open(life) => return Ok(no(NotErased::not_ended(id, life))),
            Found::Closed {
                erased: Some(comment),
                ..
            } if comment == event.comment => {
                // This very comment, worked on again: it may have been destroyed in part.
                self.destroy(id).await?;
                return Ok(Ok((id, wish.reason.clone())));
            }
            Found::Closed { erased: Some(_), .. } => return Ok(no(NotErased::Already(id))),
            Found::Closed {
                operation,
                action,
                erased: None,
            } => (operation, action),
        };
        let login = by.accounts().iter().find(|known| known.id() == event.account);
        let login = login.map(|known| (known.id(), known.login().clone()));
        let teams = erasure::teams(place.policy, &operation);
        let also = login.into_iter().collect();
        let seeing = self.see(place.id, teams, also, place.policy, place.pull).await?;
        if let Err(why) = erasable(place.policy, &operation, seeing.observation(), event.account) {
            return Ok(no(why));
        }
        let said = Erased {
            account: event.account,
            comment: event.comment,
            pull: place.pull,
            at: event.at,
            delivery: event.delivery.clone(),
            reason: wish.reason.clone(),
            destroyed: self.store().erasures().holds(id).await?,
        };
        let draft = Draft {
            role: Role::Gate,
            person: Some(by.name().clone()),
            agent: None,
            time: self.now(),
            proposal: Some(id),
            digests: Digests {
                action: Some(action),
                policy: Some(place.policy.digest()),
                ..Digests::default()
            },
            event: Event::Erased(said),
            grouped: false,
        };
        if let Err(why) = self.record_wish(draft).await? {
            return Ok(Err(why));
        }
        metrics::counter!("countersign_erased_total").increment(1);
        self.destroy(id).await?;
        Ok(Ok((id, wish.reason.clone())))
    }

    fn to_erase(&self, id: ProposalId) -> Found {
        self.ledger().read(|book| {
            if let Some(case) = book.case(id) {
                return Found::Open(case.life);
            }
            book.closed(id).map_or(Found::Unheard, |closed| Found::Closed {
                operation: closed.operation.clone(),
                action: closed.action,
                erased: closed.erased,
            })
        })
    }

    /// Destroys what this process's database keeps of an erased proposal.
    async fn destroy(&self, id: ProposalId) -> Result<(), NotNow> {
        self.store().erasures().erase(id).await?;
        let mut destroyed = self
            .inner
            .destroyed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        destroyed.insert(id);
        Ok(())
    }

    /// Destroys what is kept of proposals that the ledger says are erased: a crash came between, another replica heard of
    /// it, or a backup brought it back.
    pub(super) async fn destroy_erased(&self) -> Result<(), NotNow> {
        let left: Vec<ProposalId> = {
            let destroyed = self
                .inner
                .destroyed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.ledger().read(|book| {
                let erased = book.erased().map(|(id, _)| id);
                erased.filter(|id| !destroyed.contains(id)).collect()
            })
        };
        for id in left {
            self.destroy(id).await?;
        }
        Ok(())
    }
}
