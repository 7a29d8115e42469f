//! Acting: what was approved is sent, once, to the one host the catalog names.
//!
//! [`observe`] reads what the catalog's connector tells, [`preflight`] looks whether an approved proposal could run
//! now, and [`run`] carries out a [`Claimed`](crate::domain::warrant::Claimed), the one thing an executor takes.

mod address;
mod http;
mod observe;
mod run;
mod unseal;

pub use http::{Client, ClientError, MAX_ANSWER, SendError};
pub use observe::{ObserveError, observe};
pub use run::{Answer, Ending, Ran, Tools, Unfit, preflight, run};
