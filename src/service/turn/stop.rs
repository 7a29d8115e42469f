//! People stop executions, and settle those whose end nobody knows. INVARIANT i21, i22.

use super::{Bot, NotNow, command::Place};
use crate::{
    domain::{
        case::Case,
        command::asked_anywhere,
        entry::{Digests, Draft, Entry, Event, Frozen, Kind, Resolved, Role, Said, Thawed},
        ids::{PersonName, PullNumber, Seq},
        policy::{Action, Policy},
        proposal::Proposal,
        receive::{ClearItem, FieldError},
        resolution::{self, Settlement, settleable},
    },
    execute::Thawing,
    github::CommentEvent,
    render,
    service::problem::Problem,
};

impl Bot {
    /// The oldest freeze that stops a proposal.
    pub(super) fn frozen(&self, proposal: &Proposal) -> Option<Seq> {
        let binding = &proposal.binding;
        self.ledger().read(|book| {
            let over = book.freezes().over(&binding.operation, &binding.agent);
            over.map(|(seq, _)| seq)
        })
    }

    /// Stops executions as a comment asks, here and, before they claim anything more, in every process of the database.
    /// The answer; none to a comment that asks for no freeze.
    pub(super) async fn freeze(
        &self,
        event: &CommentEvent,
        by: &PersonName,
        policy: &Policy,
        below: PullNumber,
    ) -> Result<Option<String>, NotNow> {
        let wish = match asked_anywhere(&event.text, policy) {
            None => return Ok(None),
            Some(Err(why)) => return Ok(Some(render::not_recorded(by, &why)?)),
            Some(Ok(wish)) => wish,
        };
        let frozen = Frozen {
            what: wish.what,
            reason: wish.reason,
            said: said(event, below),
        };
        let draft = Draft {
            role: Role::Gate,
            person: Some(by.clone()),
            agent: None,
            time: self.now(),
            proposal: None,
            digests: Digests {
                policy: Some(policy.digest()),
                ..Digests::default()
            },
            event: Event::Frozen(frozen.clone()),
            grouped: false,
        };
        let of_comment = || {
            self.ledger().read(|book| {
                let mut all = book.freezes().iter();
                let found = all.find(|(_, freeze)| freeze.frozen.said.comment == event.comment);
                found.map(|(seq, _)| seq)
            })
        };
        if of_comment().is_none() {
            if let Err(why) = self.record_wish(draft).await? {
                return Ok(Some(render::not_recorded(by, &why)?));
            }
            metrics::counter!("countersign_freezes_total").increment(1);
        }
        self.store().outbox().end_epoch().await?;
        let seq = of_comment().ok_or_else(|| NotNow::because("the freeze was thawed meanwhile"))?;
        let thaws = policy.actions().find(|action| action.execute().thaws());
        Ok(Some(render::frozen(by, seq, &frozen, thaws.map(Action::name))?))
    }

    /// Whether what an action of these parameters is to end holds now. Errors: why that proposes nothing.
    pub(super) fn thawable(&self, action: &Action, items: &[ClearItem]) -> Result<(), Problem> {
        let Some(thaw) = action.execute().thaw() else {
            return Ok(());
        };
        let held = |item: &ClearItem| -> Result<(), String> {
            let freeze = thaw.fill(&item.parameters).map_err(|error| error.to_string())?;
            self.ledger().read(|book| book.freezes().held(freeze).map(|_| ()))
        };
        let at = format!("/parameters{}", thaw.freeze().pointer());
        let wrong = items.iter().filter_map(|item| held(item).err());
        let wrong: Vec<FieldError> = wrong.map(|why| FieldError::new(&at, why)).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Problem::fields(wrong)),
        }
    }

    /// Ends a freeze, as a proposal that runs was approved to, and has what waits looked at. What this proposal ended before
    /// stays so; what somebody else ended, or nobody began, is refused.
    pub(super) async fn thaw(&self, case: &Case, freeze: Seq) -> Thawing {
        let thawing = self.end_freeze(case, freeze).await;
        if thawing == Ok(Ok(()))
            && let Err(error) = self.look_at_all().await
        {
            tracing::warn!(%error, "what waited for the thaw goes on with the next sweep");
        }
        thawing
    }

    async fn end_freeze(&self, case: &Case, freeze: Seq) -> Thawing {
        let draft = Draft::about(case, Role::Executor, Event::Thawed(Thawed { freeze }), self.now());
        let Err(error) = self.append_surely(vec![draft]).await else {
            return Ok(Ok(()));
        };
        let held = self.ledger().read(|book| book.freezes().held(freeze).map(|_| ()));
        match held {
            Ok(()) => Err(error.to_string()),
            Err(not) => match self.has_thawed(case, freeze).await {
                Ok(true) => Ok(Ok(())),
                Ok(false) => Ok(Err(not)),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// Whether an earlier attempt at a proposal ended a freeze.
    async fn has_thawed(&self, case: &Case, freeze: Seq) -> Result<bool, NotNow> {
        let id = case.proposal.id;
        let (head, proposed) = (self.ledger().read(|book| book.head()), id.timestamp());
        let since = self
            .ledger()
            .newest(head, &[Kind::Thawed], move |_, time| time >= proposed);
        let ours = |entry: &Entry| {
            entry.proposal == Some(id)
                && matches!(&entry.event, Event::Thawed(thawed) if thawed.freeze == freeze)
        };
        Ok(since.await?.iter().any(|(_, entry)| ours(entry)))
    }

    /// Settles what nobody knew the end of, as a comment asks. The answer; none to a comment that asks for nothing of the
    /// kind.
    pub(super) async fn resolve(
        &self,
        event: &CommentEvent,
        by: &PersonName,
        place: Place<'_>,
    ) -> Result<Option<String>, NotNow> {
        let Some(asked) = resolution::asked(&event.text) else {
            return Ok(None);
        };
        let done = match asked {
            Ok(wish) => self.resolve_as(wish, event, by, place).await?,
            Err(why) => Err(why),
        };
        Ok(Some(match done {
            Ok(resolved) => render::resolved(by, &resolved)?,
            Err(why) => render::not_recorded(by, &why)?,
        }))
    }

    /// Inner errors: why not, for the person who wrote it.
    async fn resolve_as(
        &self,
        wish: Settlement,
        event: &CommentEvent,
        by: &PersonName,
        place: Place<'_>,
    ) -> Result<Result<Resolved, String>, NotNow> {
        let id = wish.proposal.unwrap_or(place.id);
        let found = self.ledger().read(|book| {
            let case = book.case(id).or_else(|| book.recent(id));
            case.cloned().ok_or_else(|| match book.closed(id) {
                Some(closed) => format!("nothing is unknown about it: it is {}", closed.life),
                None => format!("proposal {id} is not on this ledger; check the id"),
            })
        });
        let case = match found {
            Ok(case) => case,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(before) = &case.resolved
            && before.said.comment == event.comment
        {
            return Ok(Ok(before.clone()));
        }
        if let Err(why) = settleable(&case, place.policy, by) {
            return Ok(Err(why));
        }
        let resolved = Resolved {
            found: wish.found,
            reason: wish.reason,
            said: said(event, place.pull),
        };
        let event = Event::Resolved(resolved.clone());
        let draft = Draft {
            person: Some(by.clone()),
            ..Draft::about(&case, Role::Gate, event, self.now())
        };
        let recorded = self.record_wish(draft).await?;
        let own = case.opened.as_ref().map(|opened| opened.pull);
        if recorded.is_ok() && own.is_some_and(|own| own != place.pull) {
            self.look_again(own).await?;
        }
        Ok(recorded.map(|()| resolved))
    }
}

fn said(event: &CommentEvent, below: PullNumber) -> Said {
    Said {
        account: event.account,
        comment: event.comment,
        below,
        at: event.at,
        delivery: event.delivery.clone(),
    }
}
