//! What holds for every case: random rules, people, reviews and observations around a valid open case.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::domain::{
    checks::Level,
    facts::{Facts, Judged, facts_of, judge},
    fixture::*,
    ids::{AccountId, CheckName, PersonName, ReviewId},
    observation::{LiveReview, Permission, ReviewState},
    policy::{Owner, Person},
    replay::replay,
};

const TEAMS: [&str; 3] = ["finance", "treasury", "marketing"];

/// One review: whose account, what it says, when, and whether it is live, recorded, or both.
#[derive(Debug, Clone)]
struct Told {
    account: AccountId,
    state: ReviewState,
    minutes: i64,
    live: bool,
    recorded: bool,
    moved: bool,
}

/// Rules and what people said.
#[derive(Debug, Clone)]
struct World {
    approvals: u8,
    distinct: bool,
    owners: Vec<String>,
    teams: Vec<Vec<usize>>,
    told: Vec<Told>,
    permissions: BTreeMap<AccountId, u8>,
    absent: Vec<(usize, AccountId)>,
    pusher: Option<AccountId>,
    merged: Option<(AccountId, i64)>,
}

const ACCOUNTS: [AccountId; 7] = [ALICE, BOB, CAROL, CAROL_ON_CALL, DAVE, ERIN, AccountId(77)];
const PEOPLE_NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

fn account() -> impl Strategy<Value = AccountId> {
    prop::sample::select(ACCOUNTS.to_vec())
}

fn told() -> impl Strategy<Value = Told> {
    let state = prop_oneof![
        8 => Just(ReviewState::Approved),
        1 => Just(ReviewState::ChangesRequested),
        1 => Just(ReviewState::Commented),
        1 => Just(ReviewState::Dismissed),
        1 => Just(ReviewState::Edited),
    ];
    (
        account(),
        state,
        2..60_i64,
        prop::bool::weighted(0.95),
        prop::bool::weighted(0.95),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(account, state, minutes, live, recorded, moved)| Told {
            account,
            state,
            minutes,
            live,
            recorded,
            moved,
        })
}

fn world() -> impl Strategy<Value = World> {
    let owner = prop::sample::select(vec![
        "@acme/finance",
        "@acme/treasury",
        "@acme/marketing",
        "@alice",
        "@bob",
        "@dave",
    ]);
    let teams = prop::collection::vec(prop::collection::btree_set(0..3_usize, 0..3), 5);
    (
        (
            2..4_u8,
            any::<bool>(),
            prop::collection::btree_set(owner, 1..4),
            teams,
        ),
        prop::collection::vec(told(), 0..9),
        prop::collection::btree_map(account(), 0..3_u8, 0..3),
        prop::collection::vec((0..3_usize, account()), 0..2),
        prop::option::weighted(0.2, account()),
        prop::option::weighted(0.3, (prop_oneof![6 => Just(ME), 1 => account()], 20..50_i64)),
    )
        .prop_map(
            |((approvals, distinct, owners, teams), told, permissions, absent, pusher, merged)| World {
                approvals,
                distinct,
                owners: owners.into_iter().map(Into::into).collect(),
                teams: teams.into_iter().map(|set| set.into_iter().collect()).collect(),
                told,
                permissions,
                absent,
                pusher,
                merged,
            },
        )
}

impl World {
    fn files(&self) -> Files {
        let tiers = TIERS
            .replace("approvals: 2 ", &format!("approvals: {} ", self.approvals))
            .replace(
                "distinct_teams: true",
                &format!("distinct_teams: {}", self.distinct),
            );
        let accounts = ["1001", "1002", "1003", "1004", "1005"];
        let mut people = String::from("people:\n");
        for ((name, id), teams) in PEOPLE_NAMES.iter().zip(accounts).zip(&self.teams) {
            let teams: Vec<&str> = teams.iter().map(|team| TEAMS[*team]).collect();
            let other = if *name == "carol" {
                ", { login: carol-oncall, id: 1103 }"
            } else {
                ""
            };
            people.push_str(&format!(
                "  {name}:\n    accounts: [{{ login: {name}, id: {id} }}{other}]\n    teams: [{}]\n",
                teams.join(", ")
            ));
        }
        // Teams are known by their members; somebody who owns nothing keeps each of them known.
        people.push_str(
            "  zoe:\n    accounts: [{ login: zoe, id: 1999 }]\n    teams: [finance, treasury, marketing]\n",
        );
        Files {
            tiers,
            people,
            owners: format!("/payments/ {}\n", self.owners.join(" ")),
            ..Files::default()
        }
    }

    fn story(&self) -> Story {
        let mut story = Story::under(&self.files());
        for (told, id) in self.told.iter().zip(1..) {
            if told.recorded {
                story.record(id, told.account, told.state, told.minutes);
            }
            if told.live {
                let commit = if told.moved { BASE } else { HEAD };
                story.live().push(LiveReview {
                    commit: Some(commit),
                    ..live(id, told.account, told.state, told.minutes)
                });
            }
        }
        for (account, permission) in &self.permissions {
            let seen = match permission {
                0 => Seen::unknown("timeout"),
                1 => Seen::Known(Permission::Read),
                _ => Seen::Known(Permission::Admin),
            };
            story.seen.permissions.insert(*account, seen);
        }
        for (team, account) in &self.absent {
            if let Some(Seen::Known(members)) = story.seen.memberships.get_mut(&TEAMS[*team].parse().unwrap())
            {
                members.retain(|member| member != account);
            }
        }
        if let (Some(pusher), Seen::Known(pushers)) = (self.pusher, &mut story.seen.pushers) {
            pushers.push(pusher);
        }
        story.seen.at = at(60);
        match self.merged {
            Some((by, minutes)) => story.merged(by, minutes),
            None => story,
        }
    }
}

/// Whether enough people approved, counted the slow way: by trying every choice of people and teams.
fn enough(story: &Story) -> bool {
    let (case, seen, policy) = (&story.case, &story.seen, &story.policy);
    let (Seen::Known(live), Seen::Known(pushers), Seen::Known(pull)) =
        (&seen.reviews, &seen.pushers, &seen.pull)
    else {
        return false;
    };
    let merge = match &pull.state {
        PullState::Merged { at, by, .. } => Some((*at, *by)),
        PullState::Open | PullState::Closed => None,
    };
    if let Some((_, by)) = merge {
        let Some(by) = by else { return false };
        if by != ME && policy.person_of(by).is_none() {
            return false;
        }
    }
    let judged = merge.map_or(seen.at, |(at, _)| at);
    let touched: Vec<AccountId> = pushers
        .iter()
        .copied()
        .chain(merge.and_then(|(_, by)| by))
        .collect();
    let owners = policy.owners().requirements("/payments/suppliers/ACME");
    let owners = owners.sets()[0].owners();
    let mut able: Vec<(&Person, Vec<String>)> = Vec::new();
    for person in policy.people() {
        let mut approves = Vec::new();
        for account in person.accounts() {
            let id = account.id();
            let mut all: Vec<(Timestamp, ReviewId, ReviewState)> = Vec::new();
            for review in live.iter().filter(|review| review.account == Some(id)) {
                all.push((review.submitted_at, review.id, review.state));
            }
            for recorded in case
                .reviews
                .iter()
                .filter(|recorded| recorded.review.account == Some(id))
            {
                if !live.iter().any(|review| review.id == recorded.review.review) {
                    all.push((
                        recorded.review.submitted_at,
                        recorded.review.review,
                        recorded.review.decision,
                    ));
                }
            }
            all.retain(|(_, _, state)| *state != ReviewState::Commented);
            all.sort_by_key(|(at, id, _)| (*at, *id));
            match all.last() {
                Some((_, _, ReviewState::ChangesRequested)) => return false,
                Some((time, review, ReviewState::Approved)) => {
                    let is_live = live
                        .iter()
                        .any(|one| one.id == *review && one.commit == Some(HEAD));
                    let recorded = case.reviews.iter().any(|one| one.review.review == *review);
                    if is_live && recorded && *time <= judged {
                        approves.push(id);
                    }
                }
                _ => {}
            }
        }
        let party =
            person.name().as_str() == "carol" || touched.iter().any(|account| person.has_account(*account));
        if approves.is_empty() || party {
            continue;
        }
        let permissions: Vec<_> = approves.iter().map(|id| seen.permissions.get(id)).collect();
        if permissions.iter().any(|one| !matches!(one, Some(Seen::Known(_)))) {
            continue;
        }
        approves
            .retain(|id| matches!(seen.permissions.get(id), Some(Seen::Known(p)) if *p >= Permission::Write));
        let named = owners.contains(&Owner::Person(person.name().clone()));
        let of = |team: &str| {
            let team = team.parse().unwrap();
            let members = match seen.memberships.get(&team) {
                Some(Seen::Known(members)) => members.as_slice(),
                Some(Seen::Unknown { .. }) | None => &[],
            };
            person.teams().contains(&team)
                && (named || owners.contains(&Owner::Team(team)))
                && approves.iter().any(|id| members.contains(id))
        };
        let teams: Vec<String> = TEAMS
            .iter()
            .filter(|team| of(team))
            .map(|team| (*team).to_owned())
            .collect();
        let distinct = policy.gate(Tier::High).distinct_teams();
        let stands = match distinct {
            true => teams,
            false if named && !approves.is_empty() || !teams.is_empty() => vec![person.name().to_string()],
            false => Vec::new(),
        };
        able.push((person, stands));
    }
    most(&able, &mut Vec::new()) >= usize::from(policy.gate(Tier::High).approvals())
}

/// The most people who can each take a place of their own.
fn most(able: &[(&Person, Vec<String>)], taken: &mut Vec<String>) -> usize {
    let Some(((_, stands), rest)) = able.split_first() else {
        return taken.len();
    };
    let mut best = most(rest, taken);
    for stand in stands {
        if !taken.contains(stand) {
            taken.push(stand.clone());
            best = best.max(most(rest, taken));
            taken.pop();
        }
    }
    best
}

/// An open case, whatever the rules ask for: everybody who may approves.
fn open() -> impl Strategy<Value = Story> {
    world()
        .prop_map(|mut world| {
            world.told = [ALICE, BOB, DAVE, ERIN, AccountId(1999)]
                .into_iter()
                .zip(11..)
                .map(|(account, minutes)| Told {
                    account,
                    state: ReviewState::Approved,
                    minutes,
                    live: true,
                    recorded: true,
                    moved: false,
                })
                .collect();
            world.owners = TEAMS.map(|team| format!("@acme/{team}")).into();
            world.teams = vec![vec![0, 1, 2]; 5];
            world.pusher = None;
            world.merged = world.merged.map(|(_, minutes)| (ME, minutes));
            world.permissions.clear();
            world.absent.clear();
            world.story()
        })
        .prop_filter("nobody can open it", |story| story.verdict() == Verdict::Open)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    /// Facts are judged as the case that they are of is decided, by every rule that both look at.
    #[test]
    fn facts_are_judged_as_their_case_is_decided(world in world()) {
        let story = world.story();
        let facts = facts_of(&story.case, Some(&story.seen));
        let written = serde_json::to_string(&facts).unwrap();
        let facts: Facts = serde_json::from_str(&written).unwrap();
        let judged = judge(&facts, &story.policy);
        let decision = story.decide();
        prop_assert_eq!(judged.tier, story.case.tier());
        prop_assert_eq!(&judged.checks, &story.case.assessment.checks);
        let both = [
            Rule::Action, Rule::Checks, Rule::Preview, Rule::Owners, Rule::Approvals, Rule::ChangesRequested,
            Rule::SeparationOfDuties, Rule::NotAnOwner, Rule::TooOld, Rule::StepUp,
        ];
        let known = |because: &[Because]| -> Vec<Because> {
            because.iter().filter(|one| both.contains(&one.rule)).cloned().collect()
        };
        prop_assert_eq!(known(&judged.because), known(decision.because()));
        if decision.verdict() == Verdict::Open {
            prop_assert_eq!(judged.gate, Verdict::Open);
        }
    }

    /// What two sets of rules assess alike is assessed once in a replay, which changes nothing that is told.
    #[test]
    fn a_replay_tells_what_judging_twice_would(world in world(), other in world()) {
        let (story, candidate) = (world.story(), other.story().policy);
        let facts = facts_of(&story.case, Some(&story.seen));
        let (before, after) = (judge(&facts, &story.policy), judge(&facts, &candidate));
        let told = replay(&facts, &story.policy, &candidate).unwrap_or_default();
        prop_assert_eq!(told.tier.map(|tier| tier.to), (before.tier != after.tier).then_some(after.tier));
        prop_assert_eq!(told.gate.map(|gate| gate.to), (before.gate != after.gate).then_some(after.gate));
        let failing = |judged: &Judged| -> BTreeSet<CheckName> {
            let failed = judged.checks.iter().filter(|check| check.level > Level::Warn);
            failed.map(|check| check.check.clone()).collect()
        };
        let (before, after) = (failing(&before), failing(&after));
        prop_assert_eq!(told.newly_failing.into_iter().collect::<BTreeSet<_>>(), &after - &before);
        prop_assert_eq!(told.newly_passing.into_iter().collect::<BTreeSet<_>>(), &before - &after);
    }

    #[test]
    fn i09_the_count_agrees_with_the_slow_one(world in world()) {
        let story = world.story();
        prop_assert_eq!(story.verdict() == Verdict::Open, enough(&story), "{:#?}", story.decide().because());
    }

    #[test]
    fn i06_the_order_of_reviews_is_irrelevant(world in world(), seed in any::<u64>()) {
        let story = world.story();
        let mut other = story.clone();
        let shuffled = |n: usize| move |i: &u64| i.wrapping_mul(seed | 1).rotate_left(n as u32 % 64);
        other.live().sort_by_key(|review| shuffled(7)(&review.id.0));
        let (one, two) = (story.decide(), other.decide());
        prop_assert_eq!(one.verdict(), two.verdict());
        let counted = |decision: Decision| decision.open().map(|open| open.approvers().to_vec());
        prop_assert_eq!(counted(one), counted(two));
    }

    #[test]
    fn i06_dropping_an_approval_never_opens_a_gate(mut world in world(), which in any::<Index>()) {
        // One review an account: an older approval may well count once a newer one is gone.
        let mut seen = BTreeSet::new();
        world.told.retain(|told| seen.insert(told.account));
        let story = world.story();
        let mut other = story.clone();
        let approvals: Vec<ReviewId> = other
            .live()
            .iter()
            .filter(|review| review.state == ReviewState::Approved)
            .map(|review| review.id)
            .collect();
        prop_assume!(!approvals.is_empty());
        let gone = approvals[which.index(approvals.len())];
        other.live().retain(|review| review.id != gone);
        if story.verdict() != Verdict::Open {
            prop_assert_ne!(other.verdict(), Verdict::Open);
            other.case.reviews.retain(|recorded| recorded.review.review != gone);
            prop_assert_ne!(other.verdict(), Verdict::Open);
        }
    }

    #[test]
    fn i10_an_unknown_never_opens_a_gate(world in world(), which in 0..8_usize, place in any::<Index>()) {
        let story = world.story();
        let mut other = story.clone();
        let seen = &mut other.seen;
        let unknown = "timeout";
        match which {
            0 => seen.policy = Seen::unknown(unknown),
            1 => seen.pull = Seen::unknown(unknown),
            2 => seen.commits = Seen::unknown(unknown),
            3 => seen.pushers = Seen::unknown(unknown),
            4 => seen.reviews = Seen::unknown(unknown),
            5 => seen.protection = Seen::unknown(unknown),
            6 => {
                let keys: Vec<AccountId> = seen.permissions.keys().copied().collect();
                seen.permissions.insert(keys[place.index(keys.len())], Seen::unknown(unknown));
            }
            _ => {
                let keys: Vec<TeamName> = seen.memberships.keys().cloned().collect();
                if !keys.is_empty() {
                    seen.memberships.insert(keys[place.index(keys.len())].clone(), Seen::unknown(unknown));
                }
            }
        }
        if which < 6 {
            prop_assert_eq!(other.verdict(), Verdict::Errored);
        } else if story.verdict() != Verdict::Open {
            prop_assert_ne!(other.verdict(), Verdict::Open);
        }
    }

    #[test]
    fn i10_an_errored_rule_never_stands_beside_an_open_gate(world in world()) {
        let decision = world.story().decide();
        let worst = decision.because().iter().map(|one| one.standing).max();
        match decision.verdict() {
            Verdict::Open => prop_assert!(worst <= Some(Standing::Holds)),
            Verdict::Waiting => prop_assert_eq!(worst, Some(Standing::Missing)),
            Verdict::Blocked => prop_assert_eq!(worst, Some(Standing::Blocks)),
            Verdict::Errored => prop_assert_eq!(worst, Some(Standing::Errored)),
        }
    }

    #[test]
    fn i08_sponsor_pusher_and_releaser_never_count(world in world()) {
        let story = world.story();
        let Some(open) = story.decide().open() else { return Ok(()) };
        let touched = world.pusher.into_iter().chain(world.merged.map(|(by, _)| by));
        let mut parties: Vec<PersonName> = touched
            .filter_map(|account| story.policy.person_of(account))
            .map(|person| person.name().clone())
            .collect();
        parties.push("carol".parse().unwrap());
        for party in parties {
            prop_assert!(!open.approvers().contains(&party.to_string()), "{party}");
        }
        let mut names = open.approvers().to_vec();
        names.dedup();
        prop_assert_eq!(names.len(), usize::from(world.approvals));
    }

    #[test]
    fn i06_any_changed_digest_shuts_an_open_gate(story in open(), which in 0..14_usize) {
        let other = Digest::of(b"another");
        let mut changed = story;
        match which {
            0 => changed.seen.policy = Seen::Known(other),
            1 => changed.case.policy = other,
            2 => changed.case.presentation = Some(other),
            3 => changed.pull().body = other,
            4 => changed.pull().title = other,
            5 => changed.case.opened.as_mut().unwrap().title = other,
            6 => changed.pull().head = MERGE,
            7 => changed.case.opened.as_mut().unwrap().head = MERGE,
            8 => changed.case.opened.as_mut().unwrap().base = MERGE,
            9 => changed.case.reviews.iter_mut().for_each(|one| one.digests.action = Some(other)),
            10 => changed.case.reviews.iter_mut().for_each(|one| one.digests.presentation = Some(other)),
            11 => changed.case.reviews.iter_mut().for_each(|one| one.digests.policy = Some(other)),
            12 => changed.live().iter_mut().for_each(|one| one.commit = Some(MERGE)),
            _ => changed.case.reviews.iter_mut().for_each(|one| one.review.head = MERGE),
        }
        prop_assert_ne!(changed.verdict(), Verdict::Open);
    }

    #[test]
    fn i14_any_other_binding_shuts_an_open_gate(story in open(), minor in 1..1_000_000_000_i64) {
        prop_assume!(minor != 1_250_000);
        let mut parts: crate::domain::proposal::ProposalParts = story.case.proposal.as_ref().clone().into();
        parts.binding.items[0].parameters["amount"]["minor"] = minor.into();
        let mut changed = story;
        changed.case.proposal = Arc::new(Proposal::new(parts).unwrap());
        prop_assert_ne!(changed.verdict(), Verdict::Open);
    }

    #[test]
    fn i28_a_decision_survives_being_recorded(world in world()) {
        let story = world.story();
        let case: Case = serde_json::from_str(&serde_json::to_string(&story.case).unwrap()).unwrap();
        let seen: Observation = serde_json::from_str(&serde_json::to_string(&story.seen).unwrap()).unwrap();
        prop_assert_eq!(&case, &story.case);
        prop_assert_eq!(&seen, &story.seen);
        let again = decide(&case, &seen, &story.policy);
        let first = story.decide();
        prop_assert_eq!(again.because(), first.because());
    }
}
