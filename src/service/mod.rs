//! Composes the adapters into the running bot: doors, queue, workers, sweep.

mod api;
mod door;
mod intake;
pub mod problem;
pub mod queue;
pub mod router;
mod server;
mod sweep;
pub mod tasks;
pub mod turn;
mod worker;

pub use intake::WEBHOOK_LIMIT;
pub use router::router;
pub use server::{Server, Serving, Stopped};
pub use turn::{
    Approvers, AssembleError, Bot, Clock, LEDGER_BRANCH, Parts, Preview, Receipt, Status, assemble,
};
