//! What people write below a pull request for the bot to do.
//!
//! A command is a hint as lost as any other webhook can be: whoever gets no answer writes it again.

use std::sync::Arc;

use super::{Bot, NotNow, Told};
use crate::{
    domain::{
        case::{Case, Life},
        command::{Wish, asked, named},
        comment::Comment,
        entry::{Delegated, Digests, Draft, Event, Exception, Excluded, Heard, Role, Withdrawn},
        exception::{Departure, Withdrawal, grantable, granted_by},
        exclusion::{Exclusion, excludable},
        ids::{PersonName, ProposalId, PullNumber},
        observation::{Observation, PullState},
        policy::Policy,
        proposal::Correction,
    },
    github::CommentEvent,
    render::{self, RenderError},
};

/// What a person is told whose command comes too late.
const MERGED: &str = "it is merged, and what was approved runs; nothing that is said now changes that";

/// Where a command stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) id: ProposalId,
    pub(super) pull: PullNumber,
    pub(super) policy: &'a Policy,
}

/// A person's comment on a case's pull request.
#[derive(Clone, Copy)]
pub(super) struct Spoken<'a> {
    pub(super) event: &'a CommentEvent,
    pub(super) case: &'a Case,
    pub(super) by: &'a PersonName,
    pub(super) place: Place<'a>,
}

impl Bot {
    /// Does what comments on a proposal's pull request ask for, each once. Strangers' comments are nothing.
    pub(super) async fn commands(
        &self,
        id: ProposalId,
        policy: &Policy,
        pull: PullNumber,
        told: &[Told],
    ) -> Result<(), NotNow> {
        for event in told.iter().filter_map(Told::comment) {
            if let Some(answer) = self.command(event, Place { id, pull, policy }).await? {
                let publishing = self.publishing().await?;
                publishing.answer_to(pull, event.comment, &answer).await?;
            }
        }
        Ok(())
    }

    /// Answers commands below a pull request that changes the rules: none is taken there.
    pub(super) async fn no_commands(
        &self,
        policy: &Policy,
        pull: PullNumber,
        told: &[Told],
    ) -> Result<(), NotNow> {
        for event in told.iter().filter_map(Told::comment) {
            let Some(by) = policy.person_of(event.account) else {
                continue;
            };
            if let Some(answer) = self.freeze(event, by.name(), policy, pull).await? {
                let publishing = self.publishing().await?;
                publishing.answer_to(pull, event.comment, &answer).await?;
                continue;
            }
            let Some(command) = named(&event.text) else {
                continue;
            };
            let why = format!(
                "`{command}` is about proposals; write it below the pull request of one. A stand-in who is named there \
                 without `for` counts for changes of the rules too"
            );
            let answer = render::not_recorded(by.name(), &why)?;
            let publishing = self.publishing().await?;
            publishing.answer_to(pull, event.comment, &answer).await?;
        }
        Ok(())
    }

    /// What is answered to a comment; nothing when it is no command, or not by a person of the policy.
    async fn command(&self, event: &CommentEvent, place: Place<'_>) -> Result<Option<String>, NotNow> {
        let Some(by) = place.policy.person_of(event.account) else {
            return Ok(None);
        };
        if let Some(answer) = self.erase(event, by, place).await? {
            return Ok(Some(answer));
        }
        if let Some(answer) = self.freeze(event, by.name(), place.policy, place.pull).await? {
            return Ok(Some(answer));
        }
        if let Some(answer) = self.resolve(event, by.name(), place).await? {
            return Ok(Some(answer));
        }
        if let Some(answer) = self.roll_back(event, by, place).await? {
            return Ok(Some(answer));
        }
        let Some(case) = self.case(place.id) else {
            return Ok(self.answered_once_replaced(event, place.id, by.name())?);
        };
        if let Some(answer) = self.answered(event, &case, by.name())? {
            return Ok(Some(answer));
        }
        let comment = Comment {
            text: &event.text,
            by,
            id: event.comment,
            account: event.account,
            delivery: &event.delivery,
            at: self.now(),
        };
        let Some(wish) = asked(comment, &case, place.policy) else {
            return Ok(None);
        };
        let spoken = Spoken {
            event,
            case: &case,
            by: by.name(),
            place,
        };
        let recorded = match wish {
            Err(why) => Err(why),
            Ok(_) if case.life > Life::Open => Err(MERGED.to_owned()),
            Ok(Wish::Delegate(said)) => self.delegate(said, place.policy).await?,
            Ok(Wish::Except(wish)) => self.except(wish, spoken).await?,
            Ok(Wish::Withdraw(wish)) => self.withdraw(wish, spoken).await?,
            Ok(Wish::Exclude(wish)) => self.exclude(wish, spoken).await?,
            Ok(Wish::Correct(changes)) => match self.correct(changes, spoken).await? {
                Ok(answer) => return Ok(Some(answer)),
                Err(why) => Err(why),
            },
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
        let mut withdrawn = case
            .exceptions
            .iter()
            .filter_map(|recorded| recorded.withdrawn.as_ref());
        if let Some(said) = withdrawn.find(|said| said.heard.comment == event.comment) {
            return Ok(Some(render::withdrawn(by, said)?));
        }
        let mut excluded = case.excluded.iter();
        if let Some(said) = excluded.find(|said| said.heard.comment == event.comment) {
            return Ok(Some(render::excluded(by, said, case)?));
        }
        Ok(None)
    }

    /// The answer below a proposal that another one took the place of: to the comment that had it replaced, and to commands
    /// that come too late.
    fn answered_once_replaced(
        &self,
        event: &CommentEvent,
        id: ProposalId,
        by: &PersonName,
    ) -> Result<Option<String>, RenderError> {
        let next = self.ledger().read(|book| {
            let next = book.recent(id)?.replaced_by?;
            let next = book.case(next).or_else(|| book.recent(next))?;
            let pull = next.opened.as_ref().map(|opened| opened.pull);
            Some((Arc::clone(&next.proposal), pull))
        });
        let Some((next, pull)) = next else {
            return Ok(None);
        };
        let made = |last: &Correction| last.from == id && last.comment == event.comment;
        if next.proof.corrections().last().is_some_and(made) {
            return render::corrected(&next, pull).map(Some);
        }
        if named(&event.text).is_none() {
            return Ok(None);
        }
        let why = match pull {
            Some(pull) => format!(
                "proposal `{}` took its place; write it in pull request {pull}",
                next.id
            ),
            None => format!("proposal `{}` took its place; write it there", next.id),
        };
        render::not_recorded(by, &why).map(Some)
    }

    /// Records a draft, unless the ledger's rules refuse it. Inner errors: why, for the person who wrote it.
    pub(super) async fn record_wish(&self, draft: Draft) -> Result<Result<(), String>, NotNow> {
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
    async fn except(&self, wish: Departure, spoken: Spoken<'_>) -> Result<Result<(), String>, NotNow> {
        let Departure { check, reason } = wish;
        let may = |seen: &Observation| {
            let (case, account) = (spoken.case, spoken.event.account);
            grantable(case, seen, spoken.place.policy, &check, account).map_err(|no| no.to_string())
        };
        let (check, counted) = (check.clone(), check.to_string());
        let said = |heard| Event::Exception(Exception { check, reason, heard });
        let recorded = self.on_proposal(spoken, may, said).await?;
        if recorded.is_ok() {
            metrics::counter!("countersign_exceptions_total", "check" => counted).increment(1);
        }
        Ok(recorded)
    }

    /// Whoever granted an exception takes it back, whether or not they still could grant it.
    async fn withdraw(&self, wish: Withdrawal, spoken: Spoken<'_>) -> Result<Result<(), String>, NotNow> {
        let Withdrawal { check, reason } = wish;
        let granted = granted_by(spoken.case, spoken.place.policy, &check, spoken.event.account);
        let granted = match granted {
            Ok(granted) => granted,
            Err(no) => return Ok(Err(no.to_string())),
        };
        let counted = check.to_string();
        let said = |heard| {
            Event::Withdrawn(Withdrawn {
                check,
                granted,
                reason,
                heard,
            })
        };
        let recorded = self.on_proposal(spoken, |_| Ok(()), said).await?;
        if recorded.is_ok() {
            metrics::counter!("countersign_exceptions_withdrawn_total", "check" => counted).increment(1);
        }
        Ok(recorded)
    }

    async fn exclude(&self, wish: Exclusion, spoken: Spoken<'_>) -> Result<Result<(), String>, NotNow> {
        let Exclusion { items, reason } = wish;
        let may = |seen: &Observation| {
            let (case, account) = (spoken.case, spoken.event.account);
            excludable(case, seen, spoken.place.policy, account).map_err(|no| no.to_string())
        };
        let counted = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let said = |heard| Event::Excluded(Excluded { items, reason, heard });
        let recorded = self.on_proposal(spoken, may, said).await?;
        if recorded.is_ok() {
            metrics::counter!("countersign_excluded_items_total").increment(counted);
        }
        Ok(recorded)
    }

    /// Records a person's word on one proposal: heard on what is approved, and only if they may now. Inner errors: why
    /// not.
    async fn on_proposal(
        &self,
        spoken: Spoken<'_>,
        may: impl FnOnce(&Observation) -> Result<(), String>,
        said: impl FnOnce(Heard) -> Event,
    ) -> Result<Result<(), String>, NotNow> {
        let (heard, seen) = match self.hear(spoken).await? {
            Ok(heard) => heard,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(why) = may(&seen) {
            return Ok(Err(why));
        }
        self.record_wish(Draft {
            person: Some(spoken.by.clone()),
            ..Draft::about(spoken.case, Role::Gate, said(heard), self.now())
        })
        .await
    }

    /// A comment with the head it was made on, and what is seen now. Inner errors: why it does not count. INVARIANT i06.
    pub(super) async fn hear(
        &self,
        spoken: Spoken<'_>,
    ) -> Result<Result<(Heard, Observation), String>, NotNow> {
        let Spoken {
            event, case, place, ..
        } = spoken;
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
