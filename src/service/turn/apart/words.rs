//! What people wrote, read where they wrote it: a word that the gate recorded counts as long as the comment stands as it was
//! made. INVARIANT i06, i08.

use super::{Bot, NotNow, back::is_withdrawn};
use crate::{
    domain::{
        case::{Case, RecordedException},
        command::{Wish, asked},
        comment::Comment,
        delegation::{self, Delegations},
        entry::{Delegated, Exception},
        ids::{AccountId, CommentId, DeliveryId, Timestamp},
        policy::{Person, Policy},
        proposal::Proposal,
    },
    github::Made,
};

impl Bot {
    /// The delegations that stand as their owners wrote them. Only those are read that approvals given at some moments
    /// could count by; of the others nothing is left that counts.
    pub(in crate::service::turn) async fn delegations_proved(
        &self,
        all: &Delegations,
        approvals: impl Iterator<Item = Timestamp>,
        policy: &Policy,
    ) -> Result<Delegations, NotNow> {
        let mut read: Vec<(&Delegated, bool)> = Vec::new();
        for said in approvals.flat_map(|at| all.holding(at)).map(|given| &given.said) {
            if !read.iter().any(|(known, _)| *known == said) {
                read.push((said, self.delegation_stands(said, policy).await?));
            }
        }
        Ok(all.only(|said| read.contains(&(said, true))))
    }

    /// The exceptions of a case that stand as they were granted.
    pub(super) async fn exceptions_proved(
        &self,
        case: &Case,
        said: &[Made],
        policy: &Policy,
    ) -> Result<Vec<RecordedException>, NotNow> {
        let mut stand = Vec::new();
        let kept = |recorded: &&RecordedException| !is_withdrawn(recorded, said, case, policy);
        for recorded in case.exceptions.iter().filter(kept) {
            let Exception { check, reason, heard } = &recorded.exception;
            let here = case.opened.as_ref().map(|opened| opened.pull);
            let Some((made, by)) = self.made_by(heard.comment, heard.account, policy).await? else {
                continue;
            };
            let comment = spoken(&made, by, &heard.delivery, heard.at);
            if let Some(Ok(Wish::Except(wish))) = asked(comment, case, policy)
                && Some(made.below) == here
                && wish.check == *check
                && wish.reason == *reason
            {
                stand.push(recorded.clone());
            }
        }
        Ok(stand)
    }

    /// Whether everybody whose word a proposal stands on, beside the agent's or instead of it, wrote it. INVARIANT i08.
    pub(super) async fn co_writers_stand(&self, proposal: &Proposal) -> Result<bool, NotNow> {
        let changed = proposal.proof.corrections().iter();
        let changed = changed.map(|one| (one.comment, one.account));
        let asked = proposal.proof.rolled_back();
        let asked = asked.map(|rolled| (rolled.comment, rolled.account));
        for (comment, account) in changed.chain(asked) {
            if self.made(comment, account).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn delegation_stands(&self, said: &Delegated, policy: &Policy) -> Result<bool, NotNow> {
        let Some((made, by)) = self.made_by(said.comment, said.account, policy).await? else {
            return Ok(false);
        };
        let comment = spoken(&made, by, &said.delivery, said.from);
        Ok(delegation::written(comment, policy).as_ref() == Some(said))
    }

    /// A comment that stands as a person of the policy made it.
    pub(super) async fn made_by<'p>(
        &self,
        comment: CommentId,
        account: AccountId,
        policy: &'p Policy,
    ) -> Result<Option<(Made, &'p Person)>, NotNow> {
        let made = self.made(comment, account).await?;
        Ok(made.zip(policy.person_of(account)))
    }

    async fn made(&self, comment: CommentId, account: AccountId) -> Result<Option<Made>, NotNow> {
        let made = self.github().comment_as_made(comment).await?;
        Ok(made.filter(|made| made.account == account))
    }
}

/// What a person wrote, as the gate says that it heard it.
pub(super) fn spoken<'a>(
    made: &'a Made,
    by: &'a Person,
    delivery: &'a DeliveryId,
    at: Timestamp,
) -> Comment<'a> {
    Comment {
        text: &made.text,
        by,
        id: made.id,
        account: made.account,
        delivery,
        at,
    }
}
