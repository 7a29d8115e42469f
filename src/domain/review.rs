//! Which reviews count, and for what.

mod tally;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    case::{Case, RecordedReview},
    entry::Found,
    ids::{AccountId, PersonName, ReviewId, TeamName, Timestamp},
    observation::{LiveReview, Observation, Permission, Pull, PullState, ReviewState, Seen},
    policy::{Agent, Owner, OwnerSet, Person, Policy},
    verdict::{Because, Rule, Standing},
};

pub(in crate::domain) use tally::{Ballot, Rolls, Voice, tally};

/// Everything that says which reviews stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Review<'a> {
    pub(super) case: &'a Case,
    pub(super) seen: &'a Observation,
    pub(super) policy: &'a Policy,
    pub(super) pull: &'a Pull,
}

/// The counted approvals, and every rule that was looked at.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) approvers: Vec<String>,
    pub(super) because: Vec<Because>,
}

pub(super) fn count(at: &Review<'_>) -> Count {
    let mut because = Vec::new();
    let requirements = match requirements(at, &mut because) {
        Some(requirements) => requirements,
        None => {
            return Count {
                approvers: Vec::new(),
                because,
            };
        }
    };
    let Seen::Known(live) = &at.seen.reviews else {
        because.push(Because::new(Rule::Approvals, Standing::Errored));
        return Count {
            approvers: Vec::new(),
            because,
        };
    };
    let parties = match parties(at, &mut because) {
        Ok(parties) => parties,
        Err(standing) => {
            because.push(Because::new(Rule::SeparationOfDuties, standing));
            return Count {
                approvers: Vec::new(),
                because,
            };
        }
    };
    let ballot = Ballot {
        policy: at.policy,
        gate: at.policy.gate(at.case.tier()),
        requirements,
        parties,
        voices: voices(at, live, &mut because),
    };
    let approvers = tally(&ballot, at.seen, &mut because);
    Count { approvers, because }
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
/// the teams of people who own by name.
pub(super) fn teams(case: &Case, policy: &Policy) -> BTreeSet<TeamName> {
    let distinct = policy.gate(case.tier()).distinct_teams();
    let mut teams = BTreeSet::new();
    for path in paths(case, policy).into_iter().flatten().flatten() {
        for owner in policy
            .owners()
            .requirements(&path)
            .sets()
            .iter()
            .flat_map(OwnerSet::owners)
        {
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
    }
    teams
}

/// Each item's resource, or the item's id where it can't be named; none without the action.
fn paths(case: &Case, policy: &Policy) -> Option<Vec<Result<String, String>>> {
    let binding = &case.proposal.binding;
    let action = policy.action(&binding.operation)?;
    let items = binding.items.iter();
    let path = |item: &super::proposal::Item| {
        let path = action.resource().path(&item.parameters);
        path.map_err(|_| item.id.to_string())
    };
    Some(items.map(path).collect())
}

/// The distinct owner sets of all items; none when a resource is unowned or can't be named.
fn requirements(at: &Review<'_>, because: &mut Vec<Because>) -> Option<Vec<OwnerSet>> {
    let Some(paths) = paths(at.case, at.policy) else {
        because.push(Because::new(Rule::Owners, Standing::Blocks));
        return None;
    };
    let mut sets: Vec<OwnerSet> = Vec::new();
    let mut unowned = Vec::new();
    for path in paths {
        let path = match path {
            Ok(path) => path,
            Err(item) => {
                unowned.push(item);
                continue;
            }
        };
        let owners = at.policy.owners().requirements(&path);
        if owners.is_unowned() {
            unowned.push(path);
        }
        for set in owners.sets() {
            if !sets.contains(set) {
                sets.push(set.clone());
            }
        }
    }
    let owned = unowned.is_empty() && !sets.is_empty();
    because.push(Because::holds_or_blocks(Rule::Owners, owned).who(unowned));
    owned.then_some(sets)
}

/// Who merged it, as GitHub and the ledger say. INVARIANT i08.
fn releasers(at: &Review<'_>) -> BTreeSet<AccountId> {
    match &at.pull.state {
        PullState::Merged { by, .. } => {
            let recorded = at.case.merged.as_ref().and_then(|merged| merged.by);
            by.iter().copied().chain(recorded).collect()
        }
        PullState::Open | PullState::Closed => BTreeSet::new(),
    }
}

/// The people who may never approve this proposal. Errors: how it stands when one can't be named: it blocks when
/// GitHub knows none, and is an error when GitHub could not be asked. INVARIANT i08.
fn parties<'a>(at: &Review<'a>, because: &mut Vec<Because>) -> Result<BTreeSet<&'a PersonName>, Standing> {
    let binding = &at.case.proposal.binding;
    let mut parties = BTreeSet::from([&binding.sponsor]);
    parties.extend(at.policy.agent(&binding.agent).map(Agent::sponsor));
    let pushers = at.seen.pushers.known().ok_or(Standing::Errored)?;
    let mut accounts: BTreeSet<AccountId> = pushers.iter().copied().collect();
    for commit in at.seen.commits.known().ok_or(Standing::Errored)? {
        for account in [commit.author, commit.committer].iter().chain(&commit.co_authors) {
            accounts.insert(account.ok_or(Standing::Blocks)?);
        }
    }
    let releasers = releasers(at);
    if matches!(at.pull.state, PullState::Merged { .. }) && releasers.is_empty() {
        return Err(Standing::Blocks);
    }
    let stranger = |account: &&AccountId| **account != at.seen.me && at.policy.person_of(**account).is_none();
    if let Some(account) = releasers.iter().find(stranger) {
        because.push(Because::new(Rule::NotAPerson, Standing::Blocks).who([account]));
    }
    accounts.extend(at.pull.author);
    accounts.extend(releasers);
    parties.extend(
        accounts
            .into_iter()
            .filter_map(|account| at.policy.person_of(account))
            .map(Person::name),
    );
    Ok(parties)
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
    at: &Review<'a>,
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
    for RecordedReview { review, .. } in &at.case.reviews {
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

/// What each person of the policy says with their accounts' latest reviews.
fn voices<'p>(at: &Review<'p>, live: &[LiveReview], because: &mut Vec<Because>) -> Vec<Voice<'p>> {
    let mut voices: BTreeMap<&PersonName, Voice<'p>> = BTreeMap::new();
    for (account, said) in latest(at, live, because) {
        let Some(person) = at.policy.person_of(account) else {
            because.push(Because::new(Rule::NotAPerson, Standing::Noted).who([account]));
            continue;
        };
        let voice = voices.entry(person.name()).or_insert_with(|| Voice {
            person,
            approvals: Vec::new(),
            objects: false,
        });
        match said.state {
            ReviewState::ChangesRequested => voice.objects = true,
            ReviewState::Approved => match stands(at, account, said.live) {
                Ok(()) => voice.approvals.push(account),
                Err(rule) => because.push(Because::new(rule, Standing::Noted).who([person.name()])),
            },
            ReviewState::Commented | ReviewState::Dismissed | ReviewState::Edited => {}
        }
    }
    voices.into_values().collect()
}

/// Whether a live approval was recorded when it was given, on this head and text, and is still fresh. INVARIANT i06.
fn stands(at: &Review<'_>, account: AccountId, live: Option<&LiveReview>) -> Result<(), Rule> {
    let case = at.case;
    let (Some(opened), Some(live)) = (&case.opened, live) else {
        return Err(Rule::NotRecorded);
    };
    let good = |recorded: &&RecordedReview| {
        let review = &recorded.review;
        let in_time = match &review.found {
            Found::Event { .. } => true,
            Found::Sweep { head_changed_at } => review.submitted_at > *head_changed_at,
        };
        in_time
            && review.account == Some(account)
            && review.head == opened.head
            && review.commit == Some(opened.head)
            && review.submitted_at == live.submitted_at
            && recorded.digests.action == Some(case.proposal.action_digest())
            && recorded.digests.presentation.is_some()
            && recorded.digests.presentation == case.presentation
            && recorded.digests.policy == Some(at.policy.digest())
    };
    let records = || {
        let all = case.reviews.iter();
        all.filter(|recorded| recorded.review.review == live.id)
    };
    // One that was ever dismissed or edited never comes back, whatever was recorded of it later. INVARIANT i07.
    let untouched = records().all(|recorded| recorded.review.decision == ReviewState::Approved);
    let decided_at = at.seen.decided_at();
    let same = untouched && records().any(|recorded| good(&recorded)) && live.commit == Some(opened.head);
    if !same || live.submitted_at > decided_at {
        return Err(Rule::NotRecorded);
    }
    match at.policy.gate(case.tier()).approval_valid_for() {
        Some(span) if decided_at > live.submitted_at.plus(span) => Err(Rule::TooOld),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
