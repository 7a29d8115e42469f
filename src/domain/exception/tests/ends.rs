//! How an exception ends: it ages as an approval does, and whoever granted it takes it back.

use super::*;
use crate::domain::entry::Withdrawn;

const DAY: i64 = 24 * 60;

#[test]
fn i12_an_exception_counts_as_long_as_an_approval_of_its_gate() {
    // Approvals of the eleventh and twelfth minute, an exception of the fifth.
    let story = || approved().except("big", DAVE, 5);
    let seen = |minutes| move |story: &mut Story| story.seen.at = at(minutes);
    assert_eq!(story().but(seen(DAY + 5)).verdict(), Verdict::Open);
    let aged = story().but(seen(DAY + 6));
    assert_eq!(aged.against(), ["Checks Missing"]);
    let decision = aged.decide();
    let old = decision
        .because()
        .iter()
        .find(|one| one.rule == Rule::TooOld)
        .unwrap();
    assert_eq!(
        (old.section.as_deref(), old.who.as_slice()),
        (Some("big"), &["dave".to_owned()][..])
    );
    // It is judged at the merge, and granted again by the same person or another.
    assert_eq!(
        story().merged(ME, DAY + 5).but(seen(DAY + 20)).verdict(),
        Verdict::Open
    );
    shut(story().merged(ME, DAY + 6));
    for account in [DAVE, ERIN] {
        let big = "big".parse().unwrap();
        let may = grantable(&aged.case, &aged.seen, &aged.policy, &big, account);
        assert_eq!(may, Ok(()));
        let again = aged.clone().except("big", account, DAY + 6);
        assert_eq!(again.verdict(), Verdict::Open);
    }
}

#[test]
fn whoever_granted_it_takes_it_back_and_nobody_else() {
    let big: CheckName = "big".parse().unwrap();
    let story = approved().except("big", DAVE, 20);
    assert_eq!(story.verdict(), Verdict::Open);
    let ask = |story: &Story, account| granted_by(&story.case, &story.policy, &big, account);
    assert_eq!(ask(&story, DAVE), Ok(vec![heard(DAVE, 20).comment]));
    for other in [ERIN, ALICE, AccountId(77)] {
        assert_eq!(ask(&story, other), Err(NotGranted::NotYours(big.clone())));
    }
    let back = story.withdraw("big", DAVE, 25);
    assert_eq!(back.against(), ["Checks Missing"]);
    assert_eq!(ask(&back, DAVE), Err(NotGranted::NotYours(big.clone())));
    // It stays away, and another one stands beside it.
    assert_eq!(back.clone().except("big", DAVE, 26).verdict(), Verdict::Open);
    assert_eq!(back.except("big", ERIN, 26).verdict(), Verdict::Open);
}

#[test]
fn whoever_took_it_back_may_approve_again() {
    let both = BIG.replace("[marketing, erin]", "[finance, treasury, marketing]");
    let files = Files {
        checks: vec![("checks/big.yaml", both.leak())],
        ..files()
    };
    let story = Story::under(&files)
        .approve(ALICE)
        .approve(BOB)
        .except("big", BOB, 20);
    assert_eq!(story.against(), ["Approvals Missing"]);
    let back = story.withdraw("big", BOB, 21);
    assert_eq!(back.against(), ["Checks Missing"]);
    assert_eq!(back.except("big", DAVE, 22).verdict(), Verdict::Open);
}

#[test]
fn a_command_takes_back_with_or_without_a_reason() {
    let Story { case, policy, .. } = denied();
    let delivery = "d-1".parse().unwrap();
    let asked = |text| {
        let comment = Comment {
            text,
            by: policy.person(&"dave".parse().unwrap()).unwrap(),
            id: crate::domain::ids::CommentId(1),
            account: DAVE,
            delivery: &delivery,
            at: at(5),
        };
        command::asked(comment, &case, &policy).unwrap()
    };
    for (text, reason) in [
        ("/exception big withdraw", None),
        (
            "/exception big withdraw  it was the wrong\u{20}invoice",
            Some("it was the wrong invoice"),
        ),
    ] {
        let Ok(Wish::Withdraw(said)) = asked(text) else {
            panic!("{text}");
        };
        assert_eq!((said.check.as_str(), said.reason.as_deref()), ("big", reason));
    }
    assert!(
        asked("/exception bgi withdraw")
            .unwrap_err()
            .contains("did you mean `big`?")
    );
    assert!(matches!(
        asked("/exception big withdrawn goods"),
        Ok(Wish::Except(_))
    ));
}

#[test]
fn i17_the_ledger_takes_back_what_stands_and_nothing_else() {
    let story = approved().except("big", DAVE, 20);
    let said = |check: &str, granted| Withdrawn {
        check: check.parse().unwrap(),
        granted,
        reason: None,
        heard: heard(DAVE, 25),
    };
    let dave = "dave".parse().unwrap();
    let given = || vec![heard(DAVE, 20).comment];
    assert_eq!(
        retractable(&story.case, &said("big", given()), Some(&dave)),
        Ok(())
    );
    assert_eq!(
        retractable(&story.case, &said("big", given()), None),
        Err(NotGranted::Nobody)
    );
    for wrong in [
        said("big", Vec::new()),
        said("big", vec![heard(ERIN, 20).comment]),
        said("text", given()),
        said("big", vec![heard(DAVE, 20).comment, heard(ERIN, 20).comment]),
    ] {
        let refused = retractable(&story.case, &wrong, Some(&dave));
        assert_eq!(refused, Err(NotGranted::NotStanding(wrong.check)));
    }
    let back = story.withdraw("big", DAVE, 25);
    assert!(retractable(&back.case, &said("big", given()), Some(&dave)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// However they are granted and taken back, and whenever it is decided: it is open only on an exception by one who
    /// may, not taken back and not too old.
    #[test]
    fn i12_an_aged_or_withdrawn_exception_never_opens(
        words in prop::collection::vec(
            (prop::sample::select(vec![ALICE, CAROL, DAVE, ERIN]), 2..30_i64, prop::bool::weighted(0.4)),
            0..6,
        ),
        decided_at in prop_oneof![30..200_i64, DAY..DAY + 11],
        merged in any::<bool>(),
    ) {
        let mut story = approved();
        let mut standing: Vec<(AccountId, i64)> = Vec::new();
        for (account, minutes, withdraws) in words {
            if withdraws {
                story = story.withdraw("big", account, minutes);
                standing.retain(|(by, _)| *by != account);
            } else {
                story = story.except("big", account, minutes);
                standing.push((account, minutes));
            }
        }
        let story = match merged {
            true => story.merged(ME, decided_at),
            false => story.but(|s| s.seen.at = at(decided_at)),
        };
        let good = |(by, minutes): &(AccountId, i64)| [DAVE, ERIN].contains(by) && decided_at - minutes <= DAY;
        let open = standing.iter().any(good);
        prop_assert_eq!(story.verdict() == Verdict::Open, open, "{:#?}", story.decide().because());
        let facts = facts_of(&story.case, Some(&story.seen));
        prop_assert_eq!(judge(&facts, &story.policy).gate == Verdict::Open, open);
    }
}
