//! Attacks on the rules by changing the rules.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;

use super::*;

mod people;

use crate::domain::{
    entry::{Actor, Entry, Event, Found, Reviewed, Role},
    fixture::*,
    ids::{PullNumber, Seq, Sha},
    observation::{Commit, LiveReview, Permission, ReviewState},
};

const OWNED: &str = "/policies/             @acme/finance @acme/treasury";

/// A pull request by dave that changes tiers.yaml, and everything that is looked at.
struct Told {
    old: Policy,
    new: Option<Policy>,
    change: Change,
    reviews: Vec<RecordedReview>,
    seen: Observation,
    delegations: Delegations,
}

impl Told {
    fn bringing(new: &Files) -> Self {
        Self::between(&Files::default(), new)
    }
    fn between(old: &Files, new: &Files) -> Self {
        Self::of(old.policy(), new.policy())
    }
    fn of(old: Policy, new: Policy) -> Self {
        let mut seen = Story::high().seen;
        seen.policy = Seen::Known(old.digest());
        seen.commits = Seen::Known(vec![Commit {
            sha: HEAD,
            parents: vec![BASE],
            author: Some(DAVE),
            committer: Some(DAVE),
            co_authors: Vec::new(),
        }]);
        seen.pushers = Seen::Known(vec![DAVE]);
        seen.reviews = Seen::Known(Vec::new());
        seen.permissions = [ALICE, BOB, CAROL, CAROL_ON_CALL, DAVE, ERIN]
            .map(|account| (account, Seen::Known(Permission::Write)))
            .into();
        let team = |name: &str, members: &[AccountId]| {
            (name.parse::<TeamName>().unwrap(), Seen::Known(members.to_vec()))
        };
        seen.memberships = BTreeMap::from([
            team("finance", &[ALICE, CAROL, CAROL_ON_CALL]),
            team("treasury", &[BOB]),
            team("marketing", &[DAVE, ERIN]),
        ]);
        let mut told = Self {
            change: Change {
                head: HEAD,
                paths: vec!["policies/tiers.yaml".into()],
                from: Some(old.digest()),
                to: Some(new.digest()),
                landed: None,
            },
            old,
            new: Some(new),
            reviews: Vec::new(),
            seen,
            delegations: Delegations::default(),
        };
        let pull = told.pull();
        pull.number = PullNumber(7);
        pull.author = Some(DAVE);
        told
    }
    fn pull(&mut self) -> &mut Pull {
        match &mut self.seen.pull {
            Seen::Known(pull) => pull,
            Seen::Unknown { .. } => panic!("the pull request is not seen"),
        }
    }
    fn live(&mut self) -> &mut Vec<LiveReview> {
        match &mut self.seen.reviews {
            Seen::Known(live) => live,
            Seen::Unknown { .. } => panic!("the reviews are not seen"),
        }
    }
    fn review(mut self, account: AccountId, decision: ReviewState) -> Self {
        let next = self.reviews.len() as u64 + 1;
        let minutes = 10 + next as i64;
        let review = told(Some(PullNumber(7)), next, account, decision, minutes);
        let digests = Digests {
            policy: Some(self.old.digest()),
            ..Digests::default()
        };
        self.reviews.push(RecordedReview {
            at: at(minutes),
            digests,
            review,
        });
        self.live().push(live(next, account, decision, minutes));
        self
    }
    fn approve(self, account: AccountId) -> Self {
        self.review(account, ReviewState::Approved)
    }
    fn merged(mut self, by: AccountId) -> Self {
        self.pull().state = PullState::Merged {
            at: at(25),
            by: Some(by),
            sha: Some(MERGE),
        };
        self.change.landed = Some(Landed {
            sha: MERGE,
            parents: vec![BASE, HEAD],
            reachable: true,
            before: Some(self.old.digest()),
            after: self.change.to,
        });
        self.seen.policy = Seen::Known(self.change.to.unwrap());
        self
    }
    fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
    fn enacted(&self) -> Enacted {
        self.decide().enacted(&self.seen).unwrap()
    }
    /// What the ledger holds of its reviews.
    fn recorded(&self) -> Amendments {
        let mut amendments = Amendments::default();
        for RecordedReview { at, digests, review } in &self.reviews {
            amendments.record(&entry(*at, digests.clone(), Event::Reviewed(review.clone())));
        }
        amendments
    }
    fn decide(&self) -> Decided {
        decide(&self.at(&"main".parse().unwrap()))
    }
    fn at<'a>(&'a self, base: &'a BranchName) -> Amendment<'a> {
        Amendment {
            old: &self.old,
            new: self.new.as_ref(),
            change: &self.change,
            reviews: &self.reviews,
            seen: &self.seen,
            base,
            home: true,
            delegations: &self.delegations,
        }
    }
    fn verdict(&self) -> Verdict {
        let decided = self.decide();
        assert_eq!(
            decided.enacted(&self.seen).is_some() || decided.to_merge().is_some(),
            {
                let merged = self.change.landed.is_some();
                decided.verdict() == Verdict::Open && (merged || decided.merge() == MergeMode::Auto)
            }
        );
        decided.verdict()
    }
    fn against(&self) -> Vec<Rule> {
        self.decide().against().map(|because| because.rule).collect()
    }
}

/// The starter set with one file's text changed.
fn files(change: impl FnOnce(&mut Files)) -> Files {
    let mut files = Files::default();
    change(&mut files);
    files
}

fn replaced(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "no `{from}`");
    *text = text.replace(from, to);
}

fn stricter() -> Files {
    files(|files| replaced(&mut files.tiers, "escalate_after: 4h", "escalate_after: 3h"))
}

fn approved() -> Told {
    Told::bringing(&stricter()).approve(ALICE).approve(BOB)
}

#[test]
fn i02_two_owners_of_the_rules_bring_others_into_force() {
    assert_eq!(Told::bringing(&stricter()).verdict(), Verdict::Waiting);
    assert_eq!(
        Told::bringing(&stricter()).approve(ALICE).verdict(),
        Verdict::Waiting
    );
    assert_eq!(approved().verdict(), Verdict::Open);
    assert_eq!(approved().decide().to_merge(), Some(HEAD));
    assert!(approved().decide().enacted(&approved().seen).is_none());
    let merged = approved().merged(ERIN);
    assert_eq!(merged.verdict(), Verdict::Open);
    let enacted = merged.decide().enacted(&merged.seen).unwrap();
    assert_eq!(
        (enacted.old, Some(enacted.new)),
        (merged.old.digest(), merged.change.to)
    );
    assert_eq!((enacted.head, enacted.merged.by), (HEAD, Some(ERIN)));
    assert_eq!(enacted.approvers.len(), 4);
}

#[test]
fn i02_only_what_was_approved_and_on_top_of_the_rules_in_force_comes_into_force() {
    let landed = |change: fn(&mut Landed)| {
        let told = approved()
            .merged(ERIN)
            .but(|told| change(told.change.landed.as_mut().unwrap()));
        assert_eq!(told.verdict(), Verdict::Blocked);
        assert_eq!(told.against(), [Rule::Landed]);
    };
    landed(|landed| landed.sha = BASE);
    landed(|landed| landed.parents = vec![HEAD]);
    landed(|landed| landed.parents = vec![BASE, BASE]);
    landed(|landed| landed.parents = vec![BASE, HEAD, HEAD]);
    landed(|landed| landed.reachable = false);
    landed(|landed| landed.before = None);
    landed(|landed| landed.before = Some(Digest::of(b"other")));
    landed(|landed| landed.after = None);
    landed(|landed| landed.after = Some(Digest::of(b"other")));
    let unseen = approved().merged(ERIN).but(|told| told.change.landed = None);
    assert_eq!(unseen.decide().verdict(), Verdict::Errored);
}

#[test]
fn i02_a_change_begins_at_the_rules_in_force() {
    for from in [None, Some(Digest::of(b"before"))] {
        let told = approved().but(|told| told.change.from = from);
        assert_eq!(
            (told.verdict(), told.against()),
            (Verdict::Blocked, vec![Rule::UpToDate])
        );
    }
    let strayed = approved().but(|told| told.seen.policy = Seen::Known(Digest::of(b"stray")));
    assert_eq!(
        (strayed.verdict(), strayed.against()),
        (Verdict::Blocked, vec![Rule::Policy])
    );
    let unread = approved().but(|told| told.seen.policy = Seen::unknown("x"));
    assert_eq!(unread.verdict(), Verdict::Errored);
}

#[test]
fn i02_rules_that_are_none_never_pass() {
    assert_eq!(approved().but(|told| told.new = None).verdict(), Verdict::Blocked);
    let other = approved().but(|told| told.change.to = Some(Digest::of(b"other")));
    assert_eq!(other.verdict(), Verdict::Blocked);
    let same = Told::bringing(&Files::default()).approve(ALICE).approve(BOB);
    assert_eq!(
        (same.verdict(), same.against()),
        (Verdict::Blocked, vec![Rule::Compiles])
    );
}

#[test]
fn i02_both_rules_are_satisfied_by_owners_of_each() {
    let theirs = files(|files| {
        replaced(
            &mut files.owners,
            OWNED,
            "/policies/ @acme/marketing @acme/treasury",
        );
    });
    let told = || Told::bringing(&theirs);
    assert_eq!(told().approve(ALICE).approve(BOB).verdict(), Verdict::Waiting);
    assert_eq!(told().approve(ERIN).approve(BOB).verdict(), Verdict::Waiting);
    assert_eq!(told().approve(ERIN).approve(ALICE).verdict(), Verdict::Waiting);
    assert_eq!(
        told().approve(ERIN).approve(ALICE).approve(BOB).verdict(),
        Verdict::Open
    );
    let unowned = files(|files| replaced(&mut files.owners, OWNED, ""));
    for told in [Told::bringing(&unowned), Told::between(&unowned, &stricter())] {
        let told = told.approve(ALICE).approve(BOB);
        assert_eq!(told.verdict(), Verdict::Blocked);
        let decided = told.decide();
        let owners = decided.against().find(|one| one.rule == Rule::Owners).unwrap();
        assert_eq!(owners.who, ["/policies/tiers.yaml"]);
        assert_eq!(owners.could, ["/policies/ @acme/finance @acme/marketing"]);
    }
}

#[test]
fn i08_whoever_had_a_hand_in_a_change_never_approves_it() {
    let shut = |told: Told| assert_ne!(told.verdict(), Verdict::Open);
    let commits = |change: fn(&mut Commit)| {
        approved().but(|told| match &mut told.seen.commits {
            Seen::Known(commits) => commits.iter_mut().for_each(change),
            Seen::Unknown { .. } => panic!("the commits are not seen"),
        })
    };
    shut(commits(|commit| commit.author = Some(ALICE)));
    shut(commits(|commit| commit.committer = Some(ALICE)));
    shut(commits(|commit| commit.co_authors = vec![Some(ALICE)]));
    // Of several commits each counts, not the last alone.
    shut(approved().but(|told| match &mut told.seen.commits {
        Seen::Known(commits) => {
            let first = Commit {
                author: Some(ALICE),
                ..commits[0].clone()
            };
            commits.insert(0, first);
        }
        Seen::Unknown { .. } => panic!("the commits are not seen"),
    }));
    shut(commits(|commit| commit.author = None));
    shut(commits(|commit| commit.committer = None));
    shut(commits(|commit| commit.co_authors = vec![None]));
    shut(approved().but(|told| told.seen.pushers = Seen::Known(vec![DAVE, ALICE])));
    shut(approved().but(|told| told.pull().author = Some(BOB)));
    shut(approved().merged(ALICE));
    shut(approved().merged(AccountId(4_711)));
    // Carol wrote it, and her other account is carol.
    let hers = |account| {
        Told::bringing(&stricter())
            .but(|told| told.pull().author = Some(CAROL))
            .approve(account)
            .approve(BOB)
    };
    shut(hers(CAROL_ON_CALL));
    assert_eq!(hers(ALICE).verdict(), Verdict::Open);
}

#[test]
fn i08_nobody_becomes_another_person_by_the_change_they_propose() {
    let split = files(|files| {
        replaced(
            &mut files.people,
            "      - { login: carol-oncall, id: 1103 }\n",
            "",
        );
        files.people.push_str(
            "  zoe:\n    full_name: Zoe\n    accounts: [{ login: carol-oncall, id: 1103 }]\n    teams: [finance]\n",
        );
    });
    let told = |old: &Files, new: &Files| {
        Told::between(old, new)
            .but(|told| told.pull().author = Some(CAROL))
            .approve(CAROL_ON_CALL)
            .approve(BOB)
    };
    assert_eq!(told(&Files::default(), &split).verdict(), Verdict::Waiting);
    assert_eq!(told(&split, &Files::default()).verdict(), Verdict::Waiting);
}

#[test]
fn i06_an_approval_of_another_head_or_under_other_rules_does_not_count() {
    let shut = |told: Told| assert_eq!(told.verdict(), Verdict::Waiting);
    shut(approved().but(|told| told.reviews[0].review.head = BASE));
    shut(approved().but(|told| told.reviews[0].review.commit = Some(BASE)));
    shut(approved().but(|told| told.reviews[0].review.commit = None));
    shut(approved().but(|told| told.reviews[0].digests.policy = None));
    shut(approved().but(|told| told.reviews[0].digests.policy = Some(Digest::of(b"before"))));
    shut(approved().but(|told| drop(told.reviews.remove(0))));
    shut(approved().but(|told| told.live()[0].commit = Some(BASE)));
    let swept = |minutes| {
        approved().but(|told| {
            told.reviews[0].review.found = Found::Sweep {
                head_changed_at: at(minutes),
            };
        })
    };
    assert_eq!(swept(10).verdict(), Verdict::Open);
    shut(swept(11));
    // Given after the merge.
    let late = approved().merged(ERIN).but(|told| {
        told.reviews[0].review.submitted_at = at(26);
        told.live()[0].submitted_at = at(26);
    });
    assert_eq!(late.verdict(), Verdict::Waiting);
}

#[test]
fn i25_a_change_of_the_rules_brings_nothing_of_the_bot_s() {
    for path in ["proposals/payments/x/proposal.yaml", "proposal.yaml"] {
        let told = approved().but(|told| told.change.paths.push(path.into()));
        assert_eq!(
            (told.verdict(), told.against()),
            (Verdict::Blocked, vec![Rule::Scope])
        );
        assert!(!told.change.restores(told.change.to.unwrap()));
    }
    let beside = approved().but(|told| told.change.paths.push("docs/why.md".into()));
    assert_eq!(beside.verdict(), Verdict::Open);
    assert!(beside.change.touches_rules());
}

#[test]
fn the_stricter_way_of_merging_counts() {
    let manual = files(|files| {
        replaced(
            &mut files.tiers,
            "merge: auto                 # or",
            "merge: manual # or",
        )
    });
    for (old, new) in [(&Files::default(), &manual), (&manual, &Files::default())] {
        let decided = Told::between(old, new).approve(ALICE).approve(BOB).decide();
        assert_eq!(decided.verdict(), Verdict::Open);
        assert_eq!((decided.merge(), decided.to_merge()), (MergeMode::Manual, None));
    }
}

#[test]
fn teams_of_another_organisation_were_not_looked_up() {
    let elsewhere = files(|files| files.owners = files.owners.replace("@acme/", "@other/"));
    let told = Told::bringing(&elsewhere).approve(ALICE).approve(BOB);
    assert_eq!(told.verdict(), Verdict::Blocked);
}

fn entry(time: crate::domain::ids::Timestamp, digests: Digests, event: Event) -> Entry {
    Entry {
        seq: Seq(1),
        previous: None,
        time,
        semantics: 1,
        actor: Actor {
            role: Role::Gate,
            key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                .parse()
                .unwrap(),
            person: None,
            agent: None,
        },
        proposal: None,
        digests,
        event,
    }
}

#[test]
fn i02_the_record_admits_only_what_was_approved_under_the_rules_in_force() {
    let told = approved().merged(ERIN);
    let (active, new) = (told.old.digest(), told.change.to);
    let admits = |amendments: &Amendments, active, enacted: &Enacted| {
        let digests = Digests {
            policy: new,
            ..Digests::default()
        };
        let event = Event::Policy(enacted.clone());
        amendments.admissible(active, None, &event, &digests).unwrap()
    };
    let amendments = told.recorded();
    let good = told.enacted();
    assert_eq!(admits(&amendments, active, &good), Ok(()));
    assert!(matches!(
        admits(&amendments, Digest::of(b"other"), &good),
        Err(NotAmended::Stale { .. })
    ));
    assert!(matches!(
        admits(&Amendments::default(), active, &good),
        Err(NotAmended::NotRecorded { .. })
    ));
    let but = |change: fn(&mut Enacted)| {
        let mut enacted = good.clone();
        change(&mut enacted);
        admits(&amendments, active, &enacted).unwrap_err()
    };
    assert_eq!(but(|enacted| enacted.new = enacted.old), NotAmended::Same);
    assert_eq!(but(|enacted| enacted.new = Digest::of(b"x")), NotAmended::Digest);
    assert_eq!(but(|enacted| enacted.approvers.clear()), NotAmended::Nobody);
    assert_eq!(
        but(|enacted| enacted.merged.parents = vec![HEAD]),
        NotAmended::Parents
    );
    assert!(matches!(
        but(|enacted| enacted.merged.by = Some(BOB)),
        NotAmended::Releaser(_)
    ));
    assert!(matches!(
        but(|enacted| enacted.pull = PullNumber(8)),
        NotAmended::NotRecorded { .. }
    ));
    assert!(matches!(
        but(|enacted| enacted.approvers[0].account = DAVE),
        NotAmended::NotRecorded { .. }
    ));
    // Nor is what was approved of another head, or what pointed to another commit when it was recorded.
    for change in [(|review| review.head = BASE) as fn(&mut Reviewed), |review| {
        review.commit = Some(BASE)
    }] {
        let elsewhere = approved().merged(ERIN).but(|told| {
            told.reviews
                .iter_mut()
                .for_each(|recorded| change(&mut recorded.review));
        });
        assert!(matches!(
            admits(&elsewhere.recorded(), active, &good),
            Err(NotAmended::NotRecorded { .. })
        ));
    }
    let proposal = Some(Story::high().case.proposal.id);
    let event = Event::Policy(good.clone());
    let about = amendments.admissible(active, proposal, &event, &Digests::default());
    assert_eq!(about, Some(Err(NotAmended::AboutAProposal)));
    for role in Role::ALL {
        assert_eq!(event.kind().written_by(role), role == Role::Gate);
    }
    let mut after = amendments.clone();
    let digests = Digests {
        policy: new,
        ..Digests::default()
    };
    after.record(&entry(at(30), digests, event));
    assert_eq!(after.brought_by(PullNumber(7)), new);
    assert_eq!(after.pending().count(), 0);
}

#[test]
fn a_branch_of_a_fork_is_blocked_and_not_merely_unknown() {
    let told = approved().but(|told| told.seen.pushers = Seen::unknown("not of this repository"));
    assert_eq!(told.verdict(), Verdict::Errored);
    let decided = decide(&Amendment {
        old: &told.old,
        new: told.new.as_ref(),
        change: &told.change,
        reviews: &told.reviews,
        seen: &told.seen,
        base: &"main".parse().unwrap(),
        home: false,
        delegations: &told.delegations,
    });
    assert_eq!(decided.verdict(), Verdict::Blocked);
}

fn account() -> impl Strategy<Value = AccountId> {
    prop::sample::select(vec![ALICE, BOB, CAROL, CAROL_ON_CALL, DAVE, ERIN])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is said by whomever: it is open only when a person of finance and one of treasury, neither of whom had a
    /// hand in it, approve with their last word, and nobody's last word asks for changes.
    #[test]
    fn i02_open_means_that_owners_without_a_hand_in_it_approved(
        author in account(),
        said in prop::collection::vec((account(), any::<bool>()), 0..8),
        moved in prop::collection::vec(any::<bool>(), 8),
    ) {
        static STRICTER: LazyLock<Policy> = LazyLock::new(|| stricter().policy());
        let person = |account: AccountId| if account == CAROL_ON_CALL { CAROL } else { account };
        let mut told = Told::of(starter(), STRICTER.clone()).but(|told| told.pull().author = Some(author));
        if let Seen::Known(commits) = &mut told.seen.commits {
            commits[0].author = Some(author);
            commits[0].committer = Some(author);
        }
        told.seen.pushers = Seen::Known(vec![author]);
        let mut last = BTreeMap::new();
        for ((account, approves), moved) in said.into_iter().zip(moved) {
            let state = if approves { ReviewState::Approved } else { ReviewState::ChangesRequested };
            told = told.review(account, state);
            if moved && approves {
                // It was made on the head before this one.
                let newest = told.reviews.last_mut().unwrap();
                newest.review.head = Sha::from_bytes([8; 20]);
            }
            last.insert(account, (approves, moved));
        }
        let approves = |wanted: &[AccountId]| last.iter().any(|(account, (approves, moved))| {
            *approves && !moved && person(*account) != person(author) && wanted.contains(account)
                && !last.iter().any(|(other, (approves, _))| person(*other) == person(*account) && !approves)
        });
        let objects = last.values().any(|(approves, _)| !approves);
        let expected = approves(&[ALICE, CAROL, CAROL_ON_CALL]) && approves(&[BOB]) && !objects;
        prop_assert_eq!(told.verdict() == Verdict::Open, expected, "{:?}", told.decide());
    }
}
