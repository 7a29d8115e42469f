//! `kill -9` of the real program at random moments over the life of proposals: none is lost, none runs twice, and the
//! ledger proves itself. INVARIANT i16, i24.
//!
//! `COUNTERSIGN_KILLS=500 cargo test kill` kills as often on each database; the moments come from the seed.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use countersign::cli::demo::targets::Target;
use futures::future::{join, join_all};
use rand::RngExt as _;
use serde_json::Value;

use super::{
    script::{Scene, dice, scenes, seed},
    setup,
};
use crate::{
    postgres,
    world::{Opened, Outside, REPO, Setup, World, fresh, git, story_with},
};

/// Proposals on their way at the same time.
const AT_ONCE: usize = 6;
const AGAIN: Duration = Duration::from_millis(30);
/// GitHub counts in seconds: what people do comes visibly after the branch was made.
const A_SECOND: Duration = Duration::from_millis(1_100);

fn kills() -> usize {
    let said = std::env::var("COUNTERSIGN_KILLS").ok();
    said.map_or(40, |kills| kills.parse().unwrap())
}

/// An agent of a program that may be gone.
struct Agent<'a> {
    world: &'a World,
    outside: &'a Outside,
    http: reqwest::Client,
}

impl Agent<'_> {
    /// Asks until there is an answer that is none of somebody about to die.
    async fn ask(&self, agent: &str, method: &str, path: &str, body: impl Fn() -> Value) -> Value {
        loop {
            let bytes = match body() {
                Value::Null => String::new(),
                body => self.world.request(agent, body).to_string(),
            };
            let mut request = self
                .http
                .request(
                    method.parse().unwrap(),
                    format!("http://{}{path}", self.outside.address),
                )
                .header("content-type", "application/json");
            for (name, value) in self.world.signed(agent, method, path, bytes.as_bytes()) {
                request = request.header(name, value);
            }
            if let Ok(answer) = request.body(bytes).send().await {
                let status = answer.status().as_u16();
                match (status, answer.json().await) {
                    (200..=202, Ok(told)) => return told,
                    (503, _) | (200..=202, Err(_)) => {}
                    (_, told) => panic!("seed {}: {method} {path}: {status} {told:?}", seed()),
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn status(&self, of: &Opened) -> Value {
        let path = format!("/api/v1/proposals/{}", of.id);
        self.ask(of.agent, "GET", &path, || Value::Null).await
    }

    /// One proposal from its beginning to its end.
    async fn live(&self, scene: Scene) -> Opened {
        let key = fresh();
        let agent = scene.agent();
        let body = || scene.body(key.clone());
        let answer = self.ask(agent, "POST", "/api/v1/proposals", body).await;
        let id = answer["id"].as_str().unwrap().to_owned();
        let mut of = Opened { id, pull: 0, agent };
        if scene.is_low() {
            return of;
        }
        of.pull = loop {
            if let Some(pull) = self.status(&of).await["pull_request"].as_u64() {
                break pull;
            }
            tokio::time::sleep(AGAIN).await;
        };
        tokio::time::sleep(A_SECOND).await;
        scene.act(self.world, REPO, of.pull);
        while !is_end(scene, &self.status(&of).await["state"]) {
            tokio::time::sleep(AGAIN).await;
        }
        of
    }
}

/// What died in the middle of an act is not known to have run. INVARIANT i21.
fn is_end(scene: Scene, state: &Value) -> bool {
    state == scene.end() || (scene.end() == "executed" && state == "unknown")
}

/// What the targets are promised to do with a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// They act once for each: whoever finds something begun goes on.
    ActOnce,
    /// Nothing: whatever died in mid-call stays unknown, and nothing is ever asked for twice.
    NoPromise,
}

/// Kills process after process, then leaves one alone until all that was begun has ended.
async fn kill(world: &World, outside: &Outside, over: &Cell<bool>) {
    let entries = || {
        git(
            &world.github.git_dir(REPO).unwrap(),
            &["rev-list", "--count", "ledger"],
        )
    };
    let mut dice = dice("kill");
    let begun = Instant::now();
    outside.ready().await.kill();
    // Short enough that many die while they start, long enough that others come to work.
    let most = begun.elapsed() * 3;
    for n in 1..kills() {
        let mut program = outside.start();
        let before = entries();
        while n % 8 == 0 && entries() == before {
            program.runs();
            tokio::time::sleep(AGAIN).await;
        }
        tokio::time::sleep(most.mul_f64(dice.random())).await;
        program.kill();
    }
    over.set(true);
}

async fn matrix(database: Option<String>, promised: Keys) {
    let mut setup = Setup {
        database: database.clone(),
        rate_limit: Some(10_000_000),
        ..setup()
    };
    if promised == Keys::NoPromise {
        let promise = "        idempotency_header: Idempotency-Key\n";
        setup.edits.push(("catalog.yaml", promise, ""));
    }
    story_with(setup, async |world| {
        let outside = world.outside(database.as_deref()).await;
        let over = Cell::new(false);
        let agent = Agent {
            world,
            outside: &outside,
            http: reqwest::Client::new(),
        };
        let next = Cell::new(0);
        let scenes = scenes(10_000);
        let lives = async || {
            let mut told = Vec::new();
            while !over.get() {
                let scene = scenes[next.replace(next.get() + 1)];
                told.push((scene, agent.live(scene).await));
            }
            told
        };
        let last = async {
            kill(world, &outside, &over).await;
            outside.ready().await
        };
        let all = join(join_all((0..AT_ONCE).map(|_| lives())), last);
        let (told, last) = all.await;
        last.kill();
        world.start().await.unwrap();
        world.sweep().await;
        let mut unknown = 0;
        let mut wanted = (0, 0);
        for (scene, of) in told.iter().flatten() {
            let state = world.status(of.agent, &of.id).await["state"].take();
            assert!(
                is_end(*scene, &state),
                "seed {}: {scene:?} ({}) is {state}",
                seed(),
                of.id
            );
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
            if state == "unknown" {
                unknown += 1;
            } else if state == "executed" && of.agent == "payments-agent" {
                wanted.0 += 1;
            } else if state == "executed" {
                wanted.1 += 1;
            }
        }
        let (bank, crm) = world.acted();
        let ran = wanted.0 + wanted.1;
        assert!(
            bank >= wanted.0 && crm >= wanted.1,
            "seed {}: fewer acts than `executed`",
            seed()
        );
        assert!(
            bank + crm <= ran + unknown,
            "seed {}: {bank} and {crm} acts, {wanted:?}, {unknown}",
            seed()
        );
        assert!(ran > 0, "seed {}: nothing ran", seed());
        if promised == Keys::NoPromise {
            for (key, times) in [world.targets.bank(), world.targets.crm()]
                .into_iter()
                .flat_map(Target::asked_with)
            {
                assert_eq!(times, 1, "seed {}: {key} was asked for {times} times", seed());
            }
        }
        println!(
            "{} kills: {ran} ran, {unknown} unknown, {} proposed",
            kills(),
            next.get()
        );
    })
    .await;
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
