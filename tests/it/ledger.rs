//! The ledger over real Git repositories.
mod append;
mod audit;
mod git;
mod http;
mod index;
mod mirror;
mod pace;
mod tamper;
mod world;
