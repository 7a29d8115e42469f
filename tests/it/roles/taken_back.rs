//! What people take back below a pull request counts for an executor apart, whether or not the gate records it.
//! INVARIANT i06, i09, i22.

use std::time::Duration;

use countersign::{service::Bot, settings::Role};

use super::{
    Liar, Opened, REPO, Setup, World, gate, held_back, incidents, may_merge, merged, restored, rounds, seized,
};
use crate::{
    delegation::day,
    exception::denied,
    freeze::{thawed, thawing},
    policy_changes::{STRICTER, TIERS, change},
    world::{merge_commit, story_with},
};

/// Alice may stand in for dave.
fn standing_in() -> Setup {
    Setup {
        edits: vec![("people.yaml", "  dave:\n", "  dave:\n    stand_ins: [alice]\n")],
        ..gate()
    }
}

/// A campaign below which dave named alice as his stand-in, for some actions or all; the comment too.
async fn delegated(world: &mut World, what: &str) -> (Opened, u64) {
    let campaign = world.campaign().await;
    let text = format!("/delegate @alice until {}{what}", day(world, 5));
    let comment = world.comment("dave", &campaign, &text).await;
    assert_eq!(world.of_kind("delegated").len(), 1);
    (campaign, comment)
}

/// A comment that no gate hears; its id.
pub(super) fn says(world: &World, login: &str, below: &Opened, text: &str) -> u64 {
    world.both_later(Duration::from_secs(2));
    let comment = world.person(login).comment(REPO, below.pull, text).unwrap();
    world.both_later(Duration::from_secs(2));
    comment
}

/// A comment comes to say something else, and what waited because of it is due again.
pub(super) fn says_instead(world: &World, login: &str, comment: u64, text: &str) {
    world.person(login).edit_comment(REPO, comment, text).unwrap();
    world.both_later(Duration::from_secs(61));
}

/// What the gate keeps back stops the merge, once it can't be on its way to the ledger any more with an incident, and until
/// its comment says something else.
pub(super) async fn waits_for_it(
    world: &World,
    executor: &Bot,
    of: &Opened,
    (login, comment): (&str, u64),
    why: &str,
) {
    let error = executor.follow().await.unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    assert_eq!(incidents(world), Vec::<String>::new());
    world.both_later(Duration::from_secs(61));
    executor.follow().await.unwrap();
    held_back(world, of, why);
    says_instead(world, login, comment, "it was a drill");
    executor.follow().await.unwrap();
    assert!(merged(world, of));
}

/// Alice approves in dave's place, and the gate says that it is enough.
async fn approved_in_his_place(world: &World, liar: &Liar, of: &Opened) {
    world.person("alice").approve(REPO, of.pull).unwrap();
    liar.approves(world, of, "alice").await;
    liar.finds_open(of).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_a_stand_in_whose_owner_took_it_back_counts_for_nobody() {
    story_with(standing_in(), async |world| {
        let (campaign, _) = delegated(world, "").await;
        let (executor, liar) = seized(world).await;
        let nobody = says(world, "dave", &campaign, "/delegate nobody");
        approved_in_his_place(world, &liar, &campaign).await;
        executor.follow().await.unwrap();
        held_back(world, &campaign, "GitHub does not show it: approvals");
        // Without that word the stand-in counts.
        says_instead(world, "dave", nobody, "I am back on Monday");
        executor.follow().await.unwrap();
        assert!(merged(world, &campaign));
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_i09_a_take_back_on_the_ledger_counts_without_its_comment() {
    let setup = Setup {
        edits: vec![("people.yaml", "  bob:\n", "  bob:\n    stand_ins: [erin]\n")],
        ..gate()
    };
    story_with(setup, async |world| {
        let campaign = world.campaign().await;
        let text = format!("/delegate @erin until {}", day(world, 5));
        world.comment("bob", &campaign, &text).await;
        let nobody = world.comment("bob", &campaign, "/delegate nobody").await;
        assert_eq!(world.of_kind("delegated").len(), 2);
        let change = change(world, "rules", TIERS, STRICTER).await;
        for login in ["alice", "erin"] {
            world.approve(login, &change).await;
        }
        assert!(!merged(world, &change));
        let (executor, liar) = seized(world).await;
        world
            .person("root")
            .edit_comment(REPO, nobody, "nothing to see")
            .unwrap();
        may_merge(world);
        world
            .person("carol")
            .merge(REPO, change.pull, merge_commit())
            .unwrap();
        liar.enacts(world, &change, &["alice", "bob"]).await;
        executor.follow().await.unwrap();
        let told = incidents(world);
        let why = "GitHub does not show that people approved it: approvals";
        assert!(told.len() == 1 && told[0].contains(why), "{told:#?}");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_a_comment_vouches_for_no_other_delegation_than_its_own() {
    story_with(standing_in(), async |world| {
        let (campaign, comment) = delegated(world, " for payments.create").await;
        let (executor, liar) = seized(world).await;
        liar.delegates("dave", "alice", comment).await;
        world.both_later(Duration::from_secs(2));
        approved_in_his_place(world, &liar, &campaign).await;
        executor.follow().await.unwrap();
        held_back(world, &campaign, "GitHub does not show it: approvals");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_an_exception_that_was_taken_back_lets_nothing_pass() {
    let setup = Setup {
        role: Some(Role::Gate),
        ..denied()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        let granted = "/exception big the yearly invoice";
        world.comment("dave", &payment, granted).await;
        for login in ["alice", "bob"] {
            world.approve(login, &payment).await;
        }
        assert_eq!(world.check(&payment).conclusion, "success");
        let (executor, liar) = seized(world).await;
        // Somebody else's word takes nothing back, and another check's neither.
        says(world, "erin", &payment, "/exception big withdraw");
        says(world, "dave", &payment, "/exception text withdraw");
        let withdrawn = says(
            world,
            "dave",
            &payment,
            "/exception big withdraw it is last year's",
        );
        executor.follow().await.unwrap();
        held_back(world, &payment, "GitHub does not show it: checks");
        says_instead(world, "dave", withdrawn, "it is this year's");
        executor.follow().await.unwrap();
        assert!(merged(world, &payment));
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_that_the_gate_keeps_back_stops_the_merge() {
    story_with(gate(), async |world| {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        let (executor, liar) = seized(world).await;
        // These stop something else, or nothing.
        says(
            world,
            "alice",
            &campaign,
            "/freeze action payments.create strange",
        );
        says(world, "mallory", &campaign, "/freeze all because");
        let freeze = says(world, "alice", &campaign, "/freeze all the shop is open");
        let why = "alice froze all executions below its pull request";
        waits_for_it(world, &executor, &campaign, ("alice", freeze), why).await;
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_that_the_gate_keeps_back_stops_what_is_merged_for_as_long_as_it_stands() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        executor.follow().await.unwrap();
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "merged");
        world.crash();
        let freeze = says(world, "alice", &campaign, "/freeze agent campaign-agent strange");
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        assert_eq!((world.acted(), incidents(world).len()), ((0, 0), 1));
        says_instead(world, "alice", freeze, "it was a drill");
        executor.follow().await.unwrap();
        assert_eq!(world.acted(), (0, 1));
        world.start().await.unwrap();
        assert_eq!(world.state(&campaign).await, "executed");
        executor.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_that_ended_stops_nothing_though_its_comment_stands() {
    let setup = Setup {
        role: Some(Role::Gate),
        ..thawing()
    };
    story_with(setup, async |world| {
        let executor = world.apart(false).await;
        let campaign = world.campaign().await;
        world
            .comment("alice", &campaign, "/freeze all the shop is open")
            .await;
        world.approve("dave", &campaign).await;
        rounds(world, &executor).await;
        assert_eq!(world.state(&campaign).await, "open");
        thawed(world, async |world| rounds(world, &executor).await).await;
        world.sweep().await;
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&campaign).await.as_str(), world.acted()),
            ("executed", (0, 1))
        );
        assert_eq!(incidents(world), Vec::<String>::new());
        executor.close().await;
    })
    .await;
}
