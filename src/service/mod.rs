//! Composes the adapters into the running bot: doors, inbox, workers, sweep.

mod api;
mod door;
mod follow;
mod intake;
pub mod problem;
mod redelivery;
pub mod router;
mod server;
pub mod stopping;
mod subject;
mod sweep;
pub mod tasks;
pub mod turn;
mod worker;

pub use intake::WEBHOOK_LIMIT;
pub use router::router;
pub use server::{Server, Serving, Stopped};
pub use turn::{
    Approvers, AssembleError, Bot, Bytes, Clock, ItemResult, LEDGER_BRANCH, Parts, Preview, ProposalResult,
    Receipt, Status, assemble, connect, git_token, ledger_dir,
};
