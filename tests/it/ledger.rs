//! The ledger over real Git repositories.
mod append;
mod world;
