//! Who stands in for whom: an absent owner's own word on the ledger, for a time, and never passed on.

mod command;

pub(super) use command::{COMMAND, asked};
pub use command::{takes_back, written};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    entry::Delegated,
    ids::{ActionName, CommentId, DeliveryId, PersonName, Span, Timestamp},
    policy::Policy,
};

/// What changing the rules is called where people name actions, as in `/delegate @bob until 2026-12-01 for
/// policies.change`.
pub(super) const CHANGING: &str = "policies.change";
/// The longest that one delegation lasts: 30 days.
pub const LONGEST: Span = Span::seconds(30 * 86_400);

/// Why a delegation can't be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotDelegated {
    /// It must be the owner's own word.
    #[error("a delegation is recorded by the person who delegates, and by nobody else")]
    NotTheirs,
    /// It holds for the owner's share of every proposal, so it is about none.
    #[error("a delegation is not about one proposal")]
    AboutAProposal,
    /// Nobody stands in for themselves.
    #[error("nobody stands in for themselves; name another person")]
    Oneself,
    /// It ends before it begins.
    #[error("the delegation ends before it begins; name a later day")]
    Backwards,
    /// It is over already.
    #[error("the delegation ends in the past; name a later day")]
    Over,
    /// Longer than [`LONGEST`].
    #[error("a delegation lasts 30 days at most; name an earlier day")]
    TooLong,
    /// The policy does not let this person stand in.
    #[error(
        "people.yaml does not name this person among the `stand_ins` of the one who delegates; name one of them"
    )]
    NotAStandIn,
}

/// Every delegation that was recorded, in the order of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Delegations(Vec<Given>);

/// A delegation and when it was recorded; it holds for nothing before that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// When it was recorded.
    pub at: Timestamp,
    /// What was said.
    pub said: Delegated,
}

impl Given {
    fn holds(&self, at: Timestamp) -> bool {
        self.at <= at && self.said.from <= at && at < self.said.until
    }
}

/// Whether a delegation is one at all, at the time of the newest entry, whatever the policy says.
pub(super) fn admissible(
    said: &Delegated,
    by: Option<&PersonName>,
    now: Timestamp,
) -> Result<(), NotDelegated> {
    if by != Some(&said.owner) {
        return Err(NotDelegated::NotTheirs);
    }
    if said.stand_in.as_ref() == Some(&said.owner) {
        return Err(NotDelegated::Oneself);
    }
    if said.stand_in.is_none() {
        return Ok(());
    }
    if said.until <= said.from {
        Err(NotDelegated::Backwards)
    } else if said.until <= now {
        Err(NotDelegated::Over)
    } else if said.until.since(said.from) > LONGEST.millis() {
        Err(NotDelegated::TooLong)
    } else {
        Ok(())
    }
}

impl Delegated {
    /// Whether the policy lets the named person stand in for the owner.
    ///
    /// # Errors
    /// [`NotDelegated::NotAStandIn`].
    pub fn permitted(&self, policy: &Policy) -> Result<(), NotDelegated> {
        let stand_ins = policy.person(&self.owner).map(|owner| owner.stand_ins());
        match &self.stand_in {
            Some(stand_in) if !stand_ins.unwrap_or_default().contains(stand_in) => {
                Err(NotDelegated::NotAStandIn)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Delegations {
    pub(super) fn record(&mut self, at: Timestamp, said: Delegated) {
        self.0.push(Given { at, said });
    }
    /// What was said, in the order of the ledger.
    pub fn said(&self) -> impl Iterator<Item = &Delegated> {
        self.0.iter().map(|given| &given.said)
    }
    /// What those give that are kept. One that is not gives nothing, and ends all the same what its owner said before.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Delegated) -> bool) -> Self {
        let mut only = self.clone();
        for given in only.0.iter_mut().filter(|given| !keep(&given.said)) {
            given.said.stand_in = None;
        }
        only
    }
    /// The same, where an owner said at a moment, by a comment, that nobody stands in for them any more.
    #[must_use]
    pub fn taken_back(mut self, owner: &PersonName, by: CommentId, at: Timestamp) -> Self {
        let before = |given: &&mut Given| given.said.owner == *owner && given.said.comment < by;
        for given in self.0.iter_mut().filter(before) {
            given.said.until = given.said.until.min(at);
        }
        self
    }
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
    pub(super) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// What still holds or will hold at some moment from now on: every owner's last word, unless it is over.
    pub(super) fn open_at(&self, now: Timestamp) -> Self {
        let mut heard = std::collections::BTreeSet::new();
        let newest_first = self
            .0
            .iter()
            .rev()
            .filter(|given| heard.insert(&given.said.owner));
        let open = newest_first.filter(|given| given.said.stand_in.is_some() && now < given.said.until);
        let mut open: Vec<Given> = open.cloned().collect();
        open.reverse();
        Self(open)
    }

    /// For whom a person may approve an action at some moment, besides themself.
    ///
    /// An owner's last word until then counts, so that a later one replaces or takes back what came before. Only the
    /// owner's own share is handed over: what somebody else handed to the owner is not, since this is never asked of
    /// whom it names. The policy must still name the person as a stand-in. Whoever counts approvals leaves out the
    /// parties of the proposal: nobody approves for a sponsor. INVARIANT i08, i09.
    pub fn stands_for<'a>(
        &'a self,
        person: &'a PersonName,
        action: &'a ActionName,
        at: Timestamp,
        policy: &'a Policy,
    ) -> impl Iterator<Item = &'a PersonName> {
        self.0.iter().zip(1..).filter_map(move |(given, next)| {
            let said = &given.said;
            let later = self.0.get(next..).unwrap_or_default();
            let last_word = || {
                !later
                    .iter()
                    .any(|later| later.at <= at && later.said.owner == said.owner)
            };
            let holds = said.stand_in.as_ref() == Some(person)
                && given.holds(at)
                && (said.actions.is_empty() || said.actions.contains(action))
                && said.permitted(policy).is_ok()
                && last_word();
            holds.then_some(&said.owner)
        })
    }

    /// The delegation that a comment made, when it was recorded.
    pub fn of_delivery(&self, delivery: &DeliveryId) -> Option<&Delegated> {
        let mut given = self.0.iter().rev().map(|given| &given.said);
        given.find(|said| said.delivery == *delivery)
    }

    /// What holds at a moment, newest first; for people.
    pub fn holding(&self, at: Timestamp) -> impl Iterator<Item = &Given> {
        let mut heard = std::collections::BTreeSet::new();
        let until_now = self.0.iter().rev().filter(move |given| given.at <= at);
        until_now.filter(move |given| {
            heard.insert(&given.said.owner) && given.said.stand_in.is_some() && given.holds(at)
        })
    }
}

#[cfg(test)]
mod tests;
