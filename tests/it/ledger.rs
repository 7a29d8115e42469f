//! The ledger over real Git repositories.
mod append;
mod audit;
mod git;
mod mirror;
mod tamper;
mod world;
