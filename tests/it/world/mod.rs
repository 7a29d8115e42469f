//! The test language: a sandboxed GitHub, a running bot, two target systems, agents and people.
//!
//! Everything goes through the front door: signed webhooks, signed requests, real Git. [`World::finish`] is strict: it
//! fails on an effect, a comment, an incident or a ledger finding that the test did not expect.

mod agent;
mod finish;
mod outside;
mod people;
mod process;
mod seen;
mod setup;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicI64},
};

use countersign::{
    cli::demo::targets::Targets,
    domain::ids::Digest,
    sandbox::{AppCredentials, Running},
    service::Bot,
    settings::{Args, Settings},
};
use ed25519_dalek::SigningKey;

pub(crate) use agent::{campaign, fresh, note, payment};
pub(crate) use outside::Outside;
pub(crate) use people::merge_commit;
use process::Process;
pub(crate) use process::copy;
pub(crate) use seen::{figures, git};
pub(crate) use setup::{Setup, secret_file};

pub(crate) const REPO: &str = "acme/approvals";

pub(crate) struct World {
    pub(crate) github: Running,
    pub(crate) targets: Targets,
    pub(crate) bot: Bot,
    pub(crate) address: SocketAddr,
    pub(crate) genesis: Digest,
    pub(crate) data: tempfile::TempDir,
    pub(crate) app: AppCredentials,
    keys: BTreeMap<&'static str, SigningKey>,
    secrets: BTreeMap<&'static str, &'static str>,
    target_secrets: Vec<(&'static str, &'static str)>,
    http: reqwest::Client,
    args: Args,
    settings: Arc<Settings>,
    server: tokio::task::JoinHandle<()>,
    process: Process,
    /// What stands on the ledger's branch and is no part of the record, as the test expects.
    pub(crate) findings: usize,
    skew: Arc<AtomicI64>,
}

pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) pull: u64,
    pub(crate) agent: &'static str,
}

/// Runs a story in a world of its own and ends it strictly.
pub(crate) async fn story(tell: impl AsyncFnOnce(&mut World)) {
    story_with(Setup::default(), tell).await;
}

pub(crate) async fn story_with(setup: Setup, tell: impl AsyncFnOnce(&mut World)) {
    let mut world = World::begin(setup).await;
    tell(&mut world).await;
    world.finish().await;
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
