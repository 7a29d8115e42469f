//! A rollback that is asked for below a pull request, where gate and executor are processes of their own. INVARIANT i08, i14.

use countersign::{service::Bot, settings::Role};

use super::{Opened, REPO, Setup, World, held_back, incidents, rounds};
use crate::{
    rollback::{recalling, undo},
    world::story_with,
};

fn recalling_apart() -> Setup {
    Setup {
        role: Some(Role::Gate),
        ..recalling()
    }
}

/// A payment that an executor apart made, and what takes it back as dave asked; his comment too.
async fn asked(world: &mut World, executor: &Bot) -> (Opened, Opened, u64) {
    let old = world.payment().await;
    for login in ["alice", "bob"] {
        world.approve(login, &old).await;
    }
    rounds(world, executor).await;
    assert_eq!(
        (world.state(&old).await.as_str(), world.acted()),
        ("executed", (1, 0))
    );
    let comment = world.comment("dave", &old, "/rollback it was paid twice").await;
    let new = undo(world, &old).await;
    (old, new, comment)
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_i14_an_executor_apart_takes_back_what_it_ran() {
    story_with(recalling_apart(), async |world| {
        let executor = world.apart(false).await;
        let (old, new, _) = asked(world, &executor).await;
        world.approve("alice", &new).await;
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("executed", (2, 0))
        );
        let what = world.targets.bank().effects().pop().unwrap().what;
        assert_eq!(what, format!("12,500.00 EUR paid to ACME Ltd, {}/1", old.id));
        let told = world.status(old.agent, &old.id).await;
        assert_eq!(told["rolled_back"]["life"], "executed");
        assert_eq!(incidents(world), Vec::<String>::new());
        executor.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_a_rollback_counts_as_long_as_the_comment_stands_that_asked_for_it() {
    story_with(recalling_apart(), async |world| {
        let executor = world.apart(false).await;
        let (_, new, comment) = asked(world, &executor).await;
        world
            .person("dave")
            .edit_comment(REPO, comment, "it was paid once")
            .unwrap();
        world.settle().await;
        world.approve("alice", &new).await;
        rounds(world, &executor).await;
        assert_eq!(world.acted(), (1, 0));
        held_back(world, &new, "in a comment that is not there");
        executor.close().await;
    })
    .await;
}
