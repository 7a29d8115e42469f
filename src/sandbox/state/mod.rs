//! Everything the sandbox knows, behind one lock.
mod account;
mod app;
mod check;
mod issue;
mod lookup;
mod permission;
mod pull;
mod repo;
mod rules;
mod workflow;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;

pub(crate) use self::account::{Account, Kind, Membership, Org, Standing, Team};
pub(crate) use self::app::{App, Grant, Installation, Token};
pub(crate) use self::check::{CheckRun, Status};
pub(crate) use self::issue::{Issue, Label};
pub(crate) use self::permission::Access;
pub use self::permission::Permission;
pub(crate) use self::pull::{Comment, Merged, Pull, Review, Verdict};
pub(crate) use self::repo::{Activity, ActivityKind, Merging, Repo};
pub(crate) use self::rules::{Protection, RequiredCheck, RequiredReviews, Restrictions, Ruleset, fnmatch};
pub use self::workflow::Runners;
pub(crate) use self::workflow::{Attempt, Environment, Workflow};
use super::clock::Clock;
use super::faults::Fault;
use super::limits::Budgets;
use super::record::Recorded;
use super::webhook::Outbox;

#[derive(Debug)]
pub(crate) struct State {
    /// `http://127.0.0.1:port`
    pub(crate) base: String,
    pub(crate) dir: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) accounts: BTreeMap<u64, Account>,
    pub(crate) orgs: BTreeMap<u64, Org>,
    pub(crate) teams: BTreeMap<u64, Team>,
    pub(crate) repos: BTreeMap<u64, Repo>,
    pub(crate) apps: BTreeMap<u64, App>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) outbox: Outbox,
    pub(crate) faults: Vec<Fault>,
    pub(crate) record: Vec<Recorded>,
    /// Requests that change something, on their way.
    pub(crate) writing: usize,
    pub(crate) budgets: Budgets,
    next_id: u64,
}

/// GitHub's account for everything whose author is gone.
pub(crate) const GHOST: u64 = 10137;
/// GitHub's account for what is committed on its pages.
const WEB_FLOW: u64 = 19_864_447;

impl State {
    pub(crate) fn new(base: String, dir: PathBuf, clock: Clock, rate_limit: Option<u64>) -> Self {
        let own = |id, login: &str, name: &str, emails| Account {
            id,
            login: login.to_owned(),
            kind: Kind::User,
            name: Some(name.to_owned()),
            emails,
            site_admin: false,
            deleted: false,
            created_at: clock.now(),
        };
        let ghost = own(GHOST, "ghost", "Deleted user", Vec::new());
        let pages = vec!["noreply@github.com".to_owned()];
        let web_flow = own(WEB_FLOW, "web-flow", "GitHub Web Flow", pages);
        Self {
            base,
            dir,
            clock,
            accounts: BTreeMap::from([(GHOST, ghost), (WEB_FLOW, web_flow)]),
            orgs: BTreeMap::new(),
            teams: BTreeMap::new(),
            repos: BTreeMap::new(),
            apps: BTreeMap::new(),
            installations: BTreeMap::new(),
            tokens: HashMap::new(),
            outbox: Outbox::default(),
            faults: Vec::new(),
            record: Vec::new(),
            writing: 0,
            budgets: Budgets::new(rate_limit),
            next_id: 20_000,
        }
    }

    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
