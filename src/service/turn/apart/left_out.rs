//! What approvers took out of a batch: nothing runs that one of them took out, whether or not the gate told of it, and
//! nothing is left out that no person took out. INVARIANT i06, i08.

use std::collections::BTreeSet;

use super::{
    Bot, NotNow,
    back::{kept_back, without_taken_back},
};
use crate::{
    domain::{
        case::Case,
        entry::Heard,
        exclusion::{NotExcluded, excludable, written},
        ids::{BranchName, ItemId},
        observation::{Pull, PullState, Seen},
        policy::Policy,
        proposal::branch_of,
    },
    github::Made,
};

impl Bot {
    /// Whether each item that is left out is taken out in a person's comment, before the merge. Errors inside: which is not.
    ///
    /// Whether that person may is the gate's word: it was looked at when they wrote it, and may be otherwise now.
    pub(super) async fn left_out_proved(
        &self,
        case: &Case,
        pull: &Pull,
        said: &[Made],
        policy: &Policy,
    ) -> Result<Result<(), String>, NotNow> {
        let mut whole = case.clone();
        whole.excluded.clear();
        let taken_out = |made: &Made| {
            let wish = written(&made.text, &whole);
            wish.map(|wish| wish.items).unwrap_or_default()
        };
        let mut stand: BTreeSet<ItemId> = in_time(said, pull, policy).flat_map(taken_out).collect();
        for excluded in &case.excluded {
            if excluded.items.iter().all(|item| stand.contains(item)) {
                continue;
            }
            // What was taken out before people changed it stays out.
            if let Some(made) = self.made_before(case, &excluded.heard, policy).await? {
                stand.extend(taken_out(&made));
            }
            if let Some(item) = excluded.items.iter().find(|item| !stand.contains(item)) {
                return Ok(Err(format!(
                    "item `{item}` is said to be taken out, and no unedited comment of a person's says so; whoever wants it out \
                     writes `/exclude {item}` and why again"
                )));
            }
        }
        Ok(Ok(()))
    }

    /// A person's comment below the pull request of a proposal that people changed into this one.
    async fn made_before(&self, case: &Case, heard: &Heard, policy: &Policy) -> Result<Option<Made>, NotNow> {
        let corrections = case.proposal.proof.corrections();
        if corrections.is_empty() {
            return Ok(None);
        }
        let Some((made, _)) = self.made_by(heard.comment, heard.account, policy).await? else {
            return Ok(None);
        };
        let below = self.github().pull(made.below).await?;
        let before = |branch: &BranchName| {
            corrections
                .iter()
                .any(|one| branch_of(one.from) == branch.as_str())
        };
        let is_before = below.same_repo && below.head_ref.as_ref().is_some_and(before);
        Ok(is_before.then_some(made))
    }

    /// Whether somebody who may took out what would run, and the ledger knows nothing of it: why it does not go on.
    pub(super) async fn left_out_below(
        &self,
        case: &Case,
        pull: &Pull,
        said: &[Made],
        policy: &Policy,
    ) -> Result<Option<String>, NotNow> {
        for made in in_time(said, pull, policy) {
            // As it stood when this was written: what was recorded of later comments does not hide it.
            let mut then = case.clone();
            then.excluded.retain(|excluded| excluded.heard.comment < made.id);
            let Some(wish) = written(&made.text, &then) else {
                continue;
            };
            let runs = |case: &Case| wish.items.iter().any(|item| !case.excludes(item));
            if !runs(case) || !self.may_exclude(case, pull, (made, said), policy).await? {
                continue;
            }
            self.ledger().refresh().await?;
            if self.case(case.proposal.id).is_none_or(|case| !runs(&case)) {
                return Err(NotNow::because(
                    "something was taken out meanwhile; it is looked at again",
                ));
            }
            let items: Vec<&str> = wish.items.iter().map(ItemId::as_str).collect();
            let why = format!(
                "`/exclude {}` stands below its pull request, and the ledger does not tell of it; write it again, or delete the \
                 comment to take it back",
                items.join(",")
            );
            return kept_back(made, self.now(), why).map(Some).map_err(NotNow::Other);
        }
        Ok(None)
    }

    /// Whether an approval of whoever made a comment could count, by what GitHub and the rules show. The ledger's word does
    /// not make anybody a party here, and who merged it no more than that.
    async fn may_exclude(
        &self,
        case: &Case,
        pull: &Pull,
        (made, said): (&Made, &[Made]),
        policy: &Policy,
    ) -> Result<bool, NotNow> {
        let mut own = case.clone();
        own.edited.clear();
        own.merged = None;
        let writers = case.proposal.proof.co_writers();
        own.co_writers = writers.map(|(_, account)| account).collect();
        let proved = self
            .delegations_proved(&case.delegations, std::iter::once(made.at), policy)
            .await?;
        own.delegations = without_taken_back(proved, said, policy);
        let seeing = self
            .see_with(&own, policy, pull.number, Some(made.account))
            .await?;
        let mut seen = seeing.into_observation();
        if let Seen::Known(pull) = &mut seen.pull {
            pull.state = PullState::Open;
        }
        match excludable(&own, &seen, policy, made.account) {
            Ok(()) => Ok(true),
            Err(unread @ NotExcluded::Unread) => Err(NotNow::Other(unread.to_string())),
            Err(_) => Ok(false),
        }
    }
}

/// What people of the policy wrote before the merge: after it, nothing that is said changes anything.
fn in_time<'a>(said: &'a [Made], pull: &Pull, policy: &Policy) -> impl Iterator<Item = &'a Made> {
    let people = said
        .iter()
        .filter(|made| policy.person_of(made.account).is_some());
    people.filter(|made| !matches!(pull.state, PullState::Merged { at, .. } if made.at >= at))
}
