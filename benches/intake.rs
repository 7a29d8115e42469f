//! Webhooks taken in a second, by the real router over loopback, against the same server that only reads the body and
//! answers, and against checking the signature alone.
//!
//! The payload is a review as GitHub sends it, of another repository: what is measured is the door, not the work behind
//! it. `cargo bench --bench intake -- 2000` sends 2,000 requests a round instead of 20,000.
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

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, http::StatusCode, routing::post};
use countersign::{github, service::router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::json;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use world::{REPO, Setup, World};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let requests = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(20_000_usize);
    let requests = requests.div_ceil(CONNECTIONS) * CONNECTIONS;
    let mut world = World::begin(Setup::default()).await;
    let campaign = world.campaign().await;
    world
        .person("dave")
        .comment_review(REPO, campaign.pull, "Looks good.")
        .unwrap();
    world.settle().await;
    let (_, mut payload, _) = world
        .github
        .deliveries()
        .into_iter()
        .rfind(|(event, _, _)| event == "pull_request_review")
        .unwrap();
    payload["repository"]["full_name"] = json!("acme/another");
    let body = payload.to_string().into_bytes();
    let secret = SecretString::from(world.app.webhook_secret.clone());
    let mut mac = Hmac::<Sha256>::new_from_slice(world.app.webhook_secret.as_bytes()).unwrap();
    mac.update(&body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let request = request(&body, &signature);

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
        of_plain = of_plain.min(round(plain, &request, requests).await);
        of_door = of_door.min(round(door, &request, requests).await);
    }
    let begun = Instant::now();
    for _ in 0..requests {
        github::verify(&secret, &body, Some(&signature)).unwrap();
    }
    let of_mac = begun.elapsed();
    let rate = |took: Duration| requests as f64 / took.as_secs_f64();
    println!(
        "webhooks: {requests} reviews of {} bytes over {CONNECTIONS} connections, best of {ROUNDS}",
        body.len()
    );
    println!(
        "countersign, read, proved and understood: {:>8.0} a second",
        rate(of_door)
    );
    println!(
        "the same server, read and answered:       {:>8.0} a second",
        rate(of_plain)
    );
    println!(
        "the signature alone, on one core:         {:>8.0} a second",
        rate(of_mac)
    );
    println!(
        "ratio:                                    {:>8.2}",
        rate(of_door) / rate(of_plain)
    );
    world.finish().await;
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn request(body: &[u8], signature: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: countersign\r\ncontent-type: application/json\r\n\
         x-github-event: pull_request_review\r\nx-github-delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\n\
         x-hub-signature-256: {signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// Sends the requests over all connections, each waiting for its answer before the next.
async fn round(to: SocketAddr, request: &[u8], requests: usize) -> Duration {
    let each = requests / CONNECTIONS;
    let begun = Instant::now();
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let request = request.to_vec();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(to).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut answer = Vec::new();
                for _ in 0..each {
                    stream.write_all(&request).await.unwrap();
                    answer.clear();
                    while !answer.ends_with(b"\r\n\r\n") {
                        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "hung up");
                    }
                    assert!(
                        answer.starts_with(b"HTTP/1.1 202 "),
                        "{}",
                        String::from_utf8_lossy(&answer)
                    );
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    begun.elapsed()
}
