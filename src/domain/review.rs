//! Which reviews count, and for what.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assign::{Place, assign},
    case::Case,
    gate::{Because, Rule, Standing, decided_at, released_by},
    ids::{AccountId, PersonName, TeamName},
    observation::{LiveReview, Observation, Permission, Pull, ReviewState, Seen},
    policy::{Owner, OwnerSet, Person, Policy},
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
    let parties = match parties(at) {
        Some(parties) => parties,
        None => {
            because.push(Because::new(Rule::SeparationOfDuties, Standing::Errored));
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

/// The distinct owner sets of all items; none when a resource is unowned or can't be named.
fn requirements(at: &Review<'_>, because: &mut Vec<Because>) -> Option<Vec<OwnerSet>> {
    let proposal = &at.case.proposal;
    let Some(action) = at.policy.action(&proposal.binding.operation) else {
        because.push(Because::new(Rule::Owners, Standing::Blocks));
        return None;
    };
    let mut sets: Vec<OwnerSet> = Vec::new();
    let mut unowned = Vec::new();
    for item in &proposal.binding.items {
        let Ok(path) = action.resource().path(&item.parameters) else {
            unowned.push(item.id.to_string());
            continue;
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

/// The people who may never approve this proposal; `None` when one can't be named. INVARIANT i08.
fn parties(at: &Review<'_>) -> Option<BTreeSet<PersonName>> {
    let binding = &at.case.proposal.binding;
    let mut parties = BTreeSet::from([binding.sponsor.clone()]);
    parties.extend(
        at.policy
            .agent(&binding.agent)
            .map(|agent| agent.sponsor().clone()),
    );
    let mut accounts: BTreeSet<AccountId> = at.seen.pushers.known()?.iter().copied().collect();
    for commit in at.seen.commits.known()? {
        accounts.insert(commit.author?);
        accounts.insert(commit.committer?);
        for author in &commit.co_authors {
            accounts.insert((*author)?);
        }
    }
    accounts.extend(at.pull.author);
    accounts.extend(released_by(at.seen));
    parties.extend(
        accounts
            .into_iter()
            .filter_map(|account| at.policy.person_of(account))
            .map(|p| p.name().clone()),
    );
    Some(parties)
}

/// What each person of the policy says with their accounts' latest reviews.
fn voices<'p>(at: &Review<'p>, live: &[LiveReview], because: &mut Vec<Because>) -> Vec<(&'p Person, Voice)> {
    let mut latest: BTreeMap<AccountId, &LiveReview> = BTreeMap::new();
    for review in live
        .iter()
        .filter(|review| review.state != ReviewState::Commented)
    {
        let Some(account) = review.account.filter(|_| review.human) else {
            because.push(Because::new(Rule::NotAPerson, Standing::Noted).who(review.login.as_ref()));
            continue;
        };
        let newer = latest
            .get(&account)
            .is_none_or(|held| (held.submitted_at, held.id) <= (review.submitted_at, review.id));
        if newer {
            latest.insert(account, review);
        }
    }
    let mut voices: BTreeMap<&PersonName, (&'p Person, Voice)> = BTreeMap::new();
    for (account, review) in latest {
        let Some(person) = at.policy.person_of(account) else {
            because.push(Because::new(Rule::NotAPerson, Standing::Noted).who([account]));
            continue;
        };
        let (_, voice) = voices
            .entry(person.name())
            .or_insert_with(|| (person, Voice::default()));
        match review.state {
            ReviewState::ChangesRequested => voice.objects = true,
            ReviewState::Approved => match stands(at, account, review) {
                Ok(()) => voice.approvals.push(account),
                Err(rule) => because.push(Because::new(rule, Standing::Noted).who([person.name()])),
            },
            ReviewState::Commented | ReviewState::Dismissed | ReviewState::Edited => {}
        }
    }
    voices.into_values().collect()
}

/// Whether a live approval was recorded when it was given, on this head and text, and is still fresh. INVARIANT i06.
fn stands(at: &Review<'_>, account: AccountId, live: &LiveReview) -> Result<(), Rule> {
    let case = at.case;
    let Some(opened) = &case.opened else {
        return Err(Rule::NotRecorded);
    };
    let about = |recorded: &&super::case::RecordedReview| recorded.review.review == live.id;
    let recorded = case.reviews.iter().rev().find(about).ok_or(Rule::NotRecorded)?;
    let review = &recorded.review;
    let in_time = match &review.found {
        super::entry::Found::Event { .. } => true,
        super::entry::Found::Sweep { head_changed_at } => review.submitted_at > *head_changed_at,
    };
    let same = review.decision == ReviewState::Approved
        && review.account == Some(account)
        && review.head == opened.head
        && review.commit == Some(opened.head)
        && review.submitted_at == live.submitted_at
        && live.commit == Some(opened.head)
        && recorded.digests.action == Some(case.proposal.action_digest())
        && recorded.digests.presentation.is_some()
        && recorded.digests.presentation == case.presentation
        && recorded.digests.policy == Some(at.policy.digest());
    let decided_at = decided_at(at.seen);
    if !same || !in_time || live.submitted_at > decided_at {
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
    let mut teams: Vec<String> = Vec::new();
    let mut choices = Vec::new();
    let mut unknown = false;
    for (person, accounts) in eligible {
        let mut places = Vec::new();
        for (requirement, set) in requirements.iter().enumerate() {
            let found = owner_teams(at, person, accounts, set);
            unknown |= found.is_none();
            for team in found.unwrap_or_default() {
                let team = if gate.distinct_teams() {
                    team
                } else {
                    format!("person {}", person.name())
                };
                let index = teams.iter().position(|known| *known == team).unwrap_or_else(|| {
                    teams.push(team);
                    teams.len() - 1
                });
                places.push(Place {
                    requirement,
                    team: index,
                });
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

/// The teams a person could stand for in an owner set, looked up now; `None` when a look-up failed. INVARIANT i09.
fn owner_teams(
    at: &Review<'_>,
    person: &Person,
    accounts: &[AccountId],
    set: &OwnerSet,
) -> Option<Vec<String>> {
    let mut able = Vec::new();
    for account in accounts {
        match at.seen.permissions.get(account) {
            Some(Seen::Known(permission)) if *permission >= Permission::Write => able.push(*account),
            Some(Seen::Known(_)) => {}
            Some(Seen::Unknown { .. }) | None => return None,
        }
    }
    if able.is_empty() {
        return Some(Vec::new());
    }
    let mut teams = Vec::new();
    let mut unknown = false;
    let mut member = |team: &TeamName| match at.seen.memberships.get(team) {
        Some(Seen::Known(members)) => {
            if person.teams().contains(team) && able.iter().any(|account| members.contains(account)) {
                teams.push(format!("team {team}"));
            }
        }
        Some(Seen::Unknown { .. }) | None => unknown = true,
    };
    let mut named = false;
    for owner in set.owners() {
        match owner {
            Owner::Team(team) => member(team),
            Owner::Person(name) => named |= name == person.name(),
        }
    }
    if named {
        teams.extend(person.teams().iter().map(|team| format!("team {team}")));
        if person.teams().is_empty() {
            teams.push(format!("person {}", person.name()));
        }
    }
    teams.sort();
    teams.dedup();
    if teams.is_empty() && unknown {
        None
    } else {
        Some(teams)
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
