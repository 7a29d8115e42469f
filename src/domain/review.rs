//! Which reviews count, and for what.

mod tally;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    case::{Case, RecordedReview},
    checks::Level,
    entry::Digests,
    ids::{AccountId, PersonName, ReviewId, Sha, TeamName, Timestamp},
    matter::Matter,
    observation::{LiveReview, Observation, Permission, Pull, PullState, ReviewState, Seen},
    policy::{Agent, Owned, Owner, Party, Person, Policy},
    verdict::{Because, Rule, Standing},
};

pub(in crate::domain) use tally::{Ballot, Opinion, Rolls, tally, voices};

/// Everything that says which reviews stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Review<'a> {
    pub(super) case: &'a Case,
    pub(super) seen: &'a Observation,
    pub(super) pull: &'a Pull,
}

/// The counted approvals, and every rule that was looked at.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) approvers: Vec<String>,
    pub(super) because: Vec<Because>,
}

/// Counts; `granters` departed from a check of this proposal, and no approval of theirs counts besides.
pub(super) fn count<'p>(at: &Review<'p>, policy: &'p Policy, granters: BTreeSet<&'p PersonName>) -> Count {
    let mut because = Vec::new();
    let approvers = counted(at, policy, granters, &mut because).unwrap_or_default();
    Count { approvers, because }
}

/// The approvers; none when something that counting needs is missing, which `because` tells.
fn counted<'p>(
    at: &Review<'p>,
    policy: &'p Policy,
    granters: BTreeSet<&'p PersonName>,
    because: &mut Vec<Because>,
) -> Option<Vec<String>> {
    let matter = at.case.proposal.matter();
    let owned = owned(&matter, policy, because)?;
    let Seen::Known(live) = &at.seen.reviews else {
        because.push(Because::new(Rule::Approvals, Standing::Errored));
        return None;
    };
    let hands = match hands(at) {
        Ok(hands) => hands,
        Err(standing) => {
            because.push(Because::new(Rule::SeparationOfDuties, standing));
            return None;
        }
    };
    let stranger = |account: &&AccountId| **account != at.seen.me && policy.person_of(**account).is_none();
    let co_writers: Vec<AccountId> = at
        .case
        .proposal
        .proof
        .co_writers()
        .map(|(_, account)| account)
        .collect();
    if let Some(account) = hands.releasers.iter().chain(&co_writers).find(stranger) {
        because.push(Because::new(Rule::NotAPerson, Standing::Blocks).who([account]));
    }
    let opinions = opinions(at.case, at.seen, live, because);
    let mut parties = parties(&matter, policy, hands.all());
    parties.extend(granters);
    let ballot = ballot(at, policy, (&matter, &owned), parties, opinions, because);
    Some(tally(&ballot, at.seen, because))
}

/// Whether an account's approval, given now, could count for some requirement; `None` when a look-up failed.
pub(super) fn may_approve(at: &Review<'_>, policy: &Policy, account: AccountId) -> Option<bool> {
    let matter = at.case.proposal.matter();
    let Some(owned) = owned(&matter, policy, &mut Vec::new()) else {
        return Some(false);
    };
    let hands = hands(at).ok()?;
    let parties = parties(&matter, policy, hands.all());
    let opinions = vec![(account, Opinion::Approves(at.seen.decided_at()))];
    let ballot = ballot(at, policy, (&matter, &owned), parties, opinions, &mut Vec::new());
    tally::could_count(&ballot, at.seen)
}

/// What is counted of opinions on a case, at the moment that it is decided at.
fn ballot<'a>(
    at: &Review<'a>,
    policy: &'a Policy,
    (matter, owned): (&Matter<'a>, &'a Owned<'a>),
    parties: BTreeSet<&'a PersonName>,
    opinions: Vec<(AccountId, Opinion)>,
    because: &mut Vec<Because>,
) -> Ballot<'a> {
    let gate = policy.gate(at.case.tier());
    Ballot {
        policy,
        gate,
        action: matter.operation,
        owned,
        delegations: &at.case.delegations,
        parties,
        voices: voices(policy, gate, at.seen.decided_at(), opinions, because),
    }
}

/// INVARIANT i09: looked up again at each decision.
impl Rolls for Observation {
    fn may_write(&self, account: AccountId) -> Option<bool> {
        let permission = self.permissions.get(&account)?.known()?;
        Some(*permission >= Permission::Write)
    }
    fn is_member(&self, team: &TeamName, accounts: &[AccountId]) -> Option<bool> {
        let members = self.memberships.get(team)?.known()?;
        Some(accounts.iter().any(|account| members.contains(account)))
    }
}

/// The teams that owners of this case are counted by: owning teams and, where approvals come from teams that differ,
/// the teams of people who own by name; and the teams that may depart from a check that denied it.
pub(super) fn teams(case: &Case, policy: &Policy) -> BTreeSet<TeamName> {
    let distinct = policy.gate(case.tier()).distinct_teams();
    let mut teams = BTreeSet::new();
    let matter = case.proposal.matter();
    let owned = policy.owned(matter.operation, matter.items);
    for owner in owned.iter().flat_map(Owned::owners) {
        match owner {
            Owner::Team(team) => {
                teams.insert(team.clone());
            }
            Owner::Person(name) if distinct => {
                let person = policy.person(name);
                teams.extend(person.into_iter().flat_map(Person::teams).cloned());
            }
            Owner::Person(_) => {}
        }
    }
    let denied = case
        .assessment
        .checks
        .iter()
        .filter(|check| check.level == Level::Deny);
    for party in denied.flat_map(|denied| policy.exception_approvers(&denied.check)) {
        if let Party::Team(team) = party {
            teams.insert(team.clone());
        }
    }
    teams
}

/// Who owns what is acted on; none, and the rule that says so, when a resource is unowned or can't be named.
pub(super) fn owned<'p>(
    matter: &Matter<'_>,
    policy: &'p Policy,
    because: &mut Vec<Because>,
) -> Option<Owned<'p>> {
    let owned = policy.owned(matter.operation, matter.items);
    let unowned = owned.as_ref().map(Owned::unowned).unwrap_or_default();
    let owned = owned.filter(|owned| unowned.is_empty() && !owned.items().is_empty());
    because.push(Because::holds_or_blocks(Rule::Owners, owned.is_some()).who(unowned));
    owned
}

/// The accounts that had a hand in a proposal's pull request. INVARIANT i08.
#[derive(Debug, Default)]
pub(super) struct Hands {
    /// Whoever pushed, wrote, committed, co-wrote, opened or edited.
    authors: BTreeSet<AccountId>,
    /// Whoever merged it, as GitHub and the ledger say.
    releasers: BTreeSet<AccountId>,
}

impl Hands {
    /// Whoever merged it.
    pub(super) fn releasers(&self) -> impl Iterator<Item = AccountId> {
        self.releasers.iter().copied()
    }
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = AccountId> {
        self.authors.iter().chain(&self.releasers).copied()
    }
}

/// Finds everyone who had a hand. Errors: how it stands when one can't be named: it blocks when GitHub knows none, and
/// is an error when GitHub could not be asked. INVARIANT i08.
pub(super) fn hands(at: &Review<'_>) -> Result<Hands, Standing> {
    let recorded = at.case.merged.as_ref().and_then(|merged| merged.by);
    let mut hands = hands_in(at.seen, at.pull, recorded)?;
    hands.authors.extend(&at.case.co_writers);
    hands.authors.extend(at.case.edited.keys());
    Ok(hands)
}

/// As [`hands`], of any pull request; `recorded` is who the ledger says merged it.
pub(super) fn hands_in(
    seen: &Observation,
    pull: &Pull,
    recorded: Option<AccountId>,
) -> Result<Hands, Standing> {
    let mut hands = Hands::default();
    hands
        .authors
        .extend(seen.pushers.known().ok_or(Standing::Errored)?);
    for commit in seen.commits.known().ok_or(Standing::Errored)? {
        for account in [commit.author, commit.committer].iter().chain(&commit.co_authors) {
            hands.authors.insert(account.ok_or(Standing::Blocks)?);
        }
    }
    hands.authors.extend(pull.author);
    if let PullState::Merged { by, .. } = &pull.state {
        hands.releasers.extend(by.iter().copied().chain(recorded));
        if hands.releasers.is_empty() {
            return Err(Standing::Blocks);
        }
    }
    Ok(hands)
}

/// The people who may never approve what is asked: its sponsor, its agent's, and everyone who had a hand in it, by
/// any of their accounts. INVARIANT i08.
pub(super) fn parties<'a>(
    matter: &Matter<'a>,
    policy: &'a Policy,
    hands: impl Iterator<Item = AccountId>,
) -> BTreeSet<&'a PersonName> {
    let mut parties = BTreeSet::from([matter.sponsor]);
    parties.extend(policy.agent(matter.agent).map(Agent::sponsor));
    parties.extend(
        hands
            .filter_map(|account| policy.person_of(account))
            .map(Person::name),
    );
    parties
}

/// What an account said last.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    at: Timestamp,
    id: ReviewId,
    state: ReviewState,
    /// As GitHub shows it; `None` when only the ledger knows of it.
    live: Option<&'a LiveReview>,
}

impl Said<'_> {
    /// What is later counts. Where GitHub lists one review twice, the reading that helps the proposal least counts,
    /// whatever the order.
    fn order(&self) -> impl Ord {
        let harm = match self.state {
            ReviewState::Commented => 0,
            ReviewState::Approved => 1,
            ReviewState::Dismissed => 2,
            ReviewState::Edited => 3,
            ReviewState::ChangesRequested => 4,
        };
        (self.at, self.id, harm, self.live.map(|live| live.commit))
    }
}

/// The latest non-comment review of every account, live or recorded. A review that the ledger has and GitHub does not
/// show is one that GitHub does not show yet: it hides what its account said before. INVARIANT i06, i07.
fn latest<'a>(
    recorded: &'a [RecordedReview],
    live: &'a [LiveReview],
    because: &mut Vec<Because>,
) -> BTreeMap<AccountId, Said<'a>> {
    let shown: BTreeSet<ReviewId> = live.iter().map(|review| review.id).collect();
    let mut said = Vec::new();
    for review in live {
        match review.account.filter(|_| review.human) {
            Some(account) => said.push((
                account,
                Said {
                    at: review.submitted_at,
                    id: review.id,
                    state: review.state,
                    live: Some(review),
                },
            )),
            None if review.state == ReviewState::Commented => {}
            None => {
                because.push(Because::new(Rule::NotAPerson, Standing::Noted).who(review.login.as_ref()));
            }
        }
    }
    for RecordedReview { review, .. } in recorded {
        if let Some(account) = review.account.filter(|_| !shown.contains(&review.review)) {
            let recorded = Said {
                at: review.submitted_at,
                id: review.review,
                state: review.decision,
                live: None,
            };
            said.push((account, recorded));
        }
    }
    let mut latest: BTreeMap<AccountId, Said<'_>> = BTreeMap::new();
    for (account, review) in said {
        let newer = latest
            .get(&account)
            .is_none_or(|held| held.order() < review.order());
        if newer && review.state != ReviewState::Commented {
            latest.insert(account, review);
        }
    }
    latest
}

/// What every account says with its latest review, and whether that stands. It is the same under any policy.
pub(super) fn opinions(
    case: &Case,
    seen: &Observation,
    live: &[LiveReview],
    because: &mut Vec<Because>,
) -> Vec<(AccountId, Opinion)> {
    opinions_on(&case.reviews, live, because, |account, live| {
        stands(case, seen, account, live)
    })
}

/// As [`opinions`], of any reviews: an approval stands as `stands` says.
pub(super) fn opinions_on(
    recorded: &[RecordedReview],
    live: &[LiveReview],
    because: &mut Vec<Because>,
    stands: impl Fn(AccountId, &LiveReview) -> bool,
) -> Vec<(AccountId, Opinion)> {
    let opinion = |(account, said): (AccountId, Said<'_>)| {
        let opinion = match said.state {
            ReviewState::ChangesRequested => Opinion::Objects,
            ReviewState::Approved if said.live.is_some_and(|live| stands(account, live)) => {
                Opinion::Approves(said.at)
            }
            ReviewState::Approved => Opinion::NotRecorded,
            ReviewState::Commented | ReviewState::Dismissed | ReviewState::Edited => Opinion::Nothing,
        };
        (account, opinion)
    };
    latest(recorded, live, because).into_iter().map(opinion).collect()
}

/// Whether a live approval was recorded when it was given, on this head and text. INVARIANT i06.
fn stands(case: &Case, seen: &Observation, account: AccountId, live: &LiveReview) -> bool {
    let Some(opened) = &case.opened else { return false };
    let same = |digests: &Digests| {
        digests.action == Some(case.proposal.action_digest())
            && digests.presentation.is_some()
            && digests.presentation == case.presentation
            && digests.policy == Some(case.policy)
    };
    live.submitted_at <= seen.decided_at() && stood(&case.reviews, account, live, opened.head, same)
}

/// Whether a live approval was recorded when it was given, on this head and what `same` says. INVARIANT i06.
pub(super) fn stood(
    recorded: &[RecordedReview],
    account: AccountId,
    live: &LiveReview,
    head: Sha,
    same: impl Fn(&Digests) -> bool,
) -> bool {
    let good = |recorded: &RecordedReview| {
        let review = &recorded.review;
        review.is_in_time()
            && review.account == Some(account)
            && review.head == head
            && review.commit == Some(head)
            && review.submitted_at == live.submitted_at
            && same(&recorded.digests)
    };
    let records = || {
        let all = recorded.iter();
        all.filter(|recorded| recorded.review.review == live.id)
    };
    // One that was ever dismissed or edited never comes back, whatever was recorded of it later. INVARIANT i07.
    let untouched = records().all(|recorded| recorded.review.decision == ReviewState::Approved);
    untouched && records().any(good) && live.commit == Some(head)
}

#[cfg(test)]
mod tests;
