//! Two executors, each a process of the real program, that find everything approved at the same moment: on one PostgreSQL,
//! and with nothing but the ledger between them. INVARIANT i16, i17.

use std::{collections::BTreeSet, time::Duration};

use countersign::cli::demo::targets::Target;
use futures::future::join;
use serde_json::{Value, json};

use super::setup;
use crate::{
    postgres,
    world::{Opened, REPO, Setup, World, campaign, payment, story_with},
};

/// Proposals of each of two kinds.
const EACH: usize = 5;
const AGAIN: Duration = Duration::from_millis(250);

/// What only one of them could open is no race: nothing of it is sealed.
fn plain(body: Value) -> Value {
    let mut body = body;
    let parameters = body["parameters"].as_object_mut().unwrap();
    parameters.remove("iban");
    if let Some(amount) = parameters.get_mut("amount") {
        amount["minor"] = json!(100);
    }
    body
}

/// Everything open and approved, while nobody listens.
async fn approved(world: &mut World) -> Vec<Opened> {
    let mut proposed = Vec::new();
    for (agent, body) in [("payments-agent", payment()), ("campaign-agent", campaign())] {
        for _ in 0..EACH {
            let (status, answer) = world.propose(agent, plain(body.clone())).await;
            assert_eq!(status, 202, "{answer:#}");
            proposed.push((agent, answer["id"].as_str().unwrap().to_owned()));
        }
    }
    world.settle().await;
    // GitHub counts in seconds: what people do next comes visibly after the branches were made.
    world.both_later(Duration::from_secs(2));
    let mut all = Vec::new();
    for (agent, id) in proposed {
        let pull = world.status(agent, &id).await["pull_request"].as_u64().unwrap();
        all.push(Opened { id, pull, agent });
    }
    all
}

fn say_yes(world: &World, all: &[Opened]) {
    for of in all {
        let approvers: &[&str] = match of.agent {
            "payments-agent" => &["alice", "bob"],
            _ => &["dave"],
        };
        for login in approvers {
            world.person(login).approve(REPO, of.pull).unwrap();
        }
    }
}

/// Which instances began anything.
fn began(world: &World) -> BTreeSet<String> {
    let instance = |entry: &Value| entry["body"]["instance"].as_str().unwrap().to_owned();
    world.of_kind("started").iter().map(instance).collect()
}

/// `own` is the first one's database, `other` the second one's.
async fn race(own: Option<&str>, other: Option<&str>) {
    let setup = Setup {
        database: own.map(str::to_owned),
        ..setup()
    };
    story_with(setup, async |world| {
        let all = approved(world).await;
        let one = world.outside(own).await;
        let two = world.beside("two", other);
        say_yes(world, &all);
        let (mut first, mut second) = join(one.ready(), two.ready()).await;
        while world.of_kind("finished").len() < all.len() {
            first.runs();
            second.runs();
            tokio::time::sleep(AGAIN).await;
        }
        first.kill();
        second.kill();
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!(world.acted(), (EACH, EACH));
        for of in &all {
            assert_eq!(world.state(of).await, "executed", "{}", of.id);
            let kinds = world.kinds(of);
            for kind in ["received", "opened", "merged", "started", "finished"] {
                let count = kinds.iter().filter(|known| *known == kind).count();
                assert_eq!(count, 1, "`{kind}` of {}: {kinds:?}", of.id);
            }
        }
        let asked = [world.targets.bank(), world.targets.crm()].map(Target::asked_with);
        assert!(
            asked
                .iter()
                .flat_map(|keys| keys.values())
                .all(|times| *times == 1),
            "{asked:?}"
        );
        println!("{} proposals, begun by {:?}", all.len(), began(world));
    })
    .await;
}

#[tokio::test]
async fn i16_i17_two_executors_with_a_ledger_between_them_start_everything_once() {
    race(None, None).await;
}

#[tokio::test]
async fn i16_i17_two_executors_on_one_postgresql_start_everything_once() {
    let Some(cluster) = postgres::cluster().await else {
        return;
    };
    let database = cluster.database().await;
    race(Some(&database), Some(&database)).await;
}

#[tokio::test]
async fn i16_i17_two_executors_on_two_postgresql_databases_start_everything_once() {
    let Some(cluster) = postgres::cluster().await else {
        return;
    };
    let (own, other) = (cluster.database().await, cluster.database().await);
    race(Some(&own), Some(&other)).await;
}
