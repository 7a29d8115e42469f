//! Who is asked about a change of the rules, who stands in for whom, and for how long an approval counts.

use std::time::Duration;

use super::{STRICTER, TIERS, change, edited, merged, push, waits};
use crate::world::{Opened, REPO, Setup, World, merge_commit, story, story_with};

/// The teams and people who are asked for a review.
fn asked(world: &World, of: &Opened) -> Vec<String> {
    let pull = world.github.pull(REPO, of.pull).unwrap();
    let named = |field: &str, name: &str| -> Vec<String> {
        let all = pull[field].as_array().unwrap().iter();
        all.map(|one| one[name].as_str().unwrap().to_owned()).collect()
    };
    let mut asked = named("requested_teams", "slug");
    asked.extend(named("requested_reviewers", "login"));
    asked
}

/// How often reviews were asked for.
fn asks(world: &World) -> usize {
    let requests = world.github.requests();
    let asks = requests
        .iter()
        .filter(|one| one.method == "POST" && one.path.ends_with("/requested_reviewers"));
    asks.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_of_the_rules_are_asked_once_for_each_head() {
    story(async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        assert_eq!(asked(world, &pull), ["finance", "treasury"]);
        let before = asks(world);
        world.sweep().await;
        world.restart().await;
        world.sweep().await;
        assert_eq!(asks(world), before);
        world.approve("alice", &pull).await;
        world.sweep().await;
        assert_eq!(asks(world), before, "whoever answered is not asked again");
        assert!(!merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_nobody_with_a_hand_in_a_change_of_the_rules_is_asked_about_it() {
    let named = Setup {
        edits: vec![(
            "CODEOWNERS",
            "/policies/             @acme/finance @acme/treasury",
            "/policies/             @dave @alice @bob",
        )],
        ..Setup::default()
    };
    story_with(named, async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        let mut names = asked(world, &pull);
        names.sort();
        assert_eq!(names, ["alice", "bob"], "and not dave, who wrote it");
        // Bob pushes to it: what was asked of him can't count any more, and he is not asked again.
        let worse = edited(world, TIERS, ("expires_after: 2d", "expires_after: 1d"));
        push(world, "bob", "rules", &[(TIERS, &worse)]);
        world.settle().await;
        world.both_later(Duration::from_secs(2));
        world.approve("bob", &pull).await;
        waits(world, &pull, "whoever writes, pushes or merges it never approves").await;
        let before = asks(world);
        world.sweep().await;
        assert_eq!(asks(world), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_can_t_come_into_force_are_nobodys_to_read() {
    story(async |world| {
        let pull = change(world, "rules", TIERS, ("escalate_after: 4h", "escalate_aftr: 4h")).await;
        assert!(asked(world, &pull).is_empty());
        let good = edited(world, TIERS, STRICTER);
        push(world, "dave", "rules", &[(TIERS, &good)]);
        world.settle().await;
        assert_eq!(asked(world, &pull), ["finance", "treasury"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_stand_in_approves_a_change_of_the_rules_for_an_absent_owner() {
    let stand_ins = Setup {
        edits: vec![("people.yaml", "  alice:\n", "  alice:\n    stand_ins: [erin]\n")],
        ..Setup::default()
    };
    story_with(stand_ins, async |world| {
        let payment = world.payment().await;
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("erin", &pull).await;
        world.approve("bob", &pull).await;
        waits(world, &pull, "1 of 2 (bob)").await;
        let until = world.time().plus("2d".parse().unwrap()).to_string();
        for (what, counts) in [("for payments.create", false), ("for policies.change", true)] {
            let text = format!("/delegate @erin until {} {what}", &until[..10]);
            world.person("alice").comment(REPO, payment.pull, &text).unwrap();
            world.settle().await;
            // GitHub tells whole seconds, and a review in the second of the delegation is not known to come after it.
            world.both_later(Duration::from_secs(60));
            assert!(
                !merged(world, &pull),
                "what was said before counts for nobody else"
            );
            world.approve("erin", &pull).await;
            assert_eq!(merged(world, &pull), counts, "{}", world.check(&pull).summary);
        }
        assert_eq!(world.of_kind("policy").len(), 1);
        assert!(world.of_kind("incident").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_an_aged_approval_of_a_change_of_the_rules_is_none() {
    let manual = Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # or manual",
            "merge: manual               # or manual",
        )],
        ..Setup::default()
    };
    story_with(manual, async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        world.both_later(Duration::from_secs(2 * 3_600));
        world.approve("bob", &pull).await;
        assert_eq!(world.check(&pull).title, "Approved");
        world.both_later(Duration::from_secs(23 * 3_600));
        world.restart().await;
        world.sweep().await;
        waits(world, &pull, "1 of 2 (bob); ask alice (finance)").await;
        let summary = world.check(&pull).summary;
        assert!(
            summary
                .contains("alice's approval is too old (it counts for 24 hours); ask alice to approve again"),
            "{summary}"
        );
        // Around the gate it brings nothing into force.
        world
            .person("root")
            .merge(REPO, pull.pull, merge_commit())
            .unwrap();
        world.settle().await;
        world.sweep().await;
        assert!(world.of_kind("policy").is_empty());
        assert_eq!(world.of_kind("incident").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_an_aged_approval_of_a_change_of_the_rules_is_given_again() {
    story(async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        world.both_later(Duration::from_secs(25 * 3_600));
        world.approve("bob", &pull).await;
        waits(world, &pull, "1 of 2 (bob)").await;
        world.approve("alice", &pull).await;
        assert!(merged(world, &pull));
        assert_eq!(world.of_kind("policy").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_below_a_change_of_the_rules_is_answered_with_where_it_belongs() {
    story(async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world
            .comment("alice", &pull, "/delegate @bob until 2027-01-01 away")
            .await;
        world
            .comment("mallory", &pull, "/delegate @bob until 2027-01-01 away")
            .await;
        world.comment("alice", &pull, "/looks good").await;
        assert_eq!(
            world.answers(&pull).concat().trim_end(),
            "Not recorded for alice: `/delegate` is about proposals; write it below the pull request of one. \
              A stand-in who is named there without `for` counts for changes of the rules too."
        );
        assert!(world.of_kind("delegated").is_empty());
    })
    .await;
}
