//! Webhooks lost, doubled and late, a GitHub that fails before and after the effect, is slow and wants to be left alone,
//! replicas on one database and one ledger, and pushes that wait for their turn: what is recorded of every proposal is what
//! is recorded of it in order, apart from times, and nothing runs twice. INVARIANT i16, i24, i31.
//!
//! What is proposed, what people do and what goes wrong is drawn from a seed, which a failure names: always the same one, so
//! that a run says the same as the one before, or that of `COUNTERSIGN_CHAOS_SEED=7 cargo test chaos`. So many proposals as
//! `COUNTERSIGN_CHAOS_PROPOSALS=200` says are played by hand.

mod kill;
mod race;
mod script;

use std::time::Duration;

use countersign::{
    sandbox::{DeliveryFault, Failure, Fault},
    service::Bot,
};
use futures::future::join_all;
use rand::{RngExt as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    postgres,
    world::{Opened, REPO, Setup, World, fresh, story_with},
};
use script::{Life, Scene, dice, every, life, scenes, seed};

/// Where three replicas quarrel about them.
const MANY: usize = 75;
/// Where two have less to quarrel about.
const FEWER: usize = 25;
/// Proposals on their way at the same time.
const AT_ONCE: usize = 25;
/// Sweeps after which everything must have healed.
const SWEEPS: usize = 40;
/// Six pushes a minute of all replicas, where a minute lasts half a second.
const PUSHES: u32 = 720;

const CALLS: [(&str, &str); 8] = [
    ("POST", "/repos/*/pulls"),
    ("POST", "/repos/*/check-runs"),
    ("PATCH", "/repos/*/check-runs/*"),
    ("POST", "/repos/*/pulls/*/requested_reviewers"),
    ("PUT", "/repos/*/pulls/*/merge"),
    ("POST", "/repos/*/issues/*/comments"),
    ("GET", "/repos/*/pulls/*"),
    ("POST", "/acme/approvals.git/git-receive-pack"),
];

fn proposals(unless_said: usize) -> usize {
    let said = std::env::var("COUNTERSIGN_CHAOS_PROPOSALS").ok();
    said.map_or(unless_said, |proposals| proposals.parse().unwrap())
}

/// What goes wrong, while something may.
struct Chaos {
    dice: StdRng,
    replicas: Vec<Bot>,
}

impl Chaos {
    /// Half of the webhooks is lost, three of ten come twice, the others wait; some calls fail.
    fn plan(&mut self, world: &World) {
        for _ in 0..12 * AT_ONCE {
            let fault = match self.dice.random_range(0..10) {
                0..=4 => DeliveryFault::Lose,
                5..=7 => DeliveryFault::Duplicate,
                _ => DeliveryFault::Hold,
            };
            world.github.webhook_fault(None, fault, 1);
        }
        for _ in 0..AT_ONCE / 3 {
            let (method, path) = CALLS[self.dice.random_range(0..CALLS.len())];
            let failure = match self.dice.random_range(0..5) {
                0 | 1 => Failure::After { status: 502 },
                2 => Failure::Before { status: 503 },
                3 => Failure::SecondaryLimit {
                    status: 429,
                    retry_after: 1,
                },
                _ => Failure::Slow {
                    by: Duration::from_millis(30),
                },
            };
            world.github.fault(Fault::once(method, path, failure));
        }
    }

    /// What waited comes, the newest first, up to a minute late.
    fn late(&mut self, world: &World) {
        world.both_later(Duration::from_secs(self.dice.random_range(0..=60)));
        world.github.release_webhooks_reversed();
    }
}

async fn sweep(world: &mut World, chaos: &Option<Chaos>) {
    world.both_later(Duration::from_secs(2));
    world.sweep().await;
    for replica in chaos.iter().flat_map(|chaos| &chaos.replicas) {
        replica.sweep().await;
    }
    world.settle().await;
}

/// Proposes what is not taken in yet, all of it at once and always with the same keys.
async fn propose(world: &mut World, chaos: &Option<Chaos>, scenes: &[Scene]) -> Vec<Value> {
    let bodies: Vec<Value> = scenes.iter().map(|scene| scene.body(fresh())).collect();
    let mut taken: Vec<Option<Value>> = vec![None; scenes.len()];
    for _ in 0..SWEEPS {
        let ask = async |n: usize| {
            let mut body = bodies[n].clone();
            body["nonce"] = json!(fresh());
            (n, world.propose(scenes[n].agent(), body).await)
        };
        let missing = (0..scenes.len()).filter(|n| taken[*n].is_none());
        for (n, (status, answer)) in join_all(missing.map(ask)).await {
            match status {
                200..=202 => taken[n] = Some(answer),
                503 => {}
                _ => panic!("seed {}: {:?}: {status} {answer:#}", seed(), scenes[n]),
            }
        }
        if taken.iter().all(Option::is_some) {
            return taken.into_iter().flatten().collect();
        }
        sweep(world, chaos).await;
    }
    panic!("seed {}: never taken in", seed());
}

/// Proposes, and waits for the pull request of each that has one.
async fn open(world: &mut World, chaos: &Option<Chaos>, scenes: &[Scene]) -> Vec<(Scene, Opened)> {
    let answers = propose(world, chaos, scenes).await;
    let mut opened = Vec::new();
    for (scene, answer) in scenes.iter().zip(answers) {
        let id = answer["id"].as_str().unwrap().to_owned();
        let agent = scene.agent();
        let mut pull = None;
        for _ in 0..if scene.is_low() { 0 } else { SWEEPS } {
            pull = world.status(agent, &id).await["pull_request"].as_u64();
            if pull.is_some() {
                break;
            }
            sweep(world, chaos).await;
        }
        assert_eq!(pull.is_none(), scene.is_low(), "seed {}: {id}", seed());
        let pull = pull.unwrap_or_default();
        opened.push((*scene, Opened { id, pull, agent }));
    }
    // GitHub counts in seconds: what people do next comes visibly after the branches were made.
    world.both_later(Duration::from_secs(2));
    opened
}

async fn ended(world: &World, told: &[(Scene, Opened)]) -> Option<String> {
    let states = join_all(told.iter().map(|(_, of)| world.state(of))).await;
    let wrong = told
        .iter()
        .zip(states)
        .find(|((scene, _), state)| state != scene.end());
    wrong.map(|((scene, of), state)| {
        let last = world.about(of).pop().unwrap_or_default();
        format!(
            "{scene:?} ({}) is {state}; the last that was recorded: {last:#}",
            of.id
        )
    })
}

/// Plays all scenes; the life of each as the ledger tells it.
async fn play(world: &mut World, scenes: &[Scene], mut chaos: Option<Chaos>) -> Vec<Life> {
    let mut all = Vec::new();
    for wave in scenes.chunks(AT_ONCE) {
        if let Some(chaos) = &mut chaos {
            chaos.plan(world);
        }
        let told = open(world, &chaos, wave).await;
        for (scene, of) in &told {
            scene.act(world, REPO, of.pull);
        }
        world.settle().await;
        for _ in 0..SWEEPS {
            if ended(world, &told).await.is_none() {
                break;
            }
            if let Some(chaos) = &mut chaos {
                chaos.late(world);
            }
            sweep(world, &chaos).await;
        }
        assert_eq!(ended(world, &told).await, None, "seed {}", seed());
        all.extend(told);
    }
    world.github.clear_faults();
    world.github.release_webhooks_reversed();
    for _ in 0..2 {
        sweep(world, &chaos).await;
    }
    assert_eq!(ended(world, &all).await, None, "seed {}, at the end", seed());
    for replica in chaos.iter().flat_map(|chaos| &chaos.replicas) {
        replica.stopping().begin();
        replica.tasks().idle().await;
        replica.close().await;
    }
    let entries = world.entries();
    all.iter().map(|(_, of)| life(&entries, &of.id)).collect()
}

/// Many wait for the same segment and supplier at once: what is observed of another one stays as it was approved.
fn setup() -> Setup {
    Setup {
        rate_limit: Some(15_000),
        edits: vec![
            ("catalog.yaml", "/segments/{segment_id}\n", "/segments/vip\n"),
            (
                "catalog.yaml",
                "/suppliers/{supplier_id}/preview",
                "/suppliers/globex/preview",
            ),
        ],
        ..Setup::default()
    }
}

/// What is recorded of each scene when nothing goes wrong; played once for all tests.
async fn in_order() -> &'static [(Scene, Life)] {
    static PLAYED: OnceCell<Vec<(Scene, Life)>> = OnceCell::const_new();
    let once = async || {
        let scenes = every();
        let mut lives = Vec::new();
        story_with(setup(), async |world| lives = play(world, &scenes, None).await).await;
        scenes.into_iter().zip(lives).collect()
    };
    PLAYED.get_or_init(once).await
}

async fn chaos(replicas: u32, count: usize, database: Option<String>) {
    let setup = Setup {
        pushes_per_minute: Some(PUSHES / replicas),
        database,
        ..setup()
    };
    let in_order = in_order().await;
    let scenes = scenes(proposals(count));
    story_with(setup, async |world| {
        let mut others = Vec::new();
        for n in 1..replicas {
            let replica = world.replica(&format!("replica-{n}")).await;
            world.work(&replica);
            others.push(replica);
        }
        let chaos = Chaos {
            dice: dice("chaos"),
            replicas: others,
        };
        let lives = play(world, &scenes, Some(chaos)).await;
        let wanted = |scene: &Scene| in_order.iter().find(|(known, _)| known == scene);
        let others: Vec<_> = scenes
            .iter()
            .zip(lives)
            .map(|(scene, life)| (*scene, life))
            .filter(|told| wanted(&told.0) != Some(told))
            .collect();
        assert!(others.is_empty(), "seed {}: {others:#?}", seed());
        let ran = |agent| {
            let those = scenes.iter().filter(|scene| scene.end() == "executed");
            those
                .filter(|scene| (scene.agent() == "payments-agent") == agent)
                .count()
        };
        assert_eq!(world.acted(), (ran(true), ran(false)), "seed {}", seed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i24_i31_chaos_ends_as_order_does() {
    chaos(2, FEWER, None).await;
}

async fn on_postgresql(replicas: u32, count: usize) {
    let Some(cluster) = postgres::cluster().await else {
        return;
    };
    chaos(replicas, count, Some(cluster.database().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i24_i31_chaos_of_two_replicas_on_postgresql_ends_as_order_does() {
    on_postgresql(2, FEWER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i24_i31_chaos_of_three_replicas_on_postgresql_ends_as_order_does() {
    on_postgresql(3, MANY).await;
}
