//! Acting: what was approved is sent, once, to the one host the catalog names.
//!
//! [`observe`] reads what the catalog's connector tells, [`dry_run`] asks a target what it would do, [`preflight`] looks whether an approved proposal could run
//! now, and [`run`] carries out a [`Claimed`](crate::domain::warrant::Claimed), the one thing an executor takes.

mod actions;
mod address;
mod auth;
mod call;
mod callback;
mod command;
pub mod contained;
mod credential;
mod dry_run;
mod http;
mod inquiry;
mod observe;
mod ready;
mod room;
mod run;
mod told;
mod unseal;

pub use actions::{Passage, Place, Trouble, Workflows};
pub use auth::{AuthError, Secrets};
pub use callback::{Callback, CallbackError, CallbackKey, call_back};
pub use command::Commands;
pub use credential::{Keys, MintError, Minter};
pub use dry_run::{DryRunError, dry_run};
pub use http::{Client, ClientError, MAX_ANSWER, SendError};
pub use observe::{ObserveError, observe};
pub use ready::{Thawing, Tools, Unfit};
pub use run::{Ending, Ran, preflight, run};
pub use told::{Progress, Tell};
pub(crate) use unseal::Clear;
