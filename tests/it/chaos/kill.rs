//! `kill -9` of the real program at random moments over the life of proposals: none is lost, none runs twice, and the
//! ledger proves itself. INVARIANT i16, i21, i24.
//!
//! `COUNTERSIGN_KILLS=1000 cargo test kill` kills as often in each test; the moments come from the seed.

#[cfg(target_os = "linux")]
mod program;
mod promises;
mod steps;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures::future::{join, join_all};
use rand::RngExt as _;
use serde_json::Value;

use super::script::{Scene, dice, seed};
use crate::world::{Opened, Outside, REPO, Setup, World, fresh, git, story_with};

/// Proposals on their way at the same time.
const AT_ONCE: usize = 6;
const AGAIN: Duration = Duration::from_millis(30);
/// An agent that asks for longer than a minute or two must leave room under the most requests that are taken from it in ten.
const AGAIN_FOR_LONG: Duration = Duration::from_millis(250);
/// GitHub counts in seconds: what people do comes visibly after the branch was made.
const A_SECOND: Duration = Duration::from_millis(1_100);

fn kills() -> usize {
    let said = std::env::var("COUNTERSIGN_KILLS").ok();
    said.map_or(16, |kills| kills.parse().unwrap())
}

/// How long an agent waits before it asks again where its proposal stands.
fn asked_again() -> Duration {
    if kills() > 64 { AGAIN_FOR_LONG } else { AGAIN }
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
            tokio::time::sleep(asked_again()).await;
        };
        tokio::time::sleep(A_SECOND).await;
        scene.act(self.world, REPO, of.pull);
        while !is_end(scene, &self.status(&of).await["state"]) {
            tokio::time::sleep(asked_again()).await;
        }
        of
    }
}

/// What died in the middle of an act is not known to have run. INVARIANT i21.
fn is_end(scene: Scene, state: &Value) -> bool {
    state == scene.end() || (["executed", "undone"].contains(&scene.end()) && state == "unknown")
}

/// A proposal, and what came of it.
struct Came {
    scene: Scene,
    of: Opened,
    state: String,
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

/// Plays scenes, as many as there is time for, while process after process is killed; then asks what came of them.
async fn killed(setup: Setup, scenes: Vec<Scene>, judge: impl FnOnce(&World, &[Came])) {
    let database = setup.database.clone();
    story_with(setup, async |world| {
        let outside = world.outside(database.as_deref()).await;
        let over = Cell::new(false);
        let agent = Agent {
            world,
            outside: &outside,
            http: reqwest::Client::new(),
        };
        let next = Cell::new(0);
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
        let begun = Instant::now();
        let all = join(join_all((0..AT_ONCE).map(|_| lives())), last);
        let (told, last) = all.await;
        last.kill();
        let each = begun.elapsed() / u32::try_from(kills()).unwrap();
        world.start().await.unwrap();
        world.sweep().await;
        let mut came = Vec::new();
        for (scene, of) in told.into_iter().flatten() {
            let state = world.state(&of).await;
            let end = is_end(scene, &Value::from(state.as_str()));
            assert!(end, "seed {}: {scene:?} ({}) is {state}", seed(), of.id);
            came.push(Came { scene, of, state });
        }
        let count = |state: &str| came.iter().filter(|one| one.state == state).count();
        let (ran, undone, unknown) = (count("executed"), count("undone"), count("unknown"));
        assert!(ran > 0, "seed {}: nothing ran", seed());
        println!(
            "{} kills, one in {each:.1?}: {ran} ran, {undone} were undone, {unknown} are unknown, {} proposed",
            kills(),
            next.get()
        );
        judge(world, &came);
    })
    .await;
}
