//! Counting: each person whose approval stands is given one requirement, and what is missing is said by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    assign::{Place, assign},
    delegation::Delegations,
    ids::{AccountId, ActionName, PersonName, TeamName, Timestamp},
    policy::{Account, GateRule, Owned, Owner, OwnerSet, Person, Policy},
    verdict::{Because, Rule, Standing},
};

/// Who may write and who is in which team. INVARIANT i09: what could not be read is `None`, and never counts.
pub(in crate::domain) trait Rolls {
    /// Whether an account may write to the repository.
    fn may_write(&self, account: AccountId) -> Option<bool>;
    /// Whether one of a person's accounts is an active member of a team that the policy has them in.
    fn is_member(&self, team: &TeamName, accounts: &[AccountId]) -> Option<bool>;
}

/// What an account says with its latest review, and whether that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain) enum Opinion {
    /// Approves, since then.
    Approves(Timestamp),
    /// Asks for changes.
    Objects,
    /// Approves, but that was not recorded when it was given, on this head and text. INVARIANT i06.
    NotRecorded,
    /// Nothing that counts.
    Nothing,
}

/// What one person says: the accounts whose approvals stand, and whether any account asks for changes. INVARIANT i07.
#[derive(Debug)]
pub(in crate::domain) struct Voice<'a> {
    pub(in crate::domain) person: &'a Person,
    /// Each account, and since when.
    pub(in crate::domain) approvals: Vec<(AccountId, Timestamp)>,
    pub(in crate::domain) objects: bool,
}

/// What each person of the policy says with all accounts; an approval may be too old by the moment of the decision.
/// INVARIANT i07, i12.
pub(in crate::domain) fn voices<'p>(
    policy: &'p Policy,
    gate: &GateRule,
    decided_at: Timestamp,
    opinions: Vec<(AccountId, Opinion)>,
    because: &mut Vec<Because>,
) -> Vec<Voice<'p>> {
    let mut voices: BTreeMap<&PersonName, Voice<'p>> = BTreeMap::new();
    for (account, opinion) in opinions {
        let Some(person) = policy.person_of(account) else {
            because.push(Because::new(Rule::NotAPerson, Standing::Noted).who([account]));
            continue;
        };
        let voice = voices.entry(person.name()).or_insert_with(|| Voice {
            person,
            approvals: Vec::new(),
            objects: false,
        });
        let too_old = |at: Timestamp| {
            let span = gate.approval_valid_for();
            span.is_some_and(|span| decided_at > at.plus(span))
        };
        let mut note = |rule| because.push(Because::new(rule, Standing::Noted).who([person.name()]));
        match opinion {
            Opinion::Objects => voice.objects = true,
            Opinion::Approves(at) if too_old(at) => note(Rule::TooOld),
            Opinion::Approves(at) => voice.approvals.push((account, at)),
            Opinion::NotRecorded => note(Rule::NotRecorded),
            Opinion::Nothing => {}
        }
    }
    voices.into_values().collect()
}

/// Everything that counting looks at.
#[derive(Debug)]
pub(in crate::domain) struct Ballot<'a> {
    pub(in crate::domain) policy: &'a Policy,
    pub(in crate::domain) gate: &'a GateRule,
    pub(in crate::domain) action: &'a ActionName,
    /// Who owns what is acted on.
    pub(in crate::domain) owned: &'a Owned<'a>,
    pub(in crate::domain) delegations: &'a Delegations,
    /// The people who may never approve this. INVARIANT i08.
    pub(in crate::domain) parties: BTreeSet<&'a PersonName>,
    pub(in crate::domain) voices: Vec<Voice<'a>>,
}

/// Counts, adds every rule that was looked at, and gives the approvers that were counted.
pub(in crate::domain) fn tally(
    ballot: &Ballot<'_>,
    rolls: &impl Rolls,
    because: &mut Vec<Because>,
) -> Vec<String> {
    let mut objections = Vec::new();
    let mut eligible = Vec::new();
    for voice in &ballot.voices {
        let name = voice.person.name();
        if voice.objects {
            objections.push(name);
        } else if voice.approvals.is_empty() {
            continue;
        } else if ballot.parties.contains(name) {
            because.push(Because::new(Rule::SeparationOfDuties, Standing::Noted).who([name]));
        } else {
            eligible.push(voice);
        }
    }
    let approvers = fill(ballot, rolls, &eligible, because);
    let standing = if objections.is_empty() {
        Standing::Holds
    } else {
        Standing::Blocks
    };
    because.push(Because::new(Rule::ChangesRequested, standing).who(objections));
    if ballot.gate.step_up().is_some() {
        because.push(Because::new(Rule::StepUp, Standing::Missing).who(&approvers));
    }
    approvers
}

/// Whether one of the voices could be given a requirement; `None` when a look-up failed.
pub(in crate::domain) fn could_count(ballot: &Ballot<'_>, rolls: &impl Rolls) -> Option<bool> {
    let requirements = ballot.owned.needs(ballot.gate.approvals());
    let mut unknown = false;
    for voice in ballot
        .voices
        .iter()
        .filter(|voice| !ballot.parties.contains(voice.person.name()))
    {
        let principals = principals(ballot, rolls, voice);
        unknown |= principals.is_none();
        for principal in principals.iter().flatten() {
            for (set, _) in &requirements {
                match owner_as(ballot.gate.distinct_teams(), rolls, principal, set) {
                    Some(stands) if !stands.is_empty() => return Some(true),
                    Some(_) => {}
                    None => unknown = true,
                }
            }
        }
    }
    (!unknown).then_some(false)
}

/// Gives every eligible person a requirement and says what is still missing, by name.
fn fill(
    ballot: &Ballot<'_>,
    rolls: &impl Rolls,
    eligible: &[&Voice<'_>],
    because: &mut Vec<Because>,
) -> Vec<String> {
    let requirements = ballot.owned.needs(ballot.gate.approvals());
    let needs: Vec<usize> = requirements.iter().map(|(_, need)| usize::from(*need)).collect();
    let mut stands: Vec<Stand<'_>> = Vec::with_capacity(eligible.len());
    let mut choices = Vec::with_capacity(eligible.len());
    let mut unknown = false;
    for voice in eligible {
        let principals = principals(ballot, rolls, voice);
        unknown |= principals.is_none();
        let principals = principals.unwrap_or_default();
        let mut places = Vec::with_capacity(requirements.len());
        for (requirement, (set, _)) in requirements.iter().enumerate() {
            for principal in &principals {
                let found = owner_as(ballot.gate.distinct_teams(), rolls, principal, set);
                unknown |= found.is_none();
                for stand in found.unwrap_or_default() {
                    let team = stands.iter().position(|known| *known == stand);
                    let team = team.unwrap_or_else(|| {
                        stands.push(stand);
                        stands.len() - 1
                    });
                    places.push(Place { requirement, team });
                }
            }
        }
        if places.is_empty() {
            because.push(Because::new(Rule::NotAnOwner, Standing::Noted).who([voice.person.name()]));
        }
        choices.push(places);
    }
    let places = assign(&choices, &needs);
    for (requirement, (set, need)) in requirements.iter().enumerate() {
        let who: Vec<&PersonName> = eligible
            .iter()
            .zip(&places)
            .filter(|(_, place)| place.is_some_and(|place| place.requirement == requirement))
            .map(|(voice, _)| voice.person.name())
            .collect();
        if *need == 0 {
            continue;
        }
        let have = u32::try_from(who.len()).unwrap_or(u32::MAX);
        let need = u32::from(*need);
        let standing = match (have >= need, unknown) {
            (true, _) => Standing::Holds,
            (false, true) => Standing::Errored,
            (false, false) => Standing::Missing,
        };
        let could = match standing {
            Standing::Holds => Vec::new(),
            _ => {
                let full = Filled {
                    choices: &choices,
                    needs: &needs,
                    stands: &stands,
                    places: &places,
                    requirement,
                };
                // Whose every team approved already can't be counted besides.
                let distinct = ballot.gate.distinct_teams();
                let has_room =
                    |team: Option<&TeamName>, person: &Person| !distinct || full.has_room(team, person);
                could_approve(ballot, set, &who, has_room)
            }
        };
        because.push(
            Because::new(Rule::Approvals, standing)
                .section(set.section())
                .count(have, need)
                .who(who)
                .could(could),
        );
    }
    eligible
        .iter()
        .zip(&places)
        .filter(|(_, place)| place.is_some())
        .map(|(voice, _)| voice.person.name().to_string())
        .collect()
}

/// Who was given what for a requirement, where approvals come from teams that differ.
#[derive(Debug)]
struct Filled<'a> {
    choices: &'a [Vec<Place>],
    needs: &'a [usize],
    stands: &'a [Stand<'a>],
    places: &'a [Option<Place>],
    requirement: usize,
}

impl Filled<'_> {
    /// Whether one more approval as of a team, or as of any of a person's teams, would be counted: others may be counted
    /// for other teams of theirs then.
    fn has_room(&self, team: Option<&TeamName>, person: &Person) -> bool {
        let mut counted = self.places.iter().flatten();
        if counted.next().is_none() {
            return true;
        }
        let mine: Vec<&TeamName> = match team {
            Some(team) => vec![team],
            None => person.teams().iter().collect(),
        };
        let known = |team: &TeamName| {
            let mut stands = self.stands.iter();
            stands.position(|stand| matches!(stand, Stand::Team(known) if *known == team))
        };
        let more = mine
            .into_iter()
            .zip(self.stands.len()..)
            .map(|(team, new)| Place {
                requirement: self.requirement,
                team: known(team).unwrap_or(new),
            });
        let mut choices = self.choices.to_vec();
        choices.push(more.collect());
        let with = assign(&choices, self.needs).iter().flatten().count();
        with > self.places.iter().flatten().count()
    }
}

/// Somebody whose share an approval may be given for: the approver, or an absent owner they stand in for.
#[derive(Debug)]
struct Principal<'a> {
    person: &'a Person,
    /// The accounts that GitHub must have in a team.
    accounts: Vec<AccountId>,
}

/// For whom a person's approvals may count; nobody where none of their accounts may write. `None` when a look-up
/// failed. A party's share is never handed over. INVARIANT i08, i09.
fn principals<'a>(ballot: &Ballot<'a>, rolls: &impl Rolls, voice: &Voice<'a>) -> Option<Vec<Principal<'a>>> {
    let mut able = Vec::new();
    for (account, at) in &voice.approvals {
        if rolls.may_write(*account)? {
            able.push((*account, *at));
        }
    }
    if able.is_empty() {
        return Some(Vec::new());
    }
    let mut principals = vec![Principal {
        person: voice.person,
        accounts: able.iter().map(|(account, _)| *account).collect(),
    }];
    for (_, at) in &able {
        let absent = ballot
            .delegations
            .stands_for(voice.person.name(), ballot.action, *at, ballot.policy);
        for owner in absent.filter(|owner| !ballot.parties.contains(owner)) {
            let known = principals.iter().any(|known| known.person.name() == owner);
            if let Some(person) = ballot.policy.person(owner).filter(|_| !known) {
                let accounts = person.accounts().iter().map(Account::id).collect();
                principals.push(Principal { person, accounts });
            }
        }
    }
    Some(principals)
}

/// What an approval is given as: where approvals come from teams that differ, a team; else the person. Nobody's share
/// counts twice, not even by themself and by whoever stands in for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand<'a> {
    Team(&'a TeamName),
    Person(&'a PersonName),
}

/// As what an approval could be given for an owner set, looked up now; `None` when a look-up failed. INVARIANT i09.
fn owner_as<'p>(
    distinct: bool,
    rolls: &impl Rolls,
    principal: &Principal<'p>,
    set: &OwnerSet,
) -> Option<Vec<Stand<'p>>> {
    let person = principal.person;
    let named = set
        .owners()
        .iter()
        .any(|owner| matches!(owner, Owner::Person(name) if name == person.name()));
    let owning = |team: &&TeamName| {
        let mut owners = set.owners().iter();
        named || owners.any(|owner| matches!(owner, Owner::Team(name) if name == *team))
    };
    if named && !distinct {
        return Some(vec![Stand::Person(person.name())]);
    }
    // A person is of a team when the policy and GitHub both say so; somebody who owns by name is still of a team,
    // and one of no team can't be shown to be of another team than the next.
    let mut teams = Vec::new();
    let mut unknown = false;
    for team in person.teams().iter().filter(owning) {
        match rolls.is_member(team, &principal.accounts) {
            Some(true) => teams.push(Stand::Team(team)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    match (teams.is_empty(), distinct) {
        (true, _) if unknown => None,
        (true, _) => Some(teams),
        (false, true) => Some(teams),
        (false, false) => Some(vec![Stand::Person(person.name())]),
    }
}

/// Who could still satisfy an owner set: its teams and people, without those who may not or already did, and those for
/// whom there is no room.
fn could_approve(
    ballot: &Ballot<'_>,
    set: &OwnerSet,
    counted: &[&PersonName],
    has_room: impl Fn(Option<&TeamName>, &Person) -> bool,
) -> Vec<String> {
    let Ballot { policy, parties, .. } = ballot;
    let open = |person: &&Person| !counted.contains(&person.name()) && !parties.contains(person.name());
    let mut could: Vec<String> = Vec::new();
    for owner in set.owners() {
        match owner {
            Owner::Person(name) => {
                let person = policy.person(name).filter(open);
                let person = person.filter(|person| has_room(None, person));
                could.extend(person.map(|person| person.name().to_string()));
            }
            Owner::Team(team) => {
                let members = policy.people().filter(|person| person.teams().contains(team));
                let mut able = members.filter(open).peekable();
                // The same for all of them, and looked at only where somebody is there.
                if able.peek().is_some_and(|first| has_room(Some(team), first)) {
                    could.extend(able.map(|person| format!("{} ({team})", person.name())));
                }
            }
        }
    }
    could.dedup();
    could
}
