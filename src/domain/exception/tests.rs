//! Who departs from what, and what that never opens.

use proptest::{prelude::*, sample::Index};

use super::*;

mod ends;

use crate::domain::{
    case::Life,
    checks::Problem,
    command::{self, Wish},
    comment::Comment,
    entry::Event,
    facts::{Facts, facts_of, judge},
    fixture::*,
    gate::Verdict,
    ids::{Digest, Sha},
    observation::Seen,
    proposal::ExceptionAsked,
};

const BIG: &str = "level: deny\nsummary: Nothing above ten thousand\nexpression: params.amount.minor <= 1000000\nmessage: above ten thousand\nremedy: propose less\nexceptions: { approvers: [marketing, erin] }\n";

fn files() -> Files {
    Files {
        catalog: CATALOG.replace(
            "checks: [text]\n    sensitive: [params.iban]",
            "checks: [text, big]\n    sensitive: [params.iban]",
        ),
        checks: vec![("checks/big.yaml", BIG)],
        ..Files::default()
    }
}

/// A payment that `big` denies; dave and erin of marketing may depart from that.
fn denied() -> Story {
    Story::under(&files())
}

fn approved() -> Story {
    denied().approve(ALICE).approve(BOB)
}

/// The same under rules whose check could not run.
fn errored() -> Story {
    let checks = BIG.replace("params.amount.minor <= 1000000", "params.amount.minor / 0 <= 1");
    let files = Files {
        checks: vec![("checks/big.yaml", checks.leak())],
        ..files()
    };
    Story::under(&files).approve(ALICE).approve(BOB)
}

#[test]
fn a_named_approver_departs_from_a_denied_check_and_who_did_is_told() {
    let story = approved();
    assert_eq!(story.against(), ["Checks Missing"]);
    let decision = story.decide();
    let checks = decision.against().next().unwrap();
    assert_eq!(checks.who, ["big"]);
    assert_eq!(checks.could, ["dave (marketing)", "erin (marketing)", "erin"]);
    let story = story.except("big", DAVE, 20);
    assert_eq!(story.verdict(), Verdict::Open, "{:#?}", story.decide().because());
    stands(&story, Rule::Checks, Standing::Holds);
    let decision = story.decide();
    let noted = decision
        .because()
        .iter()
        .find(|one| one.rule == Rule::Exception)
        .unwrap();
    assert_eq!(
        (noted.section.as_deref(), noted.who.as_slice()),
        (Some("big"), &["dave".to_owned()][..])
    );
    assert_eq!(story.merged(ME, 40).verdict(), Verdict::Open);
}

#[test]
fn i08_no_party_and_nobody_else_departs() {
    // The sponsor by each account, owners whom the check does not name, and a stranger.
    for account in [CAROL, CAROL_ON_CALL, ALICE, BOB, ME, AccountId(77)] {
        let story = approved().except("big", account, 20);
        assert_eq!(story.against(), ["Checks Missing"], "{account}");
        stands(&story, Rule::NotExcepted, Standing::Noted);
    }
    // Named, and had a hand in it.
    let pushed = approved()
        .except("big", DAVE, 20)
        .but(|s| s.seen.pushers = Seen::Known(vec![ME, DAVE]));
    assert_eq!(pushed.against(), ["Checks Missing"]);
    let merged = approved().except("big", DAVE, 20).merged(DAVE, 40);
    shut(merged);
    // Named, and sponsors it.
    let people = PEOPLE
        .replace("  carol:\n", "  carol:\n    # of marketing, too\n")
        .replace(
            "      - { login: carol-oncall, id: 1103 }\n    teams: [finance]",
            "      - { login: carol-oncall, id: 1103 }\n    teams: [finance, marketing]",
        );
    let story = Story::under(&Files { people, ..files() })
        .approve(ALICE)
        .approve(BOB);
    assert_eq!(story.except("big", CAROL, 20).against(), ["Checks Missing"]);
}

#[test]
fn i08_whoever_departs_does_not_approve_besides() {
    let both = BIG.replace("[marketing, erin]", "[finance, treasury]");
    let files = Files {
        checks: vec![("checks/big.yaml", both.leak())],
        ..files()
    };
    let story = Story::under(&files)
        .approve(ALICE)
        .approve(BOB)
        .except("big", BOB, 20);
    assert_eq!(story.against(), ["Approvals Missing"]);
    stands(&story, Rule::SeparationOfDuties, Standing::Noted);
}

#[test]
fn i09_whoever_left_the_team_or_may_not_write_any_more_departs_no_more() {
    let team = || "marketing".parse().unwrap();
    let story = || approved().except("big", DAVE, 20);
    let left = story().but(|s| {
        s.seen.memberships.insert(team(), Seen::Known(vec![ERIN]));
    });
    assert_eq!(left.against(), ["Checks Missing"]);
    for gone in [
        story().but(|s| {
            s.seen.memberships.insert(team(), Seen::unknown("timeout"));
        }),
        story().but(|s| {
            s.seen.memberships.remove(&team());
        }),
        story().but(|s| {
            s.seen.permissions.remove(&DAVE);
        }),
    ] {
        assert_eq!(gone.against(), ["Checks Errored"]);
    }
    let read = story().but(|s| {
        let read = crate::domain::observation::Permission::Read;
        s.seen.permissions.insert(DAVE, Seen::Known(read));
    });
    assert_eq!(read.against(), ["Checks Missing"]);
}

#[test]
fn i06_an_exception_on_anything_else_is_none() {
    type Change = fn(&mut RecordedException);
    let other = Digest::of(b"other");
    let changes: [Change; 5] = [
        |one| one.exception.heard.head = Sha::from_bytes([9; 20]),
        |one| one.digests.action = None,
        |one| one.digests.presentation = Some(Digest::of(b"other")),
        |one| one.digests.policy = Some(Digest::of(b"other")),
        |one| one.exception.check = "text".parse().unwrap(),
    ];
    for change in changes {
        let story = approved()
            .except("big", DAVE, 20)
            .but(|s| s.case.exceptions.iter_mut().for_each(change));
        assert_eq!(story.against(), ["Checks Missing"]);
    }
    let unshown = approved()
        .except("big", DAVE, 20)
        .but(|s| s.case.presentation = Some(other));
    shut(unshown);
    // Said after the merge.
    shut(approved().except("big", DAVE, 41).merged(ME, 40));
}

#[test]
fn i10_a_check_that_could_not_run_is_never_departed_from() {
    let story = errored();
    assert_eq!(story.against(), ["Checks Errored"]);
    assert_eq!(
        story.clone().except("big", DAVE, 20).against(),
        ["Checks Errored"]
    );
    let check = "big".parse().unwrap();
    let no = grantable(&story.case, &story.seen, &story.policy, &check, DAVE);
    assert_eq!(no, Err(NotGranted::Errored(check)));
}

#[test]
fn i29_secrets_are_never_departed_from() {
    let story = approved();
    let mut assessed = story.case.assessment.clone();
    assessed.checks.push(CheckResult::of(
        &NEVER.parse().unwrap(),
        vec![Problem {
            level: Level::Deny,
            at: String::new(),
            found: "a key".into(),
            remedy: "leave it out".into(),
        }],
    ));
    let secrets = NEVER.parse().unwrap();
    let grants = [Grant {
        check: &secrets,
        account: DAVE,
        at: at(20),
    }];
    let departures = departures(
        &assessed,
        &story.policy,
        Some(&BTreeSet::new()),
        (&grants, at(30)),
        &story.seen,
    );
    assert_eq!(departures.rules[0].standing, Standing::Blocks);
    let case = Case {
        assessment: assessed,
        ..story.case
    };
    let no = grantable(&case, &story.seen, &story.policy, &secrets, DAVE);
    assert_eq!(no, Err(NotGranted::Never(secrets)));
}

#[test]
fn who_may_grant_is_told_before_anything_is_recorded() {
    let story = approved();
    let big: CheckName = "big".parse().unwrap();
    let ask = |story: &Story, check: &str, account| {
        grantable(
            &story.case,
            &story.seen,
            &story.policy,
            &check.parse().unwrap(),
            account,
        )
        .map_err(|no| no.to_string())
    };
    assert_eq!(ask(&story, "big", DAVE), Ok(()));
    assert_eq!(
        ask(&story, "big", CAROL).unwrap_err(),
        "its sponsor and whoever wrote, pushed or merged it grant no exception; ask dave (marketing) or erin (marketing) or erin"
    );
    assert!(
        ask(&story, "big", BOB)
            .unwrap_err()
            .starts_with("exceptions from `big` are granted by others; ask dave")
    );
    assert!(
        ask(&story, "text", DAVE)
            .unwrap_err()
            .starts_with("`text` does not deny this proposal")
    );
    let unread = story.clone().but(|s| s.seen.memberships.clear());
    assert_eq!(
        grantable(&unread.case, &unread.seen, &unread.policy, &big, DAVE),
        Err(NotGranted::Unknown)
    );
    let granted = story.except("big", DAVE, 20);
    assert_eq!(
        ask(&granted, "big", ERIN).unwrap_err(),
        "dave has granted an exception from `big` already; nothing more is needed"
    );
}

fn heard_as(text: &str, case: &Case, policy: &Policy) -> Result<Departure, String> {
    let comment = Comment {
        text,
        by: policy.person(&"dave".parse().unwrap()).unwrap(),
        id: crate::domain::ids::CommentId(1),
        account: DAVE,
        delivery: &"d-1".parse().unwrap(),
        at: at(5),
    };
    match command::asked(comment, case, policy).unwrap()? {
        Wish::Except(departure) => Ok(departure),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_names_a_failed_check_and_a_reason() {
    let Story { case, policy, .. } = denied();
    let said = heard_as("/exception big it is the yearly  invoice\nthanks", &case, &policy).unwrap();
    assert_eq!(
        (said.check.as_str(), said.reason.as_deref()),
        ("big", Some("it is the yearly invoice"))
    );
    let refused = |text: &str| heard_as(text, &case, &policy).unwrap_err();
    assert_eq!(refused("/exception"), USAGE_TEXT);
    assert_eq!(
        refused("/exception bgi x"),
        "unknown check `bgi`; did you mean `big`?"
    );
    assert_eq!(
        refused("/exception consent x"),
        "unknown check `consent`; name one that denied this proposal: `big`"
    );
    assert!(refused("/exception big").starts_with("the agent did not ask for an exception from `big`"));
    assert!(refused(&format!("/exception big {}", "x".repeat(201))).starts_with("the reason has at most"));
    // What the agent asked for takes no further words.
    let mut asked = request("payments.create", "carol", payment());
    asked.exceptions = vec![ExceptionAsked {
        check: "big".parse().unwrap(),
        reason: "a yearly invoice".into(),
    }];
    let story = Story::of(asked, "payments-agent", files().policy());
    let said = heard_as("/exception big", &story.case, &story.policy).unwrap();
    assert_eq!(said.reason, None);
    assert_eq!(story.approve(ALICE).approve(BOB).against(), ["Checks Missing"]);
}

const USAGE_TEXT: &str = "write `/exception CHECK`, then why this proposal should pass it";

#[test]
fn low_tier_asks_nobody_and_has_no_exceptions() {
    let story = Story::low().but(|s| {
        let assessment = denied().case.assessment;
        s.case.assessment.checks = assessment.checks;
        s.case.life = Life::Received;
    });
    shut(story.except("big", DAVE, 20));
}

/// Grants by anybody for anything.
fn grants() -> impl Strategy<Value = Vec<(&'static str, AccountId, i64)>> {
    let account = prop::sample::select(vec![
        ALICE,
        BOB,
        CAROL,
        CAROL_ON_CALL,
        DAVE,
        ERIN,
        ME,
        AccountId(77),
    ]);
    let check = prop_oneof![8 => Just("big"), 1 => Just("text"), 1 => Just("secrets")];
    prop::collection::vec((check, account, 2..60_i64), 0..4)
}

fn with(story: Story, grants: &[(&str, AccountId, i64)]) -> Story {
    grants.iter().fold(story, |story, (check, account, minutes)| {
        story.except(check, *account, *minutes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn i10_no_exception_opens_a_gate_on_an_errored_check(grants in grants()) {
        prop_assert_eq!(with(errored(), &grants).verdict(), Verdict::Errored);
    }

    /// Only a standing exception by somebody whom the check names opens it, and dropping the last one shuts it.
    #[test]
    fn i08_only_an_exception_by_one_who_may_opens(grants in grants()) {
        let story = with(approved(), &grants);
        let good = |(check, account, at): &&(&str, AccountId, i64)| {
            *check == "big" && [DAVE, ERIN].contains(account) && *at <= 30
        };
        let may = grants.iter().any(|one| good(&one));
        prop_assert_eq!(story.verdict() == Verdict::Open, may, "{:#?}", story.decide().because());
    }

    #[test]
    fn dropping_an_exception_never_opens(account in prop::sample::select(vec![ALICE, BOB, DAVE]), which in any::<Index>()) {
        let all = BIG.replace("[marketing, erin]", "[marketing, finance, treasury]");
        let files = Files { checks: vec![("checks/big.yaml", all.leak())], ..files() };
        let story = with(
            Story::under(&files).approve(ALICE).approve(BOB),
            &[("big", account, 20)],
        );
        let mut without = story.clone();
        without.case.exceptions.remove(which.index(1));
        prop_assert_ne!(without.verdict(), Verdict::Open);
        prop_assert_eq!(story.verdict() == Verdict::Open, account == DAVE);
    }

    #[test]
    fn facts_know_what_was_granted(grants in grants()) {
        let story = with(approved(), &grants);
        let written = serde_json::to_string(&facts_of(&story.case, Some(&story.seen))).unwrap();
        let facts: Facts = serde_json::from_str(&written).unwrap();
        let judged = judge(&facts, &story.policy);
        let decision = story.decide();
        let about = |because: &[Because]| -> Vec<Because> {
            let rules = [Rule::Checks, Rule::Exception, Rule::NotExcepted, Rule::Approvals];
            because.iter().filter(|one| rules.contains(&one.rule)).cloned().collect()
        };
        prop_assert_eq!(about(&judged.because), about(decision.because()));
        prop_assert_eq!(judged.gate == Verdict::Open, decision.verdict() == Verdict::Open);
    }

    #[test]
    fn i17_the_ledger_takes_no_exception_that_could_not_hold(
        check in prop::sample::select(vec!["big", "text", "secrets", "nothing"]),
        named in any::<bool>(),
        on_head in any::<bool>(),
    ) {
        let story = approved();
        let mut heard = heard(DAVE, 20);
        if !on_head {
            heard.head = BASE;
        }
        let said = Exception { check: check.parse().unwrap(), reason: None, heard };
        let person = named.then(|| "dave".parse().unwrap());
        let admitted = admissible(&story.case, &said, &digests(&story.case), person.as_ref());
        prop_assert_eq!(admitted.is_ok(), check == "big" && named && on_head);
        prop_assert!(story.case.allows(&Event::Exception(said)));
    }
}
