//! Furnishing the sandbox and looking into it: what tests and the demo call before and after the bot.
mod apps;
mod people;
mod readers;
mod repos;
mod workflows;

pub use self::apps::{AppCredentials, AppSpec};
use super::error::Error;
use super::state::{Account, Kind, State};

impl State {
    fn new_account(&mut self, login: &str, kind: Kind) -> u64 {
        let id = self.id();
        let account = Account {
            id,
            login: login.to_owned(),
            kind,
            name: None,
            emails: Vec::new(),
            site_admin: false,
            deleted: false,
            created_at: self.now(),
        };
        self.accounts.insert(id, account);
        id
    }

    pub(crate) fn account_id(&self, login: &str) -> Result<u64, Error> {
        self.account_named(login)
            .map(|account| account.id)
            .ok_or_else(|| Error::unknown("account", login))
    }

    pub(crate) fn org_id(&self, login: &str) -> Result<u64, Error> {
        let id = self.account_id(login)?;
        if self.orgs.contains_key(&id) {
            Ok(id)
        } else {
            Err(Error::unknown("organisation", login))
        }
    }

    fn team_id(&self, org: u64, slug: &str) -> Result<u64, Error> {
        self.team_named(org, slug)
            .map(|team| team.id)
            .ok_or_else(|| Error::unknown("team", slug))
    }

    pub(crate) fn repo_id(&self, full_name: &str) -> Result<u64, Error> {
        let found = full_name
            .split_once('/')
            .and_then(|(owner, name)| self.repo_named(owner, name));
        found
            .map(|repo| repo.id)
            .ok_or_else(|| Error::unknown("repository", full_name))
    }
}
