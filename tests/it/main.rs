//! Every test that goes through the front door: one binary, one module a story.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets the unexpected must stop, and nothing of a test binary is reachable"
)]

mod alarms;
mod amend;
mod around;
mod attacks;
mod authors;
mod bad_proposals;
mod budget;
mod callback;
mod chaos;
mod cli;
#[cfg(target_os = "linux")]
mod command;
mod contract;
mod credentials;
mod delegation;
mod demo;
mod door;
mod dry_run;
mod durable;
mod erasure;
mod exception;
mod exclusion;
mod execute;
mod explain;
mod faults;
mod freeze;
mod fuzz;
mod gestures;
mod github;
mod guards;
mod inbox;
mod index;
mod layers;
mod ledger;
mod ledger_guard;
mod limits;
mod meddling;
mod owners;
mod policy_changes;
mod postgres;
mod recovery;
mod render;
mod render_attack;
mod render_fixtures;
mod replay;
mod result;
mod reviewers;
mod revision;
mod roles;
mod rollback;
mod rules;
mod sample;
mod sandbox;
mod sandbox_clients;
mod sandbox_contract;
mod sandbox_faults;
mod sandbox_git;
mod sandbox_pages;
mod sandbox_walk;
mod settings;
mod signs;
mod store;
mod stories;
mod vault;
mod webhooks;
mod workflows;
mod world;
