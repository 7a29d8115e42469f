//! Which reviews count, and for what.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assign::{Place, assign},
    case::{Case, RecordedReview},
    entry::Found,
    ids::{AccountId, PersonName, ReviewId, TeamName, Timestamp},
    observation::{LiveReview, Observation, Permission, Pull, PullState, ReviewState, Seen},
    policy::{Owner, OwnerSet, Person, Policy},
    verdict::{Because, Rule, Standing},
};

/// Everything that counting looks at.
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

/// What one person's latest live reviews say. INVARIANT i07.
#[derive(Debug, Default)]
struct Voice {
    approvals: Vec<AccountId>,
    objects: bool,
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
    let voices = voices(at, live, &mut because);
    let mut objections = Vec::new();
    let mut eligible: Vec<(&Person, Vec<AccountId>)> = Vec::new();
    for (person, voice) in &voices {
        if voice.objects {
            objections.push(person.name());
        } else if !voice.approvals.is_empty() {
            if parties.contains(person.name()) {
                because.push(Because::new(Rule::SeparationOfDuties, Standing::Noted).who([person.name()]));
            } else {
                eligible.push((person, voice.approvals.clone()));
            }
        }
    }
    let approvers = fill(at, &requirements, &eligible, &parties, &mut because);
    let standing = if objections.is_empty() {
        Standing::Holds
    } else {
        Standing::Blocks
    };
    because.push(Because::new(Rule::ChangesRequested, standing).who(objections));
    if at.policy.gate(at.case.tier()).step_up().is_some() {
        because.push(Because::new(Rule::StepUp, Standing::Missing).who(&approvers));
    }
    Count { approvers, because }
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
fn parties(at: &Review<'_>, because: &mut Vec<Because>) -> Result<BTreeSet<PersonName>, Standing> {
    let binding = &at.case.proposal.binding;
    let mut parties = BTreeSet::from([binding.sponsor.clone()]);
    parties.extend(
        at.policy
            .agent(&binding.agent)
            .map(|agent| agent.sponsor().clone()),
    );
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
            .map(|p| p.name().clone()),
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
fn voices<'p>(at: &Review<'p>, live: &[LiveReview], because: &mut Vec<Because>) -> Vec<(&'p Person, Voice)> {
    let mut voices: BTreeMap<&PersonName, (&'p Person, Voice)> = BTreeMap::new();
    for (account, said) in latest(at, live, because) {
        let Some(person) = at.policy.person_of(account) else {
            because.push(Because::new(Rule::NotAPerson, Standing::Noted).who([account]));
            continue;
        };
        let (_, voice) = voices
            .entry(person.name())
            .or_insert_with(|| (person, Voice::default()));
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

/// Gives every eligible person a requirement and says what is still missing, by name.
fn fill(
    at: &Review<'_>,
    requirements: &[OwnerSet],
    eligible: &[(&Person, Vec<AccountId>)],
    parties: &BTreeSet<PersonName>,
    because: &mut Vec<Because>,
) -> Vec<String> {
    let gate = at.policy.gate(at.case.tier());
    let needs = vec![usize::from(gate.approvals()); requirements.len()];
    let mut stands: Vec<Stand<'_>> = Vec::new();
    let mut choices = Vec::new();
    let mut unknown = false;
    for (person, accounts) in eligible {
        let mut places = Vec::new();
        for (requirement, set) in requirements.iter().enumerate() {
            let found = owner_as(at, person, accounts, set);
            unknown |= found.is_none();
            for stand in found.unwrap_or_default() {
                let team = stands
                    .iter()
                    .position(|known| *known == stand)
                    .unwrap_or_else(|| {
                        stands.push(stand);
                        stands.len() - 1
                    });
                places.push(Place { requirement, team });
            }
        }
        if places.is_empty() {
            because.push(Because::new(Rule::NotAnOwner, Standing::Noted).who([person.name()]));
        }
        choices.push(places);
    }
    let places = assign(&choices, &needs);
    for (requirement, set) in requirements.iter().enumerate() {
        let who: Vec<&PersonName> = eligible
            .iter()
            .zip(&places)
            .filter(|(_, place)| place.is_some_and(|place| place.requirement == requirement))
            .map(|((person, _), _)| person.name())
            .collect();
        let have = u32::try_from(who.len()).unwrap_or(u32::MAX);
        let need = u32::from(gate.approvals());
        let standing = match (have >= need, unknown) {
            (true, _) => Standing::Holds,
            (false, true) => Standing::Errored,
            (false, false) => Standing::Missing,
        };
        let could = could_approve(at.policy, set, &who, parties);
        because.push(
            Because::new(Rule::Approvals, standing)
                .count(have, need)
                .who(who)
                .could(could),
        );
    }
    eligible
        .iter()
        .zip(&places)
        .filter(|(_, place)| place.is_some())
        .map(|((person, _), _)| person.name().to_string())
        .collect()
}

/// What an approval is given as: where approvals come from teams that differ, a team; else the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand<'a> {
    Team(&'a TeamName),
    Person(&'a PersonName),
}

/// As what a person could approve for an owner set, looked up now; `None` when a look-up failed. INVARIANT i09.
fn owner_as<'p>(
    at: &Review<'p>,
    person: &'p Person,
    accounts: &[AccountId],
    set: &OwnerSet,
) -> Option<Vec<Stand<'p>>> {
    let mut able = Vec::new();
    for account in accounts {
        match at.seen.permissions.get(account)? {
            Seen::Known(permission) if *permission >= Permission::Write => able.push(*account),
            Seen::Known(_) => {}
            Seen::Unknown { .. } => return None,
        }
    }
    if able.is_empty() {
        return Some(Vec::new());
    }
    let named = set
        .owners()
        .iter()
        .any(|owner| matches!(owner, Owner::Person(name) if name == person.name()));
    let owning = |team: &&TeamName| {
        let mut owners = set.owners().iter();
        named || owners.any(|owner| matches!(owner, Owner::Team(name) if name == *team))
    };
    let distinct = at.policy.gate(at.case.tier()).distinct_teams();
    if named && !distinct {
        return Some(vec![Stand::Person(person.name())]);
    }
    // A person is of a team when the policy and GitHub both say so; somebody who owns by name is still of a team,
    // and one of no team can't be shown to be of another team than the next.
    let mut teams = Vec::new();
    let mut unknown = false;
    for team in person.teams().iter().filter(owning) {
        match at.seen.memberships.get(team) {
            Some(Seen::Known(members)) if able.iter().any(|account| members.contains(account)) => {
                teams.push(Stand::Team(team));
            }
            Some(Seen::Known(_)) => {}
            Some(Seen::Unknown { .. }) | None => unknown = true,
        }
    }
    match (teams.is_empty(), distinct) {
        (true, _) if unknown => None,
        (true, _) => Some(teams),
        (false, true) => Some(teams),
        (false, false) => Some(vec![Stand::Person(person.name())]),
    }
}

/// Who could still satisfy an owner set: its teams and people, without those who may not or already did.
fn could_approve(
    policy: &Policy,
    set: &OwnerSet,
    counted: &[&PersonName],
    parties: &BTreeSet<PersonName>,
) -> Vec<String> {
    let open = |person: &&Person| !counted.contains(&person.name()) && !parties.contains(person.name());
    let mut could: Vec<String> = Vec::new();
    for owner in set.owners() {
        match owner {
            Owner::Person(name) => {
                could.extend(policy.person(name).filter(open).map(|p| p.name().to_string()))
            }
            Owner::Team(team) => could.extend(
                policy
                    .people()
                    .filter(|person| person.teams().contains(team))
                    .filter(open)
                    .map(|person| format!("{} ({team})", person.name())),
            ),
        }
    }
    could.dedup();
    could
}

#[cfg(test)]
mod tests;
