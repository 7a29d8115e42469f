//! What Countersign adds to an act: the time from a recorded merge to the recorded end of its execution (looked at again,
//! proved, claimed on the ledger, shown a credential, settled), in milliseconds and commits, against the same call made bare;
//! and low-tier actions in a second, each claimed on the disk before its act, with pushes as often as one likes and with six
//! a minute, against the same number of bare calls; the target is one whose calls share connections, as the bare ones do.
//!
//! GitHub is the sandbox and the targets are the demo's, in this process and over loopback; low tier is taken by the program
//! itself in a process of its own, so that its CPU time can be told from theirs and the agents'. `cargo bench --bench execute --
//! 500` runs 500 low-tier actions a round instead of 18,000; `low` leaves the first measurement out.
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
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use connection::Connection;
use countersign::settings::Role;
use serde_json::json;
use world::{REPO, Setup, World, fresh, git, note};

const EXECUTIONS: usize = 30;
/// Connections over which agents propose side by side.
const CONNECTIONS: usize = 1_024;
/// Whose they are, by turns: each may ask 10,000 times in ten minutes.
const AGENTS: [&str; 2] = ["support-agent", "campaign-agent"];
const ROUNDS: usize = 3;
/// Entries that a low-tier action has on the ledger: received, started, finished.
const ENTRIES: u64 = 3;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let actions = args.iter().find_map(|arg| arg.parse().ok());
    let actions = actions.unwrap_or(18_000_usize).div_ceil(CONNECTIONS) * CONNECTIONS;
    if !args.iter().any(|arg| arg == "low") {
        overhead().await;
    }
    for pushes in [6_000, 6] {
        low(actions, pushes).await;
    }
}

fn commits(world: &World) -> usize {
    let dir = world.github.git_dir(REPO).unwrap();
    git(&dir, &["rev-list", "--count", "ledger"])
        .trim()
        .parse()
        .unwrap()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A note, as the executor sends it.
async fn bare_note(client: &reqwest::Client, url: &str) {
    let body = json!({ "text": "Called back, all is well.", "reference": "bare" });
    let sent = client
        .post(url)
        .header("idempotency-key", fresh())
        .body(body.to_string());
    let answer = sent
        .header("content-type", "application/json")
        .send()
        .await
        .unwrap();
    answer.bytes().await.unwrap();
}

/// From a merge that is recorded to an end that is, by an executor apart, so that nothing of the gate's is in it.
async fn overhead() {
    let setup = Setup {
        role: Some(Role::Gate),
        rate_limit: Some(1_000_000),
        ..Setup::default()
    };
    let mut world = World::begin(setup).await;
    let executor = world.apart(false).await;
    let (mut took, mut bare, mut pushed, mut asked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let client = reqwest::Client::new();
    let url = format!("{}/contacts/C-1001/notes", world.targets.crm().url());
    for _ in 0..EXECUTIONS {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        executor.follow().await.unwrap();
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "merged");
        let before = commits(&world);
        world.github.forget_requests();
        let begun = Instant::now();
        executor.follow().await.unwrap();
        took.push(begun.elapsed());
        let requests = world.github.requests();
        let unchanged = requests.iter().filter(|request| request.status == 304).count();
        asked.push((requests.len(), requests.len() - unchanged));
        pushed.push(commits(&world) - before);
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "executed");
        let begun = Instant::now();
        bare_note(&client, &url).await;
        bare.push(begun.elapsed());
    }
    let (took, bare) = (median(&mut took), median(&mut bare));
    let (requests, counted) = asked.iter().max().unwrap();
    println!(
        "an execution: {:.1} ms (median of {EXECUTIONS}) in {} commits, {requests} requests of which GitHub counts {counted}; \
         a bare call: {:.2} ms; {:.0} times as long",
        took.as_secs_f64() * 1e3,
        pushed.iter().max().unwrap(),
        bare.as_secs_f64() * 1e3,
        took.as_secs_f64() / bare.as_secs_f64(),
    );
    executor.close().await;
}

/// What was seen of a round of low-tier actions.
struct Round {
    /// In a second, from the first that is sent to the last that is answered.
    rate: f64,
    /// The same calls without Countersign.
    bare: f64,
    /// Seconds of the program's CPU time for each.
    busy: f64,
    /// Seconds from the last answer until all are on the ledger.
    late: f64,
    commits: usize,
}

/// Low-tier actions, taken by the program in a process of its own.
async fn low(actions: usize, pushes: u32) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(actions, pushes).await);
    }
    let median = |of: fn(&Round) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    };
    let (rate, bare, busy) = (
        median(|round| round.rate),
        median(|round| round.bare),
        median(|round| round.busy),
    );
    println!(
        "low tier, {pushes} pushes a minute: {rate:.0} actions a second, all of them on the ledger {:.1} s after the last at \
         most, in {} commits; bare calls: {bare:.0} a second; {:.2}; {:.2} ms of CPU each in the program itself, which is {:.0} \
         a second on two cores of its own",
        rounds.iter().map(|round| round.late).fold(0.0, f64::max),
        rounds.iter().map(|round| round.commits).max().unwrap(),
        rate / bare,
        busy * 1e3,
        2.0 / busy,
    );
}

/// Actions one after the other over each connection, by agents that never asked before.
async fn round(actions: usize, pushes: u32) -> Round {
    let setup = Setup {
        pushes_per_minute: Some(pushes),
        edits: vec![(
            "catalog.yaml",
            "Leave it out otherwise.\n        idempotency_header: Idempotency-Key\n",
            "\n        idempotency_header: Idempotency-Key\n        persistent: true\n",
        )],
        ..Setup::default()
    };
    let mut world = World::begin(setup).await;
    let outside = world.outside(None).await;
    let program = outside.ready().await;
    world.address = outside.address;
    // Agents sign on machines of their own.
    let requests: Vec<Vec<u8>> = (0..actions)
        .map(|n| proposal(&world, AGENTS[n % AGENTS.len()]))
        .collect();
    let (before, last, idle) = (commits(&world), newest(&world), cpu(&program.child));
    let began = Instant::now();
    let (requests, next, address) = (&requests, &AtomicUsize::new(0), world.address);
    let senders = (0..CONNECTIONS).map(|_| async move {
        let mut connection = Connection::open(address).await;
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            connection.ask(request, 201).await;
        }
    });
    futures::future::join_all(senders).await;
    let took = began.elapsed();
    assert_eq!(world.acted(), (0, actions));
    while newest(&world) < last + ENTRIES * actions as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Round {
        rate: actions as f64 / took.as_secs_f64(),
        busy: (cpu(&program.child) - idle).as_secs_f64() / actions as f64,
        late: (began.elapsed() - took).as_secs_f64(),
        commits: commits(&world) - before,
        bare: bare_rate(&world, actions).await,
    }
}

/// A low-tier proposal, signed now, as it goes over the wire.
fn proposal(world: &World, agent: &str) -> Vec<u8> {
    let (path, body) = ("/api/v1/proposals", world.request(agent, note()).to_string());
    let signed = world.signed(agent, "POST", path, body.as_bytes());
    let headers: String = signed
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: gate\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// The number of the ledger's newest entry.
fn newest(world: &World) -> u64 {
    let dir = world.github.git_dir(REPO).unwrap();
    let message = git(&dir, &["log", "-1", "--format=%B", "ledger"]);
    let line = message.lines().rfind(|line| line.starts_with('{')).unwrap();
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    entry["seq"].as_u64().unwrap()
}

/// CPU time that a program used, in user and in kernel mode: fields 14 and 15 of proc(5)'s `stat`, in hundredths of a second.
fn cpu(program: &std::process::Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
}

/// The same calls without Countersign.
async fn bare_rate(world: &World, actions: usize) -> f64 {
    let url = format!("{}/contacts/C-1001/notes", world.targets.crm().url());
    let client = reqwest::Client::new();
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let senders = (0..CONNECTIONS).map(|_| {
        let (client, url, next) = (&client, &url, &next);
        async move {
            while next.fetch_add(1, Ordering::Relaxed) < actions {
                bare_note(client, url).await;
            }
        }
    });
    futures::future::join_all(senders).await;
    actions as f64 / began.elapsed().as_secs_f64()
}
