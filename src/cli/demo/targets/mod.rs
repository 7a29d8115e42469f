//! The demo's target systems: a bank and a CRM on this machine, with state that can be looked at.
//!
//! Both act once for one `Idempotency-Key` and count what they did, so that the demo can prove that what was approved
//! ran once and nothing else ran at all.

mod bank;
mod crm;
mod once;
mod page;
mod wire;

use std::{collections::BTreeMap, io, time::Duration};

use serde_json::Value;

pub use once::Effect;
pub use wire::Fault;

use bank::Bank;
use crm::Crm;
use wire::Server;

/// The running bank and CRM; they stop when this is dropped.
#[derive(Debug)]
pub struct Targets {
    bank: Target,
    crm: Target,
}

/// One running target system.
#[derive(Debug)]
pub struct Target {
    server: Server,
}

impl Targets {
    /// Starts both on free ports of the loopback address.
    pub async fn start() -> io::Result<Self> {
        Ok(Self {
            bank: Target {
                server: Server::start(Bank::seeded()).await?,
            },
            crm: Target {
                server: Server::start(Crm::seeded()).await?,
            },
        })
    }
    /// The bank.
    pub const fn bank(&self) -> &Target {
        &self.bank
    }
    /// The CRM.
    pub const fn crm(&self) -> &Target {
        &self.crm
    }
}

impl Target {
    /// `http://127.0.0.1:PORT`; its page is at `/`, its state at `/state`.
    pub fn url(&self) -> &str {
        self.server.url()
    }
    /// Its whole state, as `GET /state` gives it.
    pub fn state(&self) -> Value {
        self.server.system().state()
    }
    /// What it did, in order: one for each thing that really happened.
    pub fn effects(&self) -> Vec<Effect> {
        self.server.system().effects()
    }
    /// How often it was asked to act, repetitions included.
    pub fn asked(&self) -> usize {
        self.asked_with().values().sum()
    }
    /// How often it was asked to act with each key.
    pub fn asked_with(&self) -> BTreeMap<String, usize> {
        self.server.system().asked()
    }
    /// Spoils the next request that acts; several are used up one by one.
    pub fn fault(&self, fault: Fault) {
        self.server.fault(fault);
    }
}

/// Long enough for every timeout of the demo to pass.
pub const VERY_SLOW: Duration = Duration::from_secs(120);
