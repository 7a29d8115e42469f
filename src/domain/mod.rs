//! The pure core: what an action is, what it needs, and whether its gate is open.

pub mod canonical;
pub mod ids;
pub mod policy;
pub mod source;
