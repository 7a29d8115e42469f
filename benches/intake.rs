//! Webhooks taken in a second, each on the disk before it is answered, by the real router over loopback, against the same
//! server that only reads the body and answers, and against checking the signature alone; how long one waits at half that
//! load; and how a backlog of all of them is worked off.
//!
//! The payload is a review as GitHub sends it, of pull requests that are not there: what is measured is the door and the
//! inbox, not what a look records. `cargo bench --bench intake -- 2000` sends 2,000 requests a round instead of 20,000;
//! the backlog is all five rounds, 100,000 events.
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

#[path = "measure/connection.rs"]
mod connection;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, http::StatusCode, routing::post};
use connection::Connection;
use countersign::{github, service::router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::json;
use sha2::Sha256;
use tokio::net::TcpListener;
use world::{REPO, Setup, World};

/// Connections side by side: who waits for the disk waits together with others.
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
/// Half of the load that is to be borne, in a second; the other half measured is of what was borne here.
const HALF_OF_WANTED: f64 = 2_500.0;
/// Pull requests that the events are about.
const PULLS: usize = 1_000;

#[tokio::main]
async fn main() {
    let requests = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(20_000_usize);
    let requests = requests.div_ceil(CONNECTIONS) * CONNECTIONS;
    let mut world = World::begin(Setup::default()).await;
    let campaign = world.campaign().await;
    let dave = world.person("dave");
    dave.comment_review(REPO, campaign.pull, "Looks good.").unwrap();
    world.settle().await;
    let (_, payload, _) = world
        .github
        .deliveries()
        .into_iter()
        .rfind(|(event, _, _)| event == "pull_request_review")
        .unwrap();
    let secret = SecretString::from(world.app.webhook_secret.clone());
    let bodies = (0..PULLS).map(|n| {
        let mut payload = payload.clone();
        payload["pull_request"]["number"] = json!(1_000_000 + n);
        let body = payload.to_string().into_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(world.app.webhook_secret.as_bytes()).unwrap();
        mac.update(&body);
        Signed {
            signature: format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
            body,
        }
    });
    let bodies: Arc<Vec<Signed>> = Arc::new(bodies.collect());

    // From here on it takes in, and works on nothing.
    world.bot.stopping().begin();
    world.bot.tasks().idle().await;
    let door = serve(router(world.bot.clone(), None)).await;
    let plain = serve(
        Router::new()
            .route(
                "/webhooks/github",
                post(|_: Bytes| async { StatusCode::ACCEPTED }),
            )
            .layer(DefaultBodyLimit::max(25 * 1024 * 1024)),
    )
    .await;
    let (mut of_door, mut of_plain) = (Duration::MAX, Duration::MAX);
    // By turns, so that a busy moment of the machine hits both.
    for _ in 0..ROUNDS {
        of_plain = of_plain.min(round(plain, &bodies, requests, Duration::ZERO).await.0);
        of_door = of_door.min(round(door, &bodies, requests, Duration::ZERO).await.0);
    }
    let rate = |took: Duration| requests as f64 / took.as_secs_f64();
    let begun = Instant::now();
    for n in 0..requests {
        let Signed { body, signature } = &bodies[n % PULLS];
        github::verify(&secret, body, Some(signature)).unwrap();
    }
    let of_mac = begun.elapsed();
    println!(
        "webhooks: {requests} reviews of {} bytes over {CONNECTIONS} connections, best of {ROUNDS}",
        bodies[0].body.len()
    );
    println!(
        "countersign, proved, understood and on the disk: {:>8.0} a second",
        rate(of_door)
    );
    println!(
        "the same server, read and answered:              {:>8.0} a second",
        rate(of_plain)
    );
    println!(
        "the signature alone, on one core:                {:>8.0} a second",
        rate(of_mac)
    );
    println!(
        "ratio:                                           {:>8.2}",
        rate(of_door) / rate(of_plain)
    );

    let half = rate(of_door) / 2.0;
    for load in [HALF_OF_WANTED, half] {
        let each = Duration::from_secs_f64(CONNECTIONS as f64 / load);
        let (_, mut waits) = round(door, &bodies, requests, each).await;
        waits.sort_unstable();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
        println!(
            "at {load:.0} a second: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }

    let backlog = requests * (ROUNDS + 2);
    let before = resident("VmRSS:");
    let begun = Instant::now();
    world.crash();
    world.start().await.unwrap();
    println!(
        "a backlog of {backlog} events about {PULLS} pull requests, worked off in {:.1} s; memory {before} MiB before, \
         {} MiB after, {} MiB at most",
        begun.elapsed().as_secs_f64(),
        resident("VmRSS:"),
        resident("VmHWM:"),
    );
    assert!(world.bot.store().inbox().undone().await.unwrap().is_empty());
    world.finish().await;
}

/// A payload and its signature.
struct Signed {
    body: Vec<u8>,
    signature: String,
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// What this process holds in memory, in MiB; 0 where Linux does not tell.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Sends the requests over all connections, each waiting for its answer, and for its time, before the next; how long all
/// took, and how long each waited from the time when it was to be sent.
async fn round(
    to: SocketAddr,
    bodies: &Arc<Vec<Signed>>,
    requests: usize,
    every: Duration,
) -> (Duration, Vec<Duration>) {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let each = requests / CONNECTIONS;
    let begun = Instant::now();
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let bodies = Arc::clone(bodies);
            tokio::spawn(async move {
                let mut connection = Connection::open(to).await;
                let mut request = Vec::new();
                let mut waits = Vec::with_capacity(each);
                let offset = every.mul_f64(number as f64 / CONNECTIONS as f64);
                for n in 0..each {
                    let due = begun + offset + every * u32::try_from(n).unwrap();
                    tokio::time::sleep_until(due.into()).await;
                    let sent = SENT.fetch_add(1, Ordering::Relaxed);
                    let Signed { body, signature } = &bodies[sent % PULLS];
                    request.clear();
                    request.extend_from_slice(
                        format!(
                            "POST /webhooks/github HTTP/1.1\r\nhost: countersign\r\ncontent-type: application/json\r\n\
                             x-github-event: pull_request_review\r\nx-github-delivery: 72d3162e-cc78-11e3-81ab-{sent:012}\r\n\
                             x-hub-signature-256: {signature}\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        )
                        .as_bytes(),
                    );
                    request.extend_from_slice(body);
                    let asked = if every.is_zero() { Instant::now() } else { due };
                    connection.ask(&request, 202).await;
                    waits.push(asked.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::with_capacity(requests);
    for sender in senders {
        waits.extend(sender.await.unwrap());
    }
    (begun.elapsed(), waits)
}
