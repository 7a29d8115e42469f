//! The adapter to Git: the mirror, and the signed append-only ledger branch.
//!
//! [`Mirror`] reads and writes proposals and policies; [`Ledger`] appends entries and holds their fold, the
//! [`Book`](crate::domain::book::Book); [`init()`] begins a ledger, [`verify()`] proves one from a clone, [`walk()`]
//! reads one entry by entry, and a [`Checkpoint`] notes how far it had come.

mod change;
mod checkpoint;
mod first;
mod fold;
mod index;
mod init;
mod kept;
mod mirror;
mod pace;
mod past;
mod rebuild;
mod remote;
mod search;
mod sign;
mod unlock;
mod verify;
mod walk;
mod whole;
mod witness;
mod writer;

pub use change::{Brought, ChangeRead};
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use first::{First, first_commit};
pub use index::NoIndex;
pub use init::{Begun, Init, InitError, init};
pub use kept::kept_head;
pub use mirror::{MergeReadError, Mirror, MirrorError, ProposalCommit, PushedProposal};
pub use pace::Pace;
pub use past::Past;
pub use rebuild::{Indexed, RebuildError, index_of, rebuild_index};
pub use remote::{RemoteError, Token};
pub use search::policy_files;
pub use sign::{SignError, Signer};
pub use unlock::unlock;
pub use verify::{Report, VerifyError, verify};
pub use walk::{Step, WalkError, Walked, for_one_reading, walk};
pub use writer::{AppendError, Ledger, LedgerError, Options};
