//! What it costs to look at a proposal again when nothing changed, and what a whole life costs: requests to GitHub, those
//! that GitHub counts, things created there, and time; against one bare request for the same pull request.
//!
//! GitHub is the sandbox, over loopback. INVARIANT i31 allows two counted requests a look and four things a life.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected must stop, and says what it found"
)]

#[path = "../tests/it/world/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the test language holds more than a measurement needs"
)]
mod world;

use std::time::{Duration, Instant};

use countersign::sandbox::Recorded;
use world::{Opened, REPO, Setup, World};

const PROPOSALS: usize = 20;
const SWEEPS: u32 = 10;

#[tokio::main]
async fn main() {
    let setup = Setup {
        rate_limit: Some(1_000_000),
        ..Setup::default()
    };
    let mut world = World::begin(setup).await;
    let bare = bare(&mut world).await;
    println!("one bare request for a pull request: {bare:.2?}");
    life(&mut world).await;
    looks(&mut world, bare).await;
    world.finish().await;
}

/// The time of one request for a pull request with a client that is connected already.
async fn bare(world: &mut World) -> Duration {
    let campaign = world.campaign().await;
    let client = reqwest::Client::new();
    let installation = world.github.installations(world.app.id)[0];
    let token = world.github.installation_token(installation).unwrap();
    let url = format!("{}/repos/{REPO}/pulls/{}", world.github.api_url(), campaign.pull);
    let mut best = Duration::MAX;
    for _ in 0..100 {
        let begun = Instant::now();
        let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
        answer.bytes().await.unwrap();
        best = best.min(begun.elapsed());
    }
    best
}

/// From proposing to the end of the execution.
async fn life(world: &mut World) {
    world.github.forget_requests();
    let begun = Instant::now();
    let payment = world.payment().await;
    let opened = begun.elapsed();
    world.approve("alice", &payment).await;
    let begun = Instant::now();
    world.approve("bob", &payment).await;
    let ran = begun.elapsed();
    assert_eq!(world.state(&payment).await, "executed");
    let spent = Spent::of(world);
    println!(
        "a payment's life, two approvals: {} requests, {} counted, {} things created; opened after {opened:.1?}, \
         executed {ran:.1?} after the last approval",
        spent.requests, spent.counted, spent.created
    );
}

/// Sweep after sweep over proposals that wait.
async fn looks(world: &mut World, bare: Duration) {
    let mut waiting: Vec<Opened> = Vec::new();
    for _ in 0..PROPOSALS {
        waiting.push(world.payment().await);
    }
    for of in &waiting {
        world.approve("alice", of).await;
    }
    world.sweep().await;
    world.github.forget_requests();
    let mut best = Duration::MAX;
    for _ in 0..SWEEPS {
        let begun = Instant::now();
        world.sweep().await;
        best = best.min(begun.elapsed());
    }
    let spent = Spent::of(world);
    let looks = spent.looks as f64;
    let each = best.div_f64(looks / f64::from(SWEEPS));
    println!(
        "{} looks at what did not change: {:.1} requests a look, {:.2} counted; {each:.2?} a look, {:.1} times a bare request",
        spent.looks,
        spent.requests as f64 / looks,
        spent.counted as f64 / looks,
        each.as_secs_f64() / bare.as_secs_f64(),
    );
}

struct Spent {
    requests: usize,
    /// Without those that nothing had changed for: GitHub gives them free.
    counted: usize,
    created: usize,
    looks: usize,
}

impl Spent {
    fn of(world: &World) -> Self {
        let all = world.github.requests();
        let api = |one: &&Recorded| one.path != "/rate_limit" && !one.path.ends_with("/access_tokens");
        let all: Vec<&Recorded> = all.iter().filter(api).collect();
        let count = |counts: &dyn Fn(&Recorded) -> bool| all.iter().filter(|one| counts(one)).count();
        Self {
            requests: all.len(),
            counted: count(&|one| one.status != 304),
            created: count(&|one| one.method == "POST"),
            looks: count(&|one| one.path.ends_with("/reviews")),
        }
    }
}
