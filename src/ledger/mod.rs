//! The adapter to Git: the mirror, and the signed append-only ledger branch.
//!
//! [`Mirror`] reads and writes proposals and policies; [`Ledger`] appends entries and holds their fold, the
//! [`crate::domain::book::Book`]; [`init`](init()) begins a ledger .

mod fold;
mod init;
mod kept;
mod mirror;
mod remote;
mod search;
mod sign;
mod writer;

pub use init::{Begun, Init, InitError, init};
pub use mirror::{MergeReadError, Mirror, MirrorError, ProposalCommit, PushedProposal};
pub use remote::{RemoteError, Token};
pub use sign::{SignError, Signer};
pub use writer::{AppendError, Ledger, LedgerError, Options};
