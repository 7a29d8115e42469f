//! What people took back below the pull request of what is about to run: it counts from there, whether or not the gate told
//! of it. Whoever takes a comment away takes its word away too. INVARIANT i06, i22.

use super::{Bot, NotNow};
use crate::{
    domain::{
        case::{Case, RecordedException},
        command::{Wish, asked, asked_anywhere},
        delegation::{Delegations, takes_back},
        entry::{Event, Frozen, Kind},
        ids::{Span, Timestamp},
        policy::{Person, Policy},
    },
    github::Made,
};

/// So long after it was written, a word that the ledger does not know is kept from it and not on its way.
const ON_ITS_WAY: Span = Span::seconds(60);

impl Bot {
    /// Whether somebody froze this below its pull request, and the ledger knows nothing of it: why it does not go on.
    pub(super) async fn frozen_below(
        &self,
        case: &Case,
        said: &[Made],
        policy: &Policy,
    ) -> Result<Option<String>, NotNow> {
        let binding = &case.proposal.binding;
        for made in said {
            let Some(by) = policy.person_of(made.account) else {
                continue;
            };
            let Some(Ok(wish)) = asked_anywhere(&made.text, policy) else {
                continue;
            };
            let stops = wish.what.covers(&binding.operation, &binding.agent);
            let heard = |frozen: &Frozen| frozen.said.comment == made.id && frozen.what == wish.what;
            if !stops || self.was_frozen(case, heard).await? {
                continue;
            }
            let why = format!(
                "{} froze {} below its pull request, and the ledger does not tell of it; delete the comment to take it back",
                by.name(),
                wish.what
            );
            return kept_back(made, self.now(), why).map(Some).map_err(NotNow::Other);
        }
        Ok(None)
    }

    /// Whether a freeze is on the ledger, as it holds or as an executor let it end.
    async fn was_frozen(&self, case: &Case, is_it: impl Fn(&Frozen) -> bool) -> Result<bool, NotNow> {
        let (holds, head) = self.ledger().read(|book| {
            let mut all = book.freezes().iter();
            (all.any(|(_, freeze)| is_it(&freeze.frozen)), book.head())
        });
        if holds {
            return Ok(true);
        }
        let proposed = case.proposal.id.timestamp();
        let since = self
            .ledger()
            .newest(head, &[Kind::Frozen], move |_, time| time >= proposed);
        let since = since.await?;
        let mut since = since.iter().map(|(_, entry)| &entry.event);
        Ok(since.any(|event| matches!(event, Event::Frozen(frozen) if is_it(frozen))))
    }
}

/// Why nothing goes on while the ledger does not know of a word. Errors: it may be on its way.
pub(super) fn kept_back(made: &Made, now: Timestamp, why: String) -> Result<String, String> {
    match made.at.plus(ON_ITS_WAY) <= now {
        true => Ok(why),
        false => Err(why),
    }
}

/// Delegations without what their owners took back.
pub(super) fn without_taken_back(delegations: Delegations, said: &[Made], policy: &Policy) -> Delegations {
    let taken_back = said.iter().filter(|made| takes_back(&made.text));
    taken_back.fold(delegations, |left, made| match policy.person_of(made.account) {
        Some(owner) => left.taken_back(owner.name(), made.id, made.at),
        None => left,
    })
}

/// Whether whoever granted an exception took it back later.
pub(super) fn is_withdrawn(
    recorded: &RecordedException,
    said: &[Made],
    case: &Case,
    policy: &Policy,
) -> bool {
    let heard = &recorded.exception.heard;
    let granter = |account| policy.person_of(account).map(Person::name);
    let later = |made: &&Made| made.id > heard.comment && granter(made.account) == granter(heard.account);
    said.iter().filter(later).any(|made| {
        let by = policy.person_of(made.account);
        let wish = by.and_then(|by| {
            asked(
                super::words::spoken(made, by, &heard.delivery, made.at),
                case,
                policy,
            )
        });
        matches!(wish, Some(Ok(Wish::Withdraw(wish))) if wish.check == recorded.exception.check)
    })
}
