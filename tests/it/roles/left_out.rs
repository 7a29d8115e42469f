//! What approvers take out of a batch is left out by an executor apart, whether or not the gate records it, and nothing else
//! is. INVARIANT i06, i08.

use std::time::Duration;

use countersign::service::Bot;

use super::{
    Liar, Opened, REPO, Setup, World, gate, held_back, incidents, may_merge, merged, restored, rounds,
    seized,
    taken_back::{says, says_instead, waits_for_it},
};
use crate::{
    amend::next,
    exclusion::batch,
    world::{merge_commit, story_with},
};

/// Alice and bob approve: finance and treasury.
async fn approve(world: &mut World, of: &Opened) {
    for login in ["alice", "bob"] {
        world.approve(login, of).await;
    }
}

/// Three payments that alice and bob approved.
async fn approved(world: &mut World) -> Opened {
    let batch = world.open("payments-agent", batch()).await;
    approve(world, &batch).await;
    assert_eq!(world.check(&batch).conclusion, "success");
    batch
}

/// An executor apart carries out so many of the payments, and finds nothing amiss.
async fn runs(world: &mut World, executor: Bot, of: &Opened, payments: usize) {
    rounds(world, &executor).await;
    assert_eq!(
        (world.state(of).await.as_str(), world.acted()),
        ("executed", (payments, 0))
    );
    assert_eq!(incidents(world), Vec::<String>::new());
    executor.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_apart_leaves_out_what_an_approver_took_out() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let batch = world.open("payments-agent", batch()).await;
        world.comment("alice", &batch, "/exclude 2 paid last week").await;
        world.comment("bob", &batch, "/exclude 3 paid last week").await;
        approve(world, &batch).await;
        runs(world, executor, &batch, 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_nothing_is_left_out_that_nobody_took_out() {
    story_with(gate(), async |world| {
        let batch = approved(world).await;
        let (executor, liar) = seized(world).await;
        let comment = says(world, "alice", &batch, "/exclude 2 paid last week");
        liar.excludes(world, &batch, "alice", "3", comment).await;
        liar.finds_open(&batch).await;
        executor.follow().await.unwrap();
        held_back(
            world,
            &batch,
            "item `3` is said to be taken out, and no unedited comment",
        );
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_a_stranger_takes_nothing_out_whatever_the_gate_says() {
    story_with(gate(), async |world| {
        let batch = approved(world).await;
        let (executor, liar) = seized(world).await;
        let comment = says(world, "mallory", &batch, "/exclude 2 paid last week");
        liar.excludes(world, &batch, "alice", "2", comment).await;
        liar.finds_open(&batch).await;
        executor.follow().await.unwrap();
        held_back(world, &batch, "item `2` is said to be taken out");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_is_gone_is_written_again() {
    story_with(gate(), async |world| {
        let batch = world.open("payments-agent", batch()).await;
        let comment = world.comment("alice", &batch, "/exclude 2 payed last week").await;
        approve(world, &batch).await;
        let (executor, liar) = seized(world).await;
        says_instead(world, "alice", comment, "/exclude 2 paid last week");
        executor.follow().await.unwrap();
        held_back(
            world,
            &batch,
            "whoever wants it out writes `/exclude 2` and why again",
        );
        says(world, "bob", &batch, "/exclude 2 paid last week");
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        assert!(merged(world, &batch));
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_apart_leaves_out_what_was_taken_out_before_somebody_amended_it() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let old = world.open("payments-agent", batch()).await;
        world.comment("dave", &old, "/exclude 2 not an owner").await;
        world.comment("alice", &old, "/exclude 2 paid last week").await;
        world.comment("erin", &old, "/amend 3:amount.minor=5").await;
        let new = next(world, &old).await;
        approve(world, &new).await;
        runs(world, executor, &new, 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_a_later_exclusion_on_the_ledger_hides_none_that_the_gate_keeps_back() {
    story_with(gate(), async |world| {
        let batch = approved(world).await;
        let (executor, liar) = seized(world).await;
        says(world, "alice", &batch, "/exclude 2,3 paid last week");
        let comment = says(world, "bob", &batch, "/exclude 2 paid last week");
        liar.excludes(world, &batch, "bob", "2", comment).await;
        liar.finds_open(&batch).await;
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        held_back(world, &batch, "`/exclude 2,3` stands below its pull request");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_nobody_is_made_a_party_by_the_gate_s_word_alone() {
    let setup = Setup {
        edits: vec![(
            "people.yaml",
            "    teams: [marketing]\n  erin:",
            "    teams: [marketing, finance]\n  erin:",
        )],
        ..gate()
    };
    story_with(setup, async |world| {
        let batch = approved(world).await;
        let (executor, liar) = seized(world).await;
        // Dave is an owner too, whose approval is not needed.
        world.github.add_member("acme", "finance", "dave").unwrap();
        says(world, "dave", &batch, "/exclude 2 paid last week");
        liar.edited(&batch, "dave").await;
        liar.finds_open(&batch).await;
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        held_back(world, &batch, "`/exclude 2` stands below its pull request");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_an_exclusion_that_the_gate_keeps_back_stops_the_merge() {
    story_with(gate(), async |world| {
        let batch = approved(world).await;
        let (executor, liar) = seized(world).await;
        // These take nothing out.
        for (login, text) in [
            ("carol", "/exclude 1 a sponsor"),
            ("dave", "/exclude 1 not an owner"),
            ("mallory", "/exclude 1 a stranger"),
            ("bob", "/exclude 1"),
        ] {
            says(world, login, &batch, text);
        }
        let comment = says(world, "alice", &batch, "/exclude 2,3 paid last week");
        let why = "`/exclude 2,3` stands below its pull request";
        waits_for_it(world, &executor, &batch, ("alice", comment), why).await;
        restored(world, executor, liar).await;
    })
    .await;
}

/// Carol merges a batch past the check, and the gate says so.
async fn merged_by_hand(world: &mut World, batch: &Opened) -> Liar {
    may_merge(world);
    let carol = world.person("carol");
    carol.merge(REPO, batch.pull, merge_commit()).unwrap();
    let liar = Liar::with_the_gate_s_key(world).await;
    liar.merged(world, batch).await;
    liar
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_an_exclusion_that_the_gate_keeps_back_stops_what_is_merged() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let batch = approved(world).await;
        world.crash();
        let comment = says(world, "alice", &batch, "/exclude 2 paid last week");
        let liar = merged_by_hand(world, &batch).await;
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        assert_eq!((world.acted(), incidents(world).len()), ((0, 0), 1));
        says_instead(world, "alice", comment, "it was not");
        executor.follow().await.unwrap();
        assert_eq!(world.acted(), (3, 0));
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_an_exclusion_after_the_merge_stops_nothing() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let batch = approved(world).await;
        world.crash();
        let liar = merged_by_hand(world, &batch).await;
        says(world, "alice", &batch, "/exclude 2 too late");
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        assert_eq!((world.acted(), incidents(world).len()), ((3, 0), 0));
        restored(world, executor, liar).await;
    })
    .await;
}
