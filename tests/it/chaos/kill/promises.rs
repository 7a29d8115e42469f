//! Actions of one call, at targets that act once for a key, and at targets of which nobody promises that.

use countersign::cli::demo::targets::Target;

use super::{
    super::{
        script::{scenes, seed},
        setup,
    },
    Came, Keys, killed,
};
use crate::{
    postgres,
    world::{Setup, World},
};

async fn matrix(database: Option<String>, promised: Keys) {
    let mut setup = Setup {
        database,
        rate_limit: Some(10_000_000),
        ..setup()
    };
    if promised == Keys::NoPromise {
        let promise = "        idempotency_header: Idempotency-Key\n";
        setup.edits.push(("catalog.yaml", promise, ""));
    }
    killed(setup, scenes(10_000), |world, came| judge(world, came, promised)).await;
}

fn judge(world: &World, came: &[Came], promised: Keys) {
    for Came { scene, of, state } in came {
        let kinds = world.kinds(of);
        if promised == Keys::ActOnce && of.agent == "campaign-agent" {
            // Nothing that was observed changes by it, so whoever comes goes on.
            assert_eq!(state, scene.end(), "seed {}: {}", seed(), of.id);
        }
        let once = ["received", "opened", "merged", "started"];
        let attempts = usize::from(promised == Keys::ActOnce);
        for kind in &once[..once.len() - attempts] {
            let count = kinds.iter().filter(|known| known == kind).count();
            assert!(count <= 1, "seed {}: `{kind}` of {} {count} times", seed(), of.id);
        }
    }
    let ended = |state: &str, bank: bool| {
        let ended = came.iter().filter(|one| one.state == state);
        ended
            .filter(|one| (one.of.agent == "payments-agent") == bank)
            .count()
    };
    for (acted, bank) in [(world.acted().0, true), (world.acted().1, false)] {
        let (ran, unknown) = (ended("executed", bank), ended("unknown", bank));
        assert!(
            (ran..=ran + unknown).contains(&acted),
            "seed {}: {acted} acts, {ran} ran, {unknown} are unknown",
            seed()
        );
    }
    if promised == Keys::NoPromise {
        for (key, times) in [world.targets.bank(), world.targets.crm()]
            .into_iter()
            .flat_map(Target::asked_with)
        {
            assert_eq!(times, 1, "seed {}: {key} was asked for {times} times", seed());
        }
    }
}

#[tokio::test]
async fn i16_i24_killed_at_any_moment_nothing_is_lost_or_runs_twice() {
    matrix(None, Keys::ActOnce).await;
}

#[tokio::test]
async fn i16_i21_killed_at_any_moment_what_has_no_promise_is_never_asked_for_twice() {
    matrix(None, Keys::NoPromise).await;
}

#[tokio::test]
async fn i16_i24_killed_at_any_moment_nothing_is_lost_or_runs_twice_on_postgresql() {
    let Some(cluster) = postgres::cluster().await else {
        return;
    };
    matrix(Some(cluster.database().await), Keys::ActOnce).await;
}
