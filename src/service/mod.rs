//! Composes the adapters into the running bot: doors, queue, workers, sweep.

mod api;
mod door;
mod intake;
pub mod problem;
pub mod queue;
pub mod router;
mod sweep;
pub mod tasks;
pub mod turn;
mod worker;

pub use router::router;
pub use turn::{AssembleError, Bot, Clock, LEDGER_BRANCH, Parts, assemble};
