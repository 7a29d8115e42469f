//! Accounts, organisations and teams.
use std::collections::BTreeMap;

use jiff::Timestamp;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Bot,
    Organization,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Bot => "Bot",
            Self::Organization => "Organization",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: Kind,
    pub(crate) name: Option<String>,
    pub(crate) emails: Vec<String>,
    pub(crate) site_admin: bool,
    pub(crate) deleted: bool,
    pub(crate) created_at: Timestamp,
}

impl Account {
    /// The address that hides a person's own.
    pub(crate) fn noreply(&self) -> String {
        format!("{}+{}@users.noreply.github.com", self.id, self.login)
    }
}

/// Whether an invitation was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Pending,
}

impl Standing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Membership {
    /// Administrator of the organisation, or maintainer of the team.
    pub(crate) leads: bool,
    pub(crate) standing: Standing,
}

#[derive(Debug, Clone)]
pub(crate) struct Org {
    pub(crate) members: BTreeMap<u64, Membership>,
    pub(crate) base: super::Permission,
}

#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) id: u64,
    pub(crate) org: u64,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) parent: Option<u64>,
    pub(crate) members: BTreeMap<u64, Membership>,
    pub(crate) created_at: Timestamp,
}
