//! The demo: a newcomer's first minute.

pub mod policies;
pub mod targets;
