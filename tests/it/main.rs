//! Every test that goes through the front door: one binary, one module a story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets the unexpected must stop"
)]

mod contract;
mod github;
mod ledger;
mod sandbox;
mod sandbox_clients;
mod sandbox_contract;
mod sandbox_faults;
mod sandbox_git;
mod sandbox_pages;
mod sandbox_walk;
mod stories;
mod world;
