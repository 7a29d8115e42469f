//! Countersign: approval-as-code for AI agents.
//!
//! An agent proposes a high-impact action; the proposal becomes a pull request that holds the diff and the
//! policy-check report; people approve it on GitHub; the approved action runs on merge, exactly once, exactly as
//! approved; the Git history is the audit log.
//!
//! # The house
//!
//! ```text
//! main -> cli -> service (axum, worker, sweep)            application: composes
//!                   |
//!    github   ledger   store   render   execute           adapters: never import each other
//!                   |
//!                domain                                   pure: no IO, clock, async, randomness
//! sandbox: a GitHub-compatible server for the demo and the tests; imports nothing of the bot's
//! ```
//!
//! Imports point down only; `tests/it/layers.rs` reads every source file and fails on an arrow that points up, on a
//! cycle between rooms, and on `domain` naming a crate that does IO.
//!
//! # One idea
//!
//! [`domain::gate::decide`] is pure and total, and everything it looks at is recorded. The live check on the pull
//! request, the last look before execution and the auditor's replay years later call that one function on recorded
//! facts. Nobody trusts a stored verdict: whoever needs one derives it again.

pub mod cli;
pub mod domain;
pub mod execute;
pub mod github;
pub mod ledger;
pub mod render;
pub mod sandbox;
pub mod service;
pub mod settings;
pub mod store;
