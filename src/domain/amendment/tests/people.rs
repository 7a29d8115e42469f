//! Who approves a change of the rules besides its owners, for how long, and who is asked to.

use super::*;
use crate::domain::{entry::Delegated, ids::CommentId, policy::Owner};

/// The rules in force, and stricter ones, both as somebody's stand-ins are.
fn with_stand_ins(old: &str, new: &str) -> Told {
    let people = |line: &str| PEOPLE.replace("  alice:\n", &format!("  alice:\n{line}"));
    let before = files(|files| files.people = people(old));
    let after = files(|files| {
        files.people = people(new);
        replaced(&mut files.tiers, "escalate_after: 4h", "escalate_after: 3h");
    });
    Told::between(&before, &after)
}

const ERIN_STANDS_IN: &str = "    stand_ins: [erin]\n";

fn absent(actions: &[&str]) -> impl FnOnce(&mut Told) {
    let said = Delegated {
        owner: "alice".parse().unwrap(),
        stand_in: Some("erin".parse().unwrap()),
        from: at(2),
        until: at(20),
        actions: actions.iter().map(|name| name.parse().unwrap()).collect(),
        reason: None,
        account: ALICE,
        comment: CommentId(9),
        delivery: "d-9".parse().unwrap(),
    };
    |told| told.delegations.record(at(2), said)
}

#[test]
fn i02_a_stand_in_counts_for_an_absent_owner_of_the_rules_where_both_rules_let_them() {
    let both = || with_stand_ins(ERIN_STANDS_IN, ERIN_STANDS_IN);
    let approved = |told: Told| told.approve(BOB).approve(ERIN);
    let open = approved(both().but(absent(&[])));
    assert_eq!(open.verdict(), Verdict::Open, "{:#?}", open.decide());
    let named = approved(both().but(absent(&["policies.change"])));
    assert_eq!(named.verdict(), Verdict::Open);
    // For other actions only, for nobody, or after it ended.
    let other = approved(both().but(absent(&["payments.create"])));
    assert_eq!(other.verdict(), Verdict::Waiting);
    assert_eq!(approved(both()).verdict(), Verdict::Waiting);
    let comments =
        |told: Told, number| (0..number).fold(told, |told, _| told.review(DAVE, ReviewState::Commented));
    let late = comments(both().but(absent(&[])).approve(BOB), 9);
    assert_eq!(late.approve(ERIN).verdict(), Verdict::Waiting);
    // New rules name nobody for themselves, and old ones nobody whom the new ones do not.
    for (old, new) in [("", ERIN_STANDS_IN), (ERIN_STANDS_IN, "")] {
        let one = approved(with_stand_ins(old, new).but(absent(&[])));
        assert_eq!(one.verdict(), Verdict::Waiting, "{old:?} {new:?}");
    }
}

#[test]
fn i08_nobody_stands_in_for_whoever_had_a_hand_in_the_change() {
    let both = || with_stand_ins(ERIN_STANDS_IN, ERIN_STANDS_IN).but(absent(&[]));
    let by_the_owner = both().but(|told| told.seen.pushers = Seen::Known(vec![ALICE]));
    assert_eq!(
        by_the_owner.approve(BOB).approve(ERIN).verdict(),
        Verdict::Waiting
    );
    let by_the_stand_in = both().but(|told| told.seen.pushers = Seen::Known(vec![DAVE, ERIN]));
    assert_eq!(
        by_the_stand_in.approve(BOB).approve(ERIN).verdict(),
        Verdict::Waiting
    );
}

#[test]
fn i12_an_approval_of_a_change_of_the_rules_ages_by_the_gate_of_each() {
    let day = 24 * 60;
    let seen_at = |minutes| move |told: &mut Told| told.seen.at = at(minutes);
    let told = || Told::bringing(&stricter()).approve(ALICE).approve(BOB);
    assert_eq!(told().but(seen_at(day + 11)).verdict(), Verdict::Open);
    let aged = told().but(seen_at(day + 12));
    assert_eq!(aged.against(), [Rule::Approvals, Rule::Approvals]);
    let noted = aged.decide();
    let too_old = |because: &[Because]| {
        because
            .iter()
            .any(|one| one.rule == Rule::TooOld && one.who == ["alice"])
    };
    assert!(too_old(noted.under(Under::Old)) && too_old(noted.under(Under::New)));
    // The shorter of the two counts, whichever it is.
    let shorter = files(|files| {
        replaced(
            &mut files.tiers,
            "approval_valid_for: 24h",
            "approval_valid_for: 5m",
        );
    });
    for (old, new) in [(Files::default(), shorter.clone()), (shorter, Files::default())] {
        let told = Told::between(&old, &new).approve(ALICE).approve(BOB);
        assert_eq!(told.against(), [Rule::Approvals]);
    }
    // It is judged at the merge, however late that is seen.
    let merged = told().merged(ERIN).but(seen_at(3 * day));
    assert_eq!(merged.verdict(), Verdict::Open);
    let merged_late = told().merged(ERIN).but(|told| {
        told.seen.at = at(3 * day);
        if let PullState::Merged { at: merged, .. } = &mut told.pull().state {
            *merged = at(day + 12);
        }
    });
    assert_eq!(merged_late.verdict(), Verdict::Waiting);
}

#[test]
fn i08_owners_are_asked_and_nobody_who_had_a_hand_in_it() {
    let names = |told: &Told| -> Vec<String> {
        let base = "main".parse().unwrap();
        let asked = asked(&told.at(&base), &told.decide());
        asked.keys().map(Owner::to_string).collect()
    };
    let told = Told::bringing(&stricter());
    assert_eq!(names(&told), ["finance", "treasury"]);
    // The only one of treasury wrote it.
    let by_bob = told.but(|told| told.seen.pushers = Seen::Known(vec![BOB]));
    assert_eq!(names(&by_bob), ["finance"]);
    // Owners by the new rules are asked, too.
    let others = files(|files| {
        replaced(&mut files.owners, OWNED, "/policies/ @acme/treasury @alice @dave");
    });
    let told = Told::bringing(&others);
    assert_eq!(
        names(&told),
        ["alice", "finance", "treasury"],
        "and not its author"
    );
    // What can't come into force is nobody's to read.
    let draft = told.but(|told| told.pull().draft = true);
    assert!(names(&draft).is_empty());
    let broken = Told::bringing(&stricter()).but(|told| told.new = None);
    assert!(names(&broken).is_empty());
    let unread = Told::bringing(&stricter()).but(|told| told.seen.pushers = Seen::unknown("timeout"));
    assert!(names(&unread).is_empty());
}
