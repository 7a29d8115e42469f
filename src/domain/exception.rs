//! A justified departure from a failed check: granted by one of the people whom the check's file names, on the ledger,
//! and judged again at every decision.
//!
//! Whoever grants one vouches for what the check denied, so their approval of the same proposal does not count besides:
//! an exception is no approval, and takes a person of its own.

mod command;
mod withdrawal;

use std::collections::BTreeSet;

use serde::Serialize;

pub use command::Departure;
pub(super) use command::{Asked, COMMAND, asked};
pub(super) use withdrawal::retractable;
pub use withdrawal::{Withdrawal, granted_by};

use super::{
    assess::Assessment,
    case::{Case, RecordedException},
    checks::{CheckResult, Level},
    entry::{Digests, Exception},
    ids::{AccountId, CheckName, PersonName, Timestamp},
    observation::Observation,
    policy::{GateRule, Party, Person, Policy, Tier},
    review::{self, Review, Rolls},
    verdict::{Because, Rule, Standing},
};

/// What nobody departs from, whatever the policy says: a secret in Git is out. INVARIANT i29.
const NEVER: &str = "secrets";

/// Why an exception can't be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotGranted {
    /// It must be a person's own word.
    #[error("an exception is the word of a person of people.yaml")]
    Nobody,
    /// Not on what is approved.
    #[error(
        "the comment is not on the proposal's commit, text and rules; write it again when they are put back"
    )]
    Elsewhere,
    /// The check found nothing to depart from.
    #[error("`{0}` does not deny this proposal; there is nothing to depart from")]
    NotDenied(CheckName),
    /// What was not looked at can't be vouched for. INVARIANT i10.
    #[error("`{0}` could not run, and an exception is no answer to that; the agent must propose it anew")]
    Errored(CheckName),
    /// The policy allows none.
    #[error("`{0}` has no exceptions; the agent must correct what the report says and propose it anew")]
    Never(CheckName),
    /// It was granted already.
    #[error("{by} has granted an exception from `{check}` already; nothing more is needed")]
    Already {
        /// The check.
        check: CheckName,
        /// Who granted it.
        by: PersonName,
    },
    /// A party to the proposal. INVARIANT i08.
    #[error("its sponsor and whoever wrote, pushed or merged it grant no exception; ask {could}")]
    Party {
        /// Who could.
        could: String,
    },
    /// Not whom the check names, or not any more.
    #[error("exceptions from `{check}` are granted by others; ask {could}")]
    NotAnApprover {
        /// The check.
        check: CheckName,
        /// Who could.
        could: String,
    },
    /// Only whoever granted one takes it back.
    #[error("you granted no exception from `{0}` that could be taken back")]
    NotYours(CheckName),
    /// Nothing of the kind stands on the ledger.
    #[error("the ledger holds no such exception from `{0}`, or it was taken back before")]
    NotStanding(CheckName),
    /// Something could not be looked up. INVARIANT i10.
    #[error(
        "who wrote it, who may write or who is in which team can't be read now; write it again in a while"
    )]
    Unknown,
}

/// One person's word on one check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    pub(super) check: &'a CheckName,
    pub(super) account: AccountId,
    pub(super) at: Timestamp,
}

impl Grant<'_> {
    /// Whether it still counts at a moment: as long as an approval of the same gate would. INVARIANT i12.
    fn is_fresh(&self, gate: &GateRule, decided_at: Timestamp) -> bool {
        gate.approval_valid_for()
            .is_none_or(|span| decided_at <= self.at.plus(span))
    }
}

/// How the checks stand with the exceptions granted.
#[derive(Debug)]
pub(super) struct Departures<'p> {
    /// The rule about checks, then what was noted.
    pub(super) rules: Vec<Because>,
    /// Whose exceptions stand; their approvals do not count besides.
    pub(super) granters: BTreeSet<&'p PersonName>,
}

/// Whether every check passed, only warned, or was departed from by somebody who still may. An exception never stands in
/// for a check that could not run, and it ages as an approval of the same gate does. Without `parties` nobody was there
/// to grant any. INVARIANT i08, i09, i10, i12.
pub(super) fn departures<'p>(
    assessed: &Assessment,
    policy: &'p Policy,
    parties: Option<&BTreeSet<&PersonName>>,
    (grants, decided_at): (&[Grant<'_>], Timestamp),
    rolls: &impl Rolls,
) -> Departures<'p> {
    let gate = policy.gate(assessed.tier);
    let (mut errored, mut denied, mut excepted) = (Vec::new(), Vec::new(), Vec::new());
    let (mut noted, mut granters, mut could) = (Vec::new(), BTreeSet::new(), Vec::new());
    let (mut unknown, mut all_could) = (false, true);
    for CheckResult { check, level, .. } in &assessed.checks {
        match level {
            Level::Pass | Level::Warn => continue,
            Level::Errored => {
                errored.push(check);
                continue;
            }
            Level::Deny => {}
        }
        let mut stands = false;
        for grant in grants.iter().filter(|grant| grant.check == check) {
            let note = |rule| Because::new(rule, Standing::Noted).section(Some(check.as_str()));
            if !grant.is_fresh(gate, decided_at) {
                noted.push(note(Rule::TooOld).who([who(grant.account, policy)]));
                continue;
            }
            let person = parties.map_or(Ok(None), |parties| granter(grant, policy, parties, rolls));
            unknown |= person.is_err();
            if let Ok(Some(person)) = person {
                stands = true;
                granters.insert(person.name());
                noted.push(note(Rule::Exception).who([person.name()]));
            } else {
                noted.push(note(Rule::NotExcepted).who([who(grant.account, policy)]));
            }
        }
        if stands {
            excepted.push(check);
        } else {
            denied.push(check);
            let able = parties.map_or_else(Vec::new, |parties| may_grant(check, policy, parties));
            all_could &= !able.is_empty();
            could.extend(
                able.into_iter()
                    .filter(|one| !could.contains(one))
                    .collect::<Vec<_>>(),
            );
        }
    }
    let checks = if !errored.is_empty() {
        Because::new(Rule::Checks, Standing::Errored).who(errored.into_iter().chain(denied))
    } else if denied.is_empty() {
        Because::new(Rule::Checks, Standing::Holds).who(excepted)
    } else if unknown {
        Because::new(Rule::Checks, Standing::Errored).who(denied)
    } else if all_could {
        Because::new(Rule::Checks, Standing::Missing)
            .who(denied)
            .could(could)
    } else {
        Because::new(Rule::Checks, Standing::Blocks).who(denied)
    };
    let mut rules = vec![checks];
    rules.extend(noted);
    Departures { rules, granters }
}

/// The same for a case: only exceptions that were recorded on what is decided on are looked at. INVARIANT i06.
pub(super) fn departures_of<'p>(
    case: &Case,
    seen: &Observation,
    assessed: &Assessment,
    policy: &'p Policy,
) -> Departures<'p> {
    let grants: Vec<Grant<'_>> = standing(case, seen).collect();
    let parties = parties(case, seen, policy);
    let given = (grants.as_slice(), seen.decided_at());
    departures(assessed, policy, parties.as_ref(), given, seen)
}

/// Exceptions that were granted on the proposal's commit, text and rules, before its merge, and not taken back.
pub(super) fn recorded<'a>(case: &'a Case, seen: &Observation) -> impl Iterator<Item = &'a Exception> {
    let all = case.exceptions.iter();
    all.filter(|recorded| stands_on(case, seen, recorded))
        .map(|recorded| &recorded.exception)
}

fn standing<'a>(case: &'a Case, seen: &Observation) -> impl Iterator<Item = Grant<'a>> {
    recorded(case, seen).map(|exception| Grant {
        check: &exception.check,
        account: exception.heard.account,
        at: exception.heard.at,
    })
}

fn stands_on(case: &Case, seen: &Observation, recorded: &RecordedException) -> bool {
    let RecordedException {
        digests,
        exception,
        withdrawn,
    } = recorded;
    // A word that takes it back was recorded before the merge, and closes whatever came first. INVARIANT i10.
    withdrawn.is_none() && is_on(case, digests, exception) && exception.heard.at <= seen.decided_at()
}

fn is_on(case: &Case, digests: &Digests, exception: &Exception) -> bool {
    let opened = case.opened.as_ref();
    opened.is_some_and(|opened| opened.head == exception.heard.head)
        && digests.action == Some(case.proposal.action_digest())
        && digests.presentation.is_some()
        && digests.presentation == case.presentation
        && digests.policy == Some(case.policy)
}

/// Who may not grant; nobody is known above low tier when that can't be looked up, and low tier asks nobody.
fn parties<'a>(case: &'a Case, seen: &Observation, policy: &'a Policy) -> Option<BTreeSet<&'a PersonName>> {
    let pull = seen.pull.known().filter(|_| case.tier() > Tier::Low)?;
    let hands = review::hands(&Review { case, seen, pull }).ok()?;
    Some(review::parties(&case.proposal.matter(), policy, hands.all()))
}

/// The person behind a grant, when they may grant it now. Errors: that could not be looked up.
fn granter<'p>(
    grant: &Grant<'_>,
    policy: &'p Policy,
    parties: &BTreeSet<&PersonName>,
    rolls: &impl Rolls,
) -> Result<Option<&'p Person>, ()> {
    let Some(person) = policy.person_of(grant.account) else {
        return Ok(None);
    };
    if grant.check.as_str() == NEVER || parties.contains(person.name()) {
        return Ok(None);
    }
    let mut named = false;
    let mut unknown = false;
    for party in policy.exception_approvers(grant.check) {
        match party {
            Party::Person(name) => named |= name == person.name(),
            Party::Team(team) if person.teams().contains(team) => {
                match rolls.is_member(team, &[grant.account]) {
                    Some(member) => named |= member,
                    None => unknown = true,
                }
            }
            Party::Team(_) => {}
        }
    }
    match (named, rolls.may_write(grant.account)) {
        (true, Some(true)) => Ok(Some(person)),
        (true, None) => Err(()),
        (false, _) if unknown => Err(()),
        (true | false, Some(_) | None) => Ok(None),
    }
}

fn who(account: AccountId, policy: &Policy) -> String {
    let person = policy.person_of(account);
    person.map_or_else(|| account.to_string(), |person| person.name().to_string())
}

/// Who could depart from a check, without the parties.
fn may_grant(check: &CheckName, policy: &Policy, parties: &BTreeSet<&PersonName>) -> Vec<String> {
    if check.as_str() == NEVER {
        return Vec::new();
    }
    let mut could = Vec::new();
    for party in policy.exception_approvers(check) {
        let people = policy.people().filter(|person| !parties.contains(person.name()));
        match party {
            Party::Person(name) => {
                let person = people.filter(|person| person.name() == name);
                could.extend(person.map(|person| person.name().to_string()));
            }
            Party::Team(team) => {
                let members = people.filter(|person| person.teams().contains(team));
                could.extend(members.map(|person| format!("{} ({team})", person.name())));
            }
        }
    }
    could
}

/// Whether an exception is one at all, whatever the policy says: a person's word on this case, from a check that denied
/// it.
pub(super) fn admissible(
    case: &Case,
    exception: &Exception,
    digests: &Digests,
    person: Option<&PersonName>,
) -> Result<(), NotGranted> {
    if person.is_none() {
        return Err(NotGranted::Nobody);
    }
    if !is_on(case, digests, exception) {
        return Err(NotGranted::Elsewhere);
    }
    denied(case, &exception.check)
}

fn denied(case: &Case, check: &CheckName) -> Result<(), NotGranted> {
    let levels = case
        .assessment
        .checks
        .iter()
        .filter(|result| result.check == *check);
    match levels.map(|result| result.level).max() {
        Some(Level::Errored) => Err(NotGranted::Errored(check.clone())),
        Some(Level::Deny) if check.as_str() == NEVER => Err(NotGranted::Never(check.clone())),
        Some(Level::Deny) => Ok(()),
        Some(Level::Pass | Level::Warn) | None => Err(NotGranted::NotDenied(check.clone())),
    }
}

/// Whether an account may grant an exception from a check now.
pub fn grantable(
    case: &Case,
    seen: &Observation,
    policy: &Policy,
    check: &CheckName,
    account: AccountId,
) -> Result<(), NotGranted> {
    denied(case, check)?;
    if policy.exception_approvers(check).is_empty() {
        return Err(NotGranted::Never(check.clone()));
    }
    let parties = parties(case, seen, policy).ok_or(NotGranted::Unknown)?;
    let (gate, now) = (policy.gate(case.tier()), seen.decided_at());
    let standing = standing(case, seen).filter(|grant| grant.check == check);
    for grant in standing.filter(|grant| grant.is_fresh(gate, now)) {
        if let Ok(Some(person)) = granter(&grant, policy, &parties, seen) {
            return Err(NotGranted::Already {
                check: check.clone(),
                by: person.name().clone(),
            });
        }
    }
    let could = || match may_grant(check, policy, &parties) {
        could if could.is_empty() => "whoever keeps the policy to name somebody else".to_owned(),
        could => could.join(" or "),
    };
    let person = policy.person_of(account).ok_or(NotGranted::Nobody)?;
    if parties.contains(person.name()) {
        return Err(NotGranted::Party { could: could() });
    }
    let grant = Grant {
        check,
        account,
        at: now,
    };
    match granter(&grant, policy, &parties, seen) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(NotGranted::NotAnApprover {
            check: check.clone(),
            could: could(),
        }),
        Err(()) => Err(NotGranted::Unknown),
    }
}

#[cfg(test)]
mod tests;
