//! A GitHub-compatible server over loopback, for the demo, the tests, and anyone who wants to try a GitHub App offline.
//!
//! It is state plus routes: REST under `/api/v3` as on an Enterprise Server, Git over HTTP with real bare repositories,
//! signed webhooks out, and pages for people. Faults are state too. It imports nothing of the bot's.
//!
//! ```no_run
//! use countersign::sandbox::{Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::default())?;
//! sandbox.add_org("acme")?;
//! sandbox.add_user("alice")?;
//! sandbox.add_org_member("acme", "alice")?;
//! sandbox.add_repo("acme/ops", &[("README.md", "# Operations\n")])?;
//! println!("{}/acme/ops/pulls", sandbox.url());
//! # Ok::<(), countersign::sandbox::Error>(())
//! ```
mod answer;
mod auth;
mod call;
mod changes;
mod clock;
mod error;
mod events;
mod faults;
mod git;
mod git_http;
mod guard;
mod json;
mod limits;
mod pages;
mod person;
mod record;
mod routes;
mod running;
mod runs;
mod server;
mod setup;
mod socket;
mod state;
mod webhook;

pub use self::clock::Clock;
pub use self::error::Error;
pub use self::faults::{Failure, Fault};
pub use self::person::{MergeMethod, Person};
pub use self::record::Recorded;
pub use self::running::{Options, Running, Sandbox};
pub use self::setup::{AppCredentials, AppSpec};
pub use self::state::{Permission, Runners};
pub use self::webhook::DeliveryFault;
