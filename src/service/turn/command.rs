//! What people write below a pull request for the bot to do.
//!
//! A command is a hint as lost as any other webhook can be: whoever gets no answer writes it again.

use super::{Bot, NotNow, Told};
use crate::{
    domain::{
        case::{Case, Life},
        delegation::{Comment, asked},
        entry::{Delegated, Digests, Draft, Event, Role},
        ids::PullNumber,
        policy::Policy,
    },
    github::CommentEvent,
    render,
};

impl Bot {
    /// Does what comments on an open proposal's pull request ask for, each once. Strangers' comments are nothing.
    pub(super) async fn commands(
        &self,
        case: &Case,
        policy: &Policy,
        pull: PullNumber,
        told: &[Told],
    ) -> Result<(), NotNow> {
        if case.life != Life::Open {
            return Ok(());
        }
        for event in told.iter().filter_map(Told::comment) {
            if let Some(answer) = self.command(event, policy).await? {
                self.github().answer(pull, &answer).await?;
            }
        }
        Ok(())
    }

    /// What is answered to a comment; nothing when it is no command, or not by a person of the policy.
    async fn command(&self, event: &CommentEvent, policy: &Policy) -> Result<Option<String>, NotNow> {
        let recorded = |delivery| {
            self.ledger()
                .read(|book| book.delegations().of_delivery(delivery).cloned())
        };
        if let Some(said) = recorded(&event.delivery) {
            return Ok(Some(render::delegated(&said)?));
        }
        let Some(by) = policy.person_of(event.account) else {
            return Ok(None);
        };
        let comment = Comment {
            text: &event.text,
            by,
            account: event.account,
            delivery: &event.delivery,
            at: self.now(),
        };
        match asked(comment, policy) {
            None => Ok(None),
            Some(Err(why)) => Ok(Some(render::not_delegated(by.name(), &why)?)),
            Some(Ok(said)) => {
                let draft = self.delegation(said.clone(), policy);
                if let Err(illegal) = self.ledger().read(|book| book.admits(&draft)) {
                    return Ok(Some(render::not_delegated(by.name(), &illegal.to_string())?));
                }
                self.append(vec![draft]).await?;
                Ok(Some(render::delegated(&said)?))
            }
        }
    }

    fn delegation(&self, said: Delegated, policy: &Policy) -> Draft {
        Draft {
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
        }
    }
}
