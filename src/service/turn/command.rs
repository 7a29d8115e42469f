//! What people write below a pull request for the bot to do.
//!
//! A command is a hint as lost as any other webhook can be: whoever gets no answer writes it again.

use super::{Bot, NotNow, Told};
use crate::{
    domain::{
        case::{Case, Life},
        command::{Wish, asked},
        comment::Comment,
        entry::{Delegated, Digests, Draft, Event, Exception, Excluded, Heard, Role},
        exception::{Departure, grantable},
        exclusion::{Exclusion, excludable},
        ids::{PersonName, ProposalId, PullNumber},
        observation::{Observation, PullState},
        policy::Policy,
    },
    github::CommentEvent,
    render::{self, RenderError},
};

/// What a person is told whose command comes too late.
const MERGED: &str = "it is merged, and what was approved runs; nothing that is said now changes that";

/// Where a command stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: ProposalId,
    pull: PullNumber,
    policy: &'a Policy,
}

impl Bot {
    /// Does what comments on a proposal's pull request ask for, each once. Strangers' comments are nothing.
    pub(super) async fn commands(
        &self,
        case: &Case,
        policy: &Policy,
        pull: PullNumber,
        told: &[Told],
    ) -> Result<(), NotNow> {
        let id = case.proposal.id;
        for event in told.iter().filter_map(Told::comment) {
            if let Some(answer) = self.command(event, Place { id, pull, policy }).await? {
                self.github().answer(pull, &answer).await?;
            }
        }
        Ok(())
    }

    /// What is answered to a comment; nothing when it is no command, or not by a person of the policy.
    async fn command(&self, event: &CommentEvent, place: Place<'_>) -> Result<Option<String>, NotNow> {
        let (Some(case), Some(by)) = (self.case(place.id), place.policy.person_of(event.account)) else {
            return Ok(None);
        };
        if let Some(answer) = self.answered(event, &case, by.name())? {
            return Ok(Some(answer));
        }
        let comment = Comment {
            text: &event.text,
            by,
            account: event.account,
            delivery: &event.delivery,
            at: self.now(),
        };
        let Some(wish) = asked(comment, &case, place.policy) else {
            return Ok(None);
        };
        let recorded = match wish {
            Err(why) => Err(why),
            Ok(_) if case.life > Life::Open => Err(MERGED.to_owned()),
            Ok(Wish::Delegate(said)) => self.delegate(said, place.policy).await?,
            Ok(Wish::Except(wish)) => self.except(wish, event, &case, by.name(), place).await?,
            Ok(Wish::Exclude(wish)) => self.exclude(wish, event, &case, by.name(), place).await?,
        };
        if let Err(why) = recorded {
            return Ok(Some(render::not_recorded(by.name(), &why)?));
        }
        let case = self.case(place.id).unwrap_or(case);
        Ok(self.answered(event, &case, by.name())?)
    }

    /// The answer to a comment whose command is on the ledger.
    fn answered(
        &self,
        event: &CommentEvent,
        case: &Case,
        by: &PersonName,
    ) -> Result<Option<String>, RenderError> {
        let delegated = self
            .ledger()
            .read(|book| book.delegations().of_delivery(&event.delivery).cloned());
        if let Some(said) = delegated {
            return Ok(Some(render::delegated(&said)?));
        }
        let mut granted = case.exceptions.iter().map(|recorded| &recorded.exception);
        if let Some(said) = granted.find(|said| said.heard.comment == event.comment) {
            return Ok(Some(render::excepted(by, said)?));
        }
        let mut excluded = case.excluded.iter();
        if let Some(said) = excluded.find(|said| said.heard.comment == event.comment) {
            return Ok(Some(render::excluded(by, said, case)?));
        }
        Ok(None)
    }

    /// Records a draft, unless the ledger's rules refuse it. Inner errors: why, for the person who wrote it.
    async fn record_wish(&self, draft: Draft) -> Result<Result<(), String>, NotNow> {
        if let Err(illegal) = self.ledger().read(|book| book.admits(&draft)) {
            return Ok(Err(illegal.to_string()));
        }
        self.append(vec![draft]).await?;
        Ok(Ok(()))
    }

    async fn delegate(&self, said: Delegated, policy: &Policy) -> Result<Result<(), String>, NotNow> {
        self.record_wish(Draft {
            role: Role::Gate,
            person: Some(said.owner.clone()),
            agent: None,
            time: said.from,
            proposal: None,
            digests: Digests {
                policy: Some(policy.digest()),
                ..Digests::default()
            },
            event: Event::Delegated(said),
            grouped: false,
        })
        .await
    }

    /// INVARIANT i08, i09.
    async fn except(
        &self,
        wish: Departure,
        event: &CommentEvent,
        case: &Case,
        by: &PersonName,
        place: Place<'_>,
    ) -> Result<Result<(), String>, NotNow> {
        let (heard, seen) = match self.hear(event, case, place).await? {
            Ok(heard) => heard,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(no) = grantable(case, &seen, place.policy, &wish.check, event.account) {
            return Ok(Err(no.to_string()));
        }
        let exception = Exception {
            check: wish.check,
            reason: wish.reason,
            heard,
        };
        let check = exception.check.to_string();
        let recorded = self
            .record_wish(Draft {
                person: Some(by.clone()),
                ..Draft::about(case, Role::Gate, Event::Exception(exception), self.now())
            })
            .await?;
        if recorded.is_ok() {
            metrics::counter!("countersign_exceptions_total", "check" => check).increment(1);
        }
        Ok(recorded)
    }

    async fn exclude(
        &self,
        wish: Exclusion,
        event: &CommentEvent,
        case: &Case,
        by: &PersonName,
        place: Place<'_>,
    ) -> Result<Result<(), String>, NotNow> {
        let (heard, seen) = match self.hear(event, case, place).await? {
            Ok(heard) => heard,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(no) = excludable(case, &seen, place.policy, event.account) {
            return Ok(Err(no.to_string()));
        }
        let excluded = Excluded {
            items: wish.items,
            reason: wish.reason,
            heard,
        };
        let items = u64::try_from(excluded.items.len()).unwrap_or(u64::MAX);
        let recorded = self
            .record_wish(Draft {
                person: Some(by.clone()),
                ..Draft::about(case, Role::Gate, Event::Excluded(excluded), self.now())
            })
            .await?;
        if recorded.is_ok() {
            metrics::counter!("countersign_excluded_items_total").increment(items);
        }
        Ok(recorded)
    }

    /// A comment with the head it was made on, and what is seen now. Inner errors: why it does not count. INVARIANT i06.
    async fn hear(
        &self,
        event: &CommentEvent,
        case: &Case,
        place: Place<'_>,
    ) -> Result<Result<(Heard, Observation), String>, NotNow> {
        let Some(opened) = &case.opened else {
            return Ok(Err(
                "its pull request is not open yet; write it again in a while".to_owned()
            ));
        };
        let seeing = self
            .see_with(case, place.policy, place.pull, Some(event.account))
            .await?;
        let pull = seeing.pull();
        let no = |why: &str| Err(why.to_owned());
        match &pull.state {
            PullState::Open => {}
            PullState::Merged { at, .. } if event.at < *at => {}
            PullState::Merged { .. } => return Ok(no(MERGED)),
            PullState::Closed => return Ok(no("the pull request is closed")),
        }
        if event.title != opened.title || Some(event.body) != case.presentation {
            return Ok(no(
                "title or text were not as Countersign wrote them; write it again when they are put back",
            ));
        }
        if pull.head != opened.head || event.at <= self.github().head_changed_at(&opened.branch).await? {
            return Ok(no(
                "somebody moved the branch meanwhile, or it was made just now; write it again",
            ));
        }
        let heard = Heard {
            account: event.account,
            comment: event.comment,
            at: event.at,
            delivery: event.delivery.clone(),
            head: opened.head,
        };
        Ok(Ok((heard, seeing.into_observation())))
    }
}
