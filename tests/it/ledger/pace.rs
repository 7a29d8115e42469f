//! Pushing no more often than a repository's host advises.

use std::{sync::Arc, time::Duration};

use countersign::{
    domain::policy::Tier,
    ledger::{Ledger, Options, Pace},
};

use super::world::{Story, World};

const HOUR: Duration = Duration::from_secs(3_600);

/// A ledger that pushes twice at once, then hourly.
async fn slow(world: &World) -> Ledger {
    world.git(&["config", "core.logAllRefUpdates", "always"]);
    let options = Options {
        pace: Arc::new(Pace::new(HOUR, 2)),
        ..world.options("one")
    };
    Ledger::open(options).await.unwrap()
}

fn pushes(world: &World) -> usize {
    world.git(&["reflog", "show", "ledger"]).lines().count()
}

#[tokio::test]
async fn i16_i31_an_execution_does_not_wait_and_takes_along_what_does() {
    let world = World::new();
    let ledger = slow(&world).await;
    let story = Story::new(1, Tier::Medium);
    let mut life = story.all();
    life.truncate(4);
    ledger.append(life).await.unwrap();
    assert_eq!(pushes(&world), 1);
    let waits = |n| {
        let drafts = vec![Story::new(n, Tier::Medium).received()];
        let ledger = ledger.clone();
        async move { ledger.append(drafts).await.unwrap() }
    };
    let (two, three, started) = tokio::join!(waits(2), waits(3), ledger.append(vec![story.started()]));
    assert_eq!((two.len(), three.len(), started.unwrap().len()), (1, 1, 1));
    assert_eq!(pushes(&world), 2);
}

#[tokio::test]
async fn i31_what_waits_is_recorded_before_the_ledger_closes() {
    let world = World::new();
    let ledger = slow(&world).await;
    ledger
        .append(vec![Story::new(1, Tier::Medium).received()])
        .await
        .unwrap();
    let last = ledger.append(vec![Story::new(2, Tier::Medium).received()]);
    let (last, ()) = tokio::join!(last, ledger.close());
    assert_eq!(last.unwrap().len(), 1);
    assert_eq!(pushes(&world), 2);
}
