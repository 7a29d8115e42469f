//! The pure core: what an action is, what it needs, and whether its gate is open.
//!
//! No IO, no clock, no async, no randomness: time, salts and keys are arguments. Decisions are total functions; an
//! error is a verdict and never opens a gate.

pub mod amendment;
pub mod answer;
pub mod assess;
pub mod assign;
pub mod audit;
pub mod authentic;
pub mod book;
pub mod calendar;
pub mod canonical;
pub mod case;
pub mod checks;
pub mod collusion;
pub mod command;
pub mod comment;
pub mod correction;
pub mod credential;
pub mod delegation;
pub mod door;
pub mod due;
pub mod entry;
pub mod erasure;
pub mod exception;
pub mod exclusion;
pub mod extent;
pub mod facts;
#[cfg(test)]
mod fixture;
pub mod freeze;
pub mod gate;
pub mod group;
pub mod ids;
pub mod illegal;
pub mod keys;
pub mod matter;
pub mod money;
pub mod observation;
pub mod pace;
pub mod policy;
pub mod proposal;
pub mod protection;
pub mod publish;
pub mod receive;
pub mod refusal;
pub mod replay;
pub mod request;
pub mod resolution;
mod review;
pub mod rollback;
pub mod sample;
pub mod sealed;
pub mod source;
mod subject;
pub mod totals;
pub mod trial;
pub mod verdict;
pub mod warrant;
pub mod workflow;
