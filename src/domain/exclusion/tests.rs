//! What runs only ever shrinks.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::subsequence};
use serde_json::json;

use super::*;
use crate::domain::{
    command::{self, Wish},
    comment::Comment,
    facts::{Facts, facts_of, judge},
    fixture::*,
    gate::{Because, Rule, Standing, Verdict},
    request::{Request, RequestItem},
    warrant::{Warrant, plan},
};

fn batch(count: usize) -> Request {
    let mut asked = request("payments.create", "carol", payment());
    asked.parameters = None;
    asked.items = (1..=count)
        .map(|n| {
            let mut parameters = payment();
            parameters["reference"] = json!(format!("INV-{n}"));
            RequestItem {
                id: n.to_string().parse().unwrap(),
                parameters,
            }
        })
        .collect();
    asked
}

fn three() -> Story {
    Story::of(batch(3), "payments-agent", starter())
}

/// The items of the plan once it is merged.
fn planned(story: &Story) -> Vec<String> {
    let open = story.decide().open().unwrap();
    let warrant = Warrant::merged(open, story.merge()).unwrap();
    let plan = plan(warrant, &story.policy).unwrap();
    plan.items().iter().map(|plan| plan.item.to_string()).collect()
}

#[test]
fn what_approvers_exclude_is_not_planned_and_approvals_stay() {
    let story = three().approve(ALICE).approve(BOB);
    assert_eq!(story.verdict(), Verdict::Open);
    assert_eq!(planned(&story.clone().merged(ME, 40)), ["1", "2", "3"]);
    let story = story.exclude(&["2"], ALICE, 20).merged(ME, 40);
    assert_eq!(planned(&story), ["1", "3"]);
    stands(&story, Rule::Excluded, Standing::Noted);
    let decision = story.decide();
    let noted = decision
        .because()
        .iter()
        .find(|one| one.rule == Rule::Excluded)
        .unwrap();
    assert_eq!(
        (noted.have, noted.need, noted.who.as_slice()),
        (Some(2), Some(3), &["2".to_owned()][..])
    );
}

#[test]
fn i08_only_an_owner_who_may_approve_excludes() {
    let may = |story: &Story, account| excludable(&story.case, &story.seen, &story.policy, account);
    let story = three();
    assert_eq!(may(&story, ALICE), Ok(()));
    assert_eq!(may(&story, BOB), Ok(()));
    for account in [CAROL, CAROL_ON_CALL, DAVE, ME, AccountId(77)] {
        assert_eq!(may(&story, account), Err(NotExcluded::NotAnOwner), "{account}");
    }
    let pushed = story
        .clone()
        .but(|s| s.seen.pushers = Seen::Known(vec![ME, ALICE]));
    assert_eq!(may(&pushed, ALICE), Err(NotExcluded::NotAnOwner));
    for unread in [
        story.clone().but(|s| s.seen.memberships.clear()),
        story.clone().but(|s| s.seen.permissions.clear()),
        story.clone().but(|s| s.seen.commits = Seen::unknown("timeout")),
        story.clone().but(|s| s.seen.pull = Seen::unknown("timeout")),
    ] {
        assert_eq!(may(&unread, ALICE), Err(NotExcluded::Unread));
    }
}

fn said(text: &str, case: &Case) -> Result<Exclusion, String> {
    let policy = starter();
    let comment = Comment {
        text,
        by: policy.person(&"alice".parse().unwrap()).unwrap(),
        id: crate::domain::ids::CommentId(1),
        account: ALICE,
        delivery: &"d-1".parse().unwrap(),
        at: at(5),
    };
    match command::asked(comment, case, &policy).unwrap()? {
        Wish::Exclude(exclusion) => Ok(exclusion),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_names_known_items_and_a_reason_and_leaves_something() {
    let Story { case, .. } = three();
    let good = said("/exclude 1,3,1 paid last week", &case).unwrap();
    assert_eq!(good.items, ["1", "3"].map(|item| item.parse().unwrap()));
    assert_eq!(good.reason, "paid last week");
    let refused = |text: &str| said(text, &case).unwrap_err();
    assert_eq!(
        refused("/exclude"),
        "write `/exclude 3,7` with the items to leave out, then why"
    );
    assert_eq!(refused("/exclude 4 x"), "the proposal has no item `4`");
    assert_eq!(
        refused("/exclude , x"),
        "name the items to exclude, as in `/exclude 3,7`"
    );
    assert!(refused("/exclude 2").starts_with("it takes your reason"));
    assert_eq!(
        refused("/exclude 1,2,3 x"),
        "no item would be left; to run none of them, close the pull request"
    );
    let case = three().exclude(&["2"], ALICE, 20).case;
    assert_eq!(
        said("/exclude 2 x", &case).unwrap_err(),
        "item `2` is excluded already"
    );
    assert!(
        said("/exclude 1,3 x", &case)
            .unwrap_err()
            .starts_with("no item would be left")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// The plan is what was approved without what was excluded: never more, never empty, in the same order. Tier, checks
    /// and approvals stay.
    #[test]
    fn the_plan_is_what_was_approved_without_what_was_excluded(
        count in 2..7_usize,
        words in prop::collection::vec(subsequence(vec!["1", "2", "3", "4", "5", "6", "7"], 0..4), 0..4),
    ) {
        let story = Story::of(batch(count), "payments-agent", starter()).approve(ALICE).approve(BOB);
        let whole = story.clone();
        let mut out = BTreeSet::new();
        let mut story = story;
        for (items, minutes) in words.iter().zip(15..) {
            let excluded = Excluded {
                items: items.iter().map(|item| item.parse().unwrap()).collect(),
                reason: "x".into(),
                heard: heard(ALICE, minutes),
            };
            if admissible(&story.case, &excluded, Some(&"alice".parse().unwrap())).is_ok() {
                story = story.exclude(items, ALICE, minutes);
                out.extend(items.iter().copied());
            }
        }
        let approvals = |story: &Story| -> Vec<Because> {
            let decision = story.decide();
            let all = decision.because().iter();
            all.filter(|one| one.rule == Rule::Approvals).cloned().collect()
        };
        prop_assert_eq!(approvals(&story), approvals(&whole));
        let facts = facts_of(&story.case, Some(&story.seen));
        let facts: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        prop_assert_eq!(judge(&facts, &story.policy).tier, whole.case.tier());
        let planned = planned(&story.merged(ME, 40));
        let left: Vec<String> = (1..=count).map(|n| n.to_string()).filter(|n| !out.contains(n.as_str())).collect();
        prop_assert!(!planned.is_empty());
        prop_assert_eq!(planned, left);
    }
}
