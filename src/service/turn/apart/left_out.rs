//! What approvers took out of a batch: nothing runs that one of them took out, whether or not the gate told of it, and
//! nothing is left out that none of them did. INVARIANT i06, i08.

use super::{Bot, NotNow, back::ON_ITS_WAY};
use crate::{
    domain::{
        case::Case,
        exclusion::{NotExcluded, excludable, written},
        ids::{AccountId, ItemId, PullNumber},
        observation::PullState,
        policy::Policy,
    },
    github::{Made, Seeing},
};

impl Bot {
    /// Whether everybody who is said to have taken items out did so. Errors inside: what nobody took out.
    pub(super) async fn left_out_proved(
        &self,
        case: &Case,
        pull: PullNumber,
        said: &[Made],
        policy: &Policy,
    ) -> Result<Result<(), String>, NotNow> {
        for (excluded, before) in case.excluded.iter().zip(0..) {
            let heard = &excluded.heard;
            let mut then = case.clone();
            then.excluded.truncate(before);
            let mut theirs = said
                .iter()
                .filter(|made| (made.id, made.account) == (heard.comment, heard.account));
            let stands = theirs
                .find_map(|made| written(&made.text, &then))
                .is_some_and(|wish| wish.items == excluded.items && wish.reason == excluded.reason);
            if !stands || !self.may_exclude(case, pull, heard.account, policy).await? {
                return Ok(Err(format!(
                    "{} said to be taken out, in a comment that is not there as somebody made it who may",
                    named(&excluded.items)
                )));
            }
        }
        Ok(Ok(()))
    }

    /// Whether somebody took out what would run, and the ledger knows nothing of it: why it does not go on.
    pub(super) async fn left_out_below(
        &self,
        case: &Case,
        seeing: &Seeing,
        said: &[Made],
        policy: &Policy,
    ) -> Result<Option<String>, NotNow> {
        let pull = seeing.pull();
        for made in said {
            // What is said after the merge changes nothing.
            let too_late = matches!(pull.state, PullState::Merged { at, .. } if made.at >= at);
            let Some(wish) = written(&made.text, case).filter(|_| !too_late) else {
                continue;
            };
            if !self.may_exclude(case, pull.number, made.account, policy).await? {
                continue;
            }
            let why = format!(
                "{} taken out below its pull request, and the ledger does not tell of it; delete the comment to take it back",
                named(&wish.items)
            );
            return match made.at.plus(ON_ITS_WAY) <= self.now() {
                true => Ok(Some(why)),
                false => Err(NotNow::Other(why)),
            };
        }
        Ok(None)
    }

    async fn may_exclude(
        &self,
        case: &Case,
        pull: PullNumber,
        account: AccountId,
        policy: &Policy,
    ) -> Result<bool, NotNow> {
        let seeing = self.see_with(case, policy, pull, Some(account)).await?;
        match excludable(case, seeing.observation(), policy, account) {
            Ok(()) => Ok(true),
            Err(unread @ NotExcluded::Unread) => Err(NotNow::Other(unread.to_string())),
            Err(_) => Ok(false),
        }
    }
}

/// `item 2 is` or `items 2, 3 are`.
fn named(items: &[ItemId]) -> String {
    let all: Vec<&str> = items.iter().map(ItemId::as_str).collect();
    match all.as_slice() {
        [one] => format!("item {one} is"),
        all => format!("items {} are", all.join(", ")),
    }
}
