//! Turns proposals and decisions into what people read. INVARIANT i26.
//!
//! Everything an approver reads is made here, from canonical data, by embedded templates. A template's value is
//! quoted unless it is Markdown that this room wrote; Markdown takes dynamic text only through a way of quoting, so
//! that a forgotten filter costs looks and never safety.

mod alarm;
mod amendment;
mod change;
mod check;
mod command;
mod delegation;
mod engine;
mod error;
mod file;
mod inbox;
mod leaves;
mod markdown;
mod mask;
mod message;
mod outcome;
mod plain;
mod report;
mod room;
mod rules;
mod summary;
mod title;
mod visible;
mod words;

pub use alarm::{AlarmFacts, alarm};
pub use amendment::{AmendmentText, Replayed, Tested, amendment, amendment_merge};
pub use change::change_diff;
pub use check::{CheckText, check};
pub use command::{
    corrected, erased, excepted, excluded, frozen, not_recorded, resolved, rolled_back, withdrawn,
};
pub use delegation::delegated;
pub use error::RenderError;
pub use file::proposal_yaml;
pub use inbox::{inbox_accepted, inbox_answer, inbox_ran, shadow};
pub use mask::{masked, masked_item};
pub use message::{commit_message, merge_message, merge_title};
pub use outcome::outcome;
pub use report::{MAX_BODY, Replaced, ReportFacts, report};
pub use summary::{MAX_SUMMARY, summary, summary_of_items};
pub use title::{MAX_TITLE, title};
