//! Changing the rules: a pull request that changes `policies/` passes the high gate of the rules in force and of the
//! rules that it brings. Pure and total, like [`super::gate::decide`]. INVARIANT i02.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    case::RecordedReview,
    delegation::{CHANGING, Delegations},
    entry::{Approver, Digests, Enacted, Merged, Under},
    gate,
    ids::{AccountId, ActionName, BranchName, Digest, PersonName, Sha, TeamName},
    observation::{Observation, Pull, PullState, Seen},
    policy::{Agent, MergeMode, Owned, Owner, Person, Policy, Tier},
    protection,
    review::{self, Ballot, Hands, Opinion},
    verdict::{Because, Rule, Standing, Verdict},
};

mod asked;
mod record;

pub use asked::asked;
pub use record::{Amendments, NotAmended};

/// Where the rules stand in the repository.
pub const DIRECTORY: &str = "policies/";
/// What only the bot writes, and the file of an agent's inbox. INVARIANT i25.
const OF_THE_BOT: [&str; 2] = ["proposals/", "proposal.yaml"];

/// What Git shows of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its head commit.
    pub head: Sha,
    /// Every path that differs between the head and the commit where the branch left the base.
    pub paths: Vec<String>,
    /// The digest of `policies/` where the branch left the base; none when it can't be read.
    pub from: Option<Digest>,
    /// The digest of `policies/` at the head; none when it can't be read.
    pub to: Option<Digest>,
    /// Its merge, when there is one.
    pub landed: Option<Landed>,
}

/// The merge of a pull request, as Git shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The commit on the base branch.
    pub sha: Sha,
    /// Its parents: the base before, then what was merged.
    pub parents: Vec<Sha>,
    /// Whether the base branch holds it now.
    pub reachable: bool,
    /// The digest of `policies/` at its first parent.
    pub before: Option<Digest>,
    /// The digest of its own `policies/`.
    pub after: Option<Digest>,
}

impl Change {
    /// Whether it changes the rules.
    pub fn touches_rules(&self) -> bool {
        let inside = |path: &String| path.starts_with(DIRECTORY) || *path == DIRECTORY.trim_end_matches('/');
        self.paths.iter().any(inside) && (self.from != self.to || self.to.is_none())
    }
}

impl Change {
    /// Whether it puts the rules in force back, and brings nothing else that matters: whoever merges it changes no rule.
    pub fn restores(&self, active: Digest) -> bool {
        self.to == Some(active) && foreign(self).next().is_none()
    }
}

/// What only the bot writes.
fn foreign(change: &Change) -> impl Iterator<Item = &String> {
    let ours = |path: &&String| OF_THE_BOT.iter().any(|ours| path.starts_with(ours));
    change.paths.iter().filter(ours)
}

/// Everything that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Amendment<'a> {
    /// The rules in force.
    pub old: &'a Policy,
    /// The rules at the head; none when they are no rules.
    pub new: Option<&'a Policy>,
    /// What Git shows.
    pub change: &'a Change,
    /// Reviews in the order they were recorded.
    pub reviews: &'a [RecordedReview],
    /// What GitHub shows; [`teams`] says whose members it must hold.
    pub seen: &'a Observation,
    /// The protected base branch.
    pub base: &'a BranchName,
    /// Whether the branch is in this repository, so that GitHub tells who pushed to it.
    pub home: bool,
    /// Who stands in for whom, as far as it was recorded.
    pub delegations: &'a Delegations,
}

/// Whether a change of the rules may come into force, and why. It can't be made but by [`decide`].
#[derive(Debug)]
pub struct Decided {
    verdict: Verdict,
    common: Vec<Because>,
    old: Vec<Because>,
    new: Vec<Because>,
    merge: MergeMode,
    approvers: Vec<Approver>,
    passed: Option<Passed>,
}

/// What passed.
#[derive(Debug)]
struct Passed {
    old: Digest,
    new: Digest,
    pull: super::ids::PullNumber,
    head: Sha,
    merged: Option<Merged>,
}

impl Decided {
    /// The verdict.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }
    /// The rules that no policy can change.
    pub fn common(&self) -> &[Because] {
        &self.common
    }
    /// What one of the two sets of rules says; nothing by new rules that are none.
    pub fn under(&self, which: Under) -> &[Because] {
        match which {
            Under::Old => &self.old,
            Under::New => &self.new,
        }
    }
    /// Everything that keeps the gate shut.
    pub fn against(&self) -> impl Iterator<Item = &Because> {
        let all = self.common.iter().chain(&self.old).chain(&self.new);
        all.filter(|because| because.standing > Standing::Holds)
    }
    /// Every approval that was counted.
    pub fn approvers(&self) -> &[Approver] {
        &self.approvers
    }
    /// Who merges: the stricter of what both rules say.
    pub const fn merge(&self) -> MergeMode {
        self.merge
    }
    /// The head that the bot should merge now.
    pub fn to_merge(&self) -> Option<Sha> {
        let passed = self.passed.as_ref()?;
        (passed.merged.is_none() && self.merge == MergeMode::Auto).then_some(passed.head)
    }
    /// The entry that brings the new rules into force: none unless the gate was found open on the merge itself.
    pub fn enacted(&self, seen: &Observation) -> Option<Enacted> {
        let passed = self.passed.as_ref()?;
        Some(Enacted {
            old: passed.old,
            new: passed.new,
            pull: passed.pull,
            head: passed.head,
            merged: passed.merged.clone()?,
            approvers: self.approvers.clone(),
            observation: Box::new(seen.clone()),
        })
    }
}

/// Decides on a change of the rules.
///
/// | rules | looked at |
/// |---|---|
/// | pull, head, scope, policy, up to date, compiles, landed, protection | once |
/// | owners, approvals, changes requested, step-up, separation of duties | by the rules in force and by the new ones |
///
/// Owners are those of `/policies/<file>`, for every file that changes, and who stands in for them where the same rules
/// allow that. One approval may count by both, for as long as the gate of each lets it, and whoever had a hand in the
/// change counts by neither. The verdict is as in [`super::gate::decide`].
pub fn decide(at: &Amendment<'_>) -> Decided {
    let mut common = Vec::new();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let mut approvers = Vec::new();
    let mut by_both = false;
    let Seen::Known(pull) = &at.seen.pull else {
        return Decided {
            verdict: Verdict::Errored,
            common: vec![Because::new(Rule::Pull, Standing::Errored)],
            old,
            new,
            merge: MergeMode::Manual,
            approvers,
            passed: None,
        };
    };
    common.extend(common_rules(at, pull));
    let hands = hands_in(at, pull);
    match hands {
        Err(standing) => common.push(Because::new(Rule::SeparationOfDuties, standing)),
        Ok(hands) => {
            let stranger =
                |account: &AccountId| *account != at.seen.me && at.old.person_of(*account).is_none();
            if let Some(account) = hands.releasers().find(stranger) {
                common.push(Because::new(Rule::NotAPerson, Standing::Blocks).who([account]));
            }
            let by_old = count(at, at.old, Under::Old, &hands, &mut old);
            let by_new = at
                .new
                .map(|policy| count(at, policy, Under::New, &hands, &mut new))
                .unwrap_or_default();
            by_both = !by_old.is_empty() && !by_new.is_empty();
            approvers.extend(by_old.into_iter().chain(by_new));
        }
    }
    let gates = [Some(at.old), at.new].map(|policy| policy.map(|policy| policy.gate(Tier::High).merge()));
    let merge = if gates == [Some(MergeMode::Auto); 2] {
        MergeMode::Auto
    } else {
        MergeMode::Manual
    };
    let all: Vec<Because> = common.iter().chain(&old).chain(&new).cloned().collect();
    // INVARIANT i10: nothing opens without somebody who approved by each of the two.
    let verdict = gate::verdict(&all, by_both);
    let passed = at.new.filter(|_| verdict == Verdict::Open).map(|new| Passed {
        old: at.old.digest(),
        new: new.digest(),
        pull: pull.number,
        head: at.change.head,
        merged: merged(at.change, pull),
    });
    Decided {
        verdict,
        common,
        old,
        new,
        merge,
        approvers,
        passed,
    }
}

/// Who had a hand in it. GitHub tells who pushed to branches of this repository only.
fn hands_in(at: &Amendment<'_>, pull: &Pull) -> Result<Hands, Standing> {
    if at.home {
        review::hands_in(at.seen, pull, None)
    } else {
        Err(Standing::Blocks)
    }
}

fn merged(change: &Change, pull: &Pull) -> Option<Merged> {
    let landed = change.landed.as_ref()?;
    match pull.state {
        PullState::Merged { at, by, .. } => Some(Merged {
            sha: landed.sha,
            parents: landed.parents.clone(),
            at,
            by,
        }),
        PullState::Open | PullState::Closed => None,
    }
}

/// What is true or not whoever approves.
fn common_rules(at: &Amendment<'_>, pull: &Pull) -> Vec<Because> {
    let change = at.change;
    let active = at.old.digest();
    let alive = match pull.state {
        PullState::Open => !pull.draft,
        PullState::Merged { .. } => true,
        PullState::Closed => false,
    };
    let place = pull.base_ref == *at.base && at.home;
    let foreign: Vec<&String> = foreign(change).collect();
    let compiles = at
        .new
        .is_some_and(|new| change.to == Some(new.digest()) && new.digest() != active);
    let begins = change.from == Some(active);
    let mut rules = vec![
        Because::holds_or_blocks(Rule::Pull, alive && place).who([pull.number]),
        Because::holds_or_blocks(Rule::Head, pull.head == change.head).who([pull.head.short()]),
        Because::holds_or_blocks(Rule::Scope, foreign.is_empty()).who(foreign),
        Because::holds_or_blocks(Rule::UpToDate, begins).who([active.short()]),
        Because::holds_or_blocks(Rule::Compiles, compiles),
    ];
    match (&pull.state, &change.landed) {
        (PullState::Merged { sha, .. }, Some(landed)) => {
            let proved = sha.is_none_or(|sha| sha == landed.sha)
                && matches!(landed.parents.as_slice(), [_, head] if *head == change.head)
                && landed.reachable
                && landed.before == Some(active)
                && landed.after.is_some()
                && landed.after == change.to;
            rules.push(Because::holds_or_blocks(Rule::Landed, proved).who([landed.sha.short()]));
        }
        (PullState::Merged { .. }, None) => rules.push(Because::new(Rule::Landed, Standing::Errored)),
        (PullState::Open | PullState::Closed, _) => rules.push(match at.seen.policy.known() {
            None => Because::new(Rule::Policy, Standing::Errored),
            Some(base) if *base == active => {
                Because::new(Rule::Policy, Standing::Holds).who([active.short()])
            }
            Some(base) => Because::new(Rule::Policy, Standing::Blocks)
                .who([active.short()])
                .could([base.short()]),
        }),
    }
    rules.push(protection::rule(at.seen));
    rules.extend(protection::clock(at.seen));
    rules
}

/// Counts by one of the two sets of rules.
fn count(
    at: &Amendment<'_>,
    policy: &Policy,
    under: Under,
    hands: &Hands,
    because: &mut Vec<Because>,
) -> Vec<Approver> {
    let Some(owned) = owned(&at.change.paths, policy, because) else {
        return Vec::new();
    };
    // Teams are looked up in one organisation; those of another are not the ones that were looked up.
    let organization = policy.owners().organization();
    if organization.is_some() && organization != at.old.owners().organization() {
        because.push(Because::new(Rule::Owners, Standing::Blocks).who(organization));
        return Vec::new();
    }
    let Seen::Known(live) = &at.seen.reviews else {
        because.push(Because::new(Rule::Approvals, Standing::Errored));
        return Vec::new();
    };
    let active = at.old.digest();
    let same = |digests: &Digests| digests.policy == Some(active);
    let opinions = review::opinions_on(at.reviews, live, because, |account, live| {
        live.submitted_at <= at.seen.decided_at()
            && review::stood(at.reviews, account, live, at.change.head, same)
    });
    let approving: BTreeMap<AccountId, Option<bool>> = opinions
        .iter()
        .filter(|(_, opinion)| matches!(opinion, Opinion::Approves(_)))
        .map(|(account, _)| (*account, review::Rolls::may_write(at.seen, *account)))
        .collect();
    let gate = policy.gate(Tier::High);
    let Ok(changing) = CHANGING.parse::<ActionName>() else {
        return Vec::new();
    };
    let ballot = Ballot {
        policy,
        gate,
        action: &changing,
        owned: &owned,
        delegations: at.delegations,
        parties: parties(at, policy, hands),
        voices: review::voices(policy, gate, at.seen.decided_at(), opinions, because),
    };
    let counted = review::tally(&ballot, at.seen, because);
    let approver = |name: String| {
        let name: PersonName = name.parse().ok()?;
        let person = policy.person(&name)?;
        let mut accounts = person.accounts().iter().map(|account| account.id());
        let account = accounts.find(|account| approving.get(account) == Some(&Some(true)))?;
        Some(Approver {
            under,
            requirement: requirement(&owned, person),
            person: name,
            account,
        })
    };
    let approvers: Option<Vec<Approver>> = counted.into_iter().map(approver).collect();
    approvers.unwrap_or_default()
}

/// Who owns every file that changes; none, and the rule that says so, when one is unowned.
fn owned<'p>(paths: &[String], policy: &'p Policy, because: &mut Vec<Because>) -> Option<Owned<'p>> {
    let owned = policy.owned_paths(resources(paths));
    let unowned = owned.unowned();
    let holds = unowned.is_empty() && !owned.items().is_empty();
    let rule = Because::holds_or_blocks(Rule::Owners, holds).who(unowned);
    because.push(if holds {
        rule
    } else {
        rule.could([line_to_add(policy)])
    });
    holds.then_some(owned)
}

/// The resource of each file that changes, as CODEOWNERS is asked about it.
fn resources(paths: &[String]) -> impl Iterator<Item = String> {
    let inside = paths.iter().filter(|path| path.starts_with(DIRECTORY));
    inside.map(|path| format!("/{path}"))
}

/// A line that would give the rules owners, of teams that the policy has.
fn line_to_add(policy: &Policy) -> String {
    let organization = policy.owners().organization().unwrap_or("ORGANISATION");
    let teams: BTreeSet<&TeamName> = policy.people().flat_map(Person::teams).collect();
    let teams: Vec<String> = teams
        .iter()
        .take(2)
        .map(|team| format!("@{organization}/{team}"))
        .collect();
    format!("/{DIRECTORY} {}", teams.join(" "))
}

/// What an approver stands for: the owning team they belong to, or their own name.
fn requirement(owned: &Owned<'_>, person: &Person) -> String {
    let owners = owned.owners();
    let owns = |team: &&TeamName| {
        let mut owners = owners.iter();
        owners.any(|owner| matches!(owner, Owner::Team(name) if name == *team))
    };
    let team = person.teams().iter().find(owns);
    team.map_or_else(|| person.name().to_string(), ToString::to_string)
}

/// The people who had a hand in the change, and the sponsors of agents that had. An account is somebody's when either
/// set of rules says so: nobody becomes another person by the change they propose. INVARIANT i08.
fn parties<'p>(at: &Amendment<'_>, policy: &'p Policy, hands: &Hands) -> BTreeSet<&'p PersonName> {
    let known = || [Some(at.old), at.new].into_iter().flatten();
    let mut accounts: BTreeSet<AccountId> = hands.all().filter(|account| *account != at.seen.me).collect();
    loop {
        let sponsors = |account: AccountId| {
            known().filter_map(move |policy| {
                let sponsor = policy.agent_of(account).map(Agent::sponsor)?;
                policy.person(sponsor)
            })
        };
        let persons = |account: AccountId| known().filter_map(move |policy| policy.person_of(account));
        let more: BTreeSet<AccountId> = accounts
            .iter()
            .flat_map(|account| persons(*account).chain(sponsors(*account)))
            .flat_map(Person::accounts)
            .map(|account| account.id())
            .collect();
        let before = accounts.len();
        accounts.extend(more);
        if accounts.len() == before {
            break;
        }
    }
    accounts
        .iter()
        .filter_map(|account| policy.person_of(*account))
        .map(Person::name)
        .collect()
}

/// The teams whose members an observation must hold for [`decide`] to count approvals. INVARIANT i09.
pub fn teams(paths: &[String], old: &Policy, new: Option<&Policy>) -> BTreeSet<TeamName> {
    let mut teams = BTreeSet::new();
    for policy in [Some(old), new].into_iter().flatten() {
        let distinct = policy.gate(Tier::High).distinct_teams();
        for owner in policy.owned_paths(resources(paths)).owners() {
            match owner {
                Owner::Team(team) => teams.extend([team.clone()]),
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

#[cfg(test)]
mod tests;
