//! GitHub Apps, their installations and the tokens people and apps hold.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Access;

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) owner: u64,
    /// The `slug[bot]` account.
    pub(crate) bot: u64,
    /// PKCS#1 DER of the public key.
    pub(crate) public_key: Vec<u8>,
    pub(crate) webhook_secret: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) permissions: BTreeMap<String, Access>,
    pub(crate) events: Vec<String>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) app: u64,
    pub(crate) account: u64,
    /// `None` stands for every repository of the account.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum Token {
    User { id: u64 },
    Installation(Grant),
}

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) installation: u64,
    pub(crate) permissions: BTreeMap<String, Access>,
    /// Narrowed to these repositories.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) expires_at: Timestamp,
}
