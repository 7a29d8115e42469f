//! Effects that were applied need not be applied again.

use proptest::prelude::*;

use super::*;
use crate::domain::{case::Life, fixture::*};

/// What would be seen after an effect.
fn after(mut seen: Published, effect: &Effect, wanted: &Published) -> Published {
    match effect {
        Effect::RestoreText => (seen.title, seen.body) = (wanted.title, wanted.body),
        Effect::Ask(owners) => {
            seen.further.retain(|owner, _| !owners.contains(owner));
            if wanted.asked == Asked::These(owners.clone()) {
                seen.asked = Asked::Somebody;
            }
        }
        Effect::PutCheck(check) => seen.check = Some(check.clone()),
        Effect::PutOutcome(says) => seen.outcome = Some(*says),
        Effect::Close => seen.open = false,
        Effect::Merge(_) => (seen.open, seen.merged) = (false, true),
    }
    seen
}

fn digest() -> impl Strategy<Value = Digest> {
    (0..3_u8).prop_map(|n| Digest::of(&[n]))
}

fn check() -> impl Strategy<Value = CheckShown> {
    let conclusion = prop::sample::select(vec![
        Conclusion::Success,
        Conclusion::Failure,
        Conclusion::ActionRequired,
    ]);
    (prop::sample::select(vec![HEAD, BASE]), conclusion, digest()).prop_map(|(head, conclusion, says)| {
        CheckShown {
            head,
            conclusion,
            says,
        }
    })
}

fn seen() -> impl Strategy<Value = Published> {
    let asked = prop::sample::select(vec![Asked::Nobody, Asked::Somebody]);
    (
        any::<bool>(),
        digest(),
        digest(),
        prop::option::of(check()),
        asked,
        prop::option::of(digest()),
        any::<bool>(),
    )
        .prop_map(|(open, title, body, check, asked, outcome, merged)| Published {
            pull: PullNumber(42),
            open: open && !merged,
            title,
            body,
            check,
            asked,
            further: BTreeMap::new(),
            outcome,
            merged,
        })
}

/// What is wanted of a case that was approved, or not, in any life.
fn wanted_of() -> impl Strategy<Value = Published> {
    (
        prop::sample::select(Life::ALL.to_vec()),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_filter_map("not opened", |(life, one, two)| {
            let mut story = Story::high();
            if one {
                story = story.approve(ALICE);
            }
            if two {
                story = story.approve(BOB);
            }
            story.case.life = life;
            wanted(&story.case, &story.decide(), &story.policy, Beside::default())
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn i26_applied_effects_are_not_wanted_again(wanted in wanted_of(), seen in seen()) {
        let effects = reconcile(&wanted, &seen);
        let end = effects.iter().fold(seen, |seen, effect| after(seen, effect, &wanted));
        prop_assert_eq!(reconcile(&wanted, &end), Vec::new());
        // Nor when somebody applied a part of them and stopped.
        prop_assert!(effects.iter().filter(|effect| matches!(effect, Effect::Merge(_) | Effect::Close)).count() <= 1);
    }

    #[test]
    fn i26_effects_that_stopped_half_way_are_finished(wanted in wanted_of(), seen in seen(), stop in 0..6_usize) {
        let half = reconcile(&wanted, &seen).iter().take(stop).fold(seen.clone(), |seen, effect| after(seen, effect, &wanted));
        let rest = reconcile(&wanted, &half).iter().fold(half, |seen, effect| after(seen, effect, &wanted));
        let whole = reconcile(&wanted, &seen).iter().fold(seen, |seen, effect| after(seen, effect, &wanted));
        prop_assert_eq!(rest, whole);
    }
}

#[test]
fn i27_github_is_never_told_neutral_or_skipped() {
    let all = [
        Conclusion::Success,
        Conclusion::Failure,
        Conclusion::ActionRequired,
    ];
    assert_eq!(
        all.map(Conclusion::as_str),
        ["success", "failure", "action_required"]
    );
}

#[test]
fn i27_only_an_open_gate_and_its_success_conclude_success() {
    for life in Life::ALL {
        for verdict in [
            Verdict::Open,
            Verdict::Waiting,
            Verdict::Blocked,
            Verdict::Errored,
        ] {
            let success = conclusion(life, verdict) == Conclusion::Success;
            let open = matches!(life, Life::Open | Life::Merged) && verdict == Verdict::Open;
            assert_eq!(
                success,
                open || matches!(life, Life::Started | Life::Executed),
                "{life} {verdict}"
            );
        }
    }
}

#[test]
fn i15_the_bot_merges_an_open_gate_only() {
    let merges = |story: &Story| {
        wanted(&story.case, &story.decide(), &story.policy, Beside::default())
            .unwrap()
            .merged
    };
    assert!(!merges(&Story::high().approve(ALICE)));
    assert!(merges(&Story::high().approve(ALICE).approve(BOB)));
    let manual = Files {
        tiers: TIERS.replace("merge: auto", "merge: manual"),
        ..Files::default()
    };
    assert!(!merges(&Story::under(&manual).approve(ALICE).approve(BOB)));
}

fn person(name: &str) -> Owner {
    Owner::Person(name.parse().unwrap())
}

fn team(name: &str) -> Owner {
    Owner::Team(name.parse().unwrap())
}

#[test]
fn owners_and_the_consulted_are_asked_and_only_owners_are_needed() {
    let story = Story::medium();
    let want = wanted(&story.case, &story.decide(), &story.policy, Beside::default()).unwrap();
    assert_eq!(
        want.asked,
        Asked::These([team("marketing"), team("finance")].into())
    );
    assert!(want.further.is_empty());
    // Alice is of finance, which is consulted: her word opens nothing.
    assert_eq!(Story::medium().approve(ALICE).verdict(), Verdict::Waiting);
    assert_eq!(Story::medium().approve(DAVE).verdict(), Verdict::Open);
}

#[test]
fn an_escalation_asks_further_people_and_lowers_nothing() {
    let files = Files {
        people: PEOPLE
            .replace("  alice:\n", "  alice:\n    stand_ins: [bob, carol, erin]\n")
            .replace("  dave:\n", "  dave:\n    stand_ins: [alice]\n"),
        catalog: CATALOG.replacen("accountable: finance", "accountable: dave", 1),
        ..Files::default()
    };
    let mut story = Story::under(&files);
    let further = |story: &Story| {
        let want = wanted(&story.case, &story.decide(), &story.policy, Beside::default()).unwrap();
        want.further.into_keys().collect::<Vec<_>>()
    };
    assert!(further(&story).is_empty());
    let before = story.verdict();
    story.case.escalated = true;
    // Carol is the sponsor; dave owns nothing here, so nobody stands in for him; bob is asked by name.
    assert_eq!(further(&story), [person("bob"), person("dave"), person("erin")]);
    assert_eq!(story.verdict(), before);
    let edited = story.clone().but(|story| {
        story.case.edited.insert(ERIN, Default::default());
    });
    assert_eq!(further(&edited), [person("bob"), person("dave")]);
    let ended = story.clone().but(|story| story.case.life = Life::Expired);
    assert!(further(&ended).is_empty());
    let one = story.approve(ALICE).approve(DAVE).approve(ERIN);
    assert_ne!(one.verdict(), Verdict::Open);
}

#[test]
fn whoever_was_asked_already_is_not_asked_again() {
    let mut story = Story::high();
    story.case.escalated = true;
    let mut want = wanted(&story.case, &story.decide(), &story.policy, Beside::default()).unwrap();
    want.further = [(person("erin"), [ERIN].into()), (person("dave"), [DAVE].into())].into();
    let mut seen = Published {
        asked: Asked::Somebody,
        ..want.clone()
    };
    seen.further.retain(|owner, _| *owner == person("erin"));
    assert_eq!(reconcile(&want, &seen), [Effect::Ask([person("erin")].into())]);
    seen.further.clear();
    assert_eq!(reconcile(&want, &seen), []);
}
