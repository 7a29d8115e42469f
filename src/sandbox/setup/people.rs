//! Organisations, people, teams.
use std::collections::BTreeMap;

use serde_json::json;

use super::super::error::Error;
use super::super::running::Running;
use super::super::state::{Kind, Membership, Org, Permission, Standing, Team};

impl Running {
    /// Makes an organisation whose members may read its repositories.
    pub fn add_org(&self, login: &str) -> Result<u64, Error> {
        let mut state = self.lock();
        let id = state.new_account(login, Kind::Organization);
        state.orgs.insert(
            id,
            Org {
                members: BTreeMap::new(),
                base: Permission::Read,
            },
        );
        Ok(id)
    }

    /// Sets what members may do on every repository of the organisation.
    pub fn set_org_base_permission(&self, org: &str, base: Permission) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.org_id(org)?;
        if let Some(org) = state.orgs.get_mut(&id) {
            org.base = base;
        }
        Ok(())
    }

    /// Makes a person.
    pub fn add_user(&self, login: &str) -> Result<u64, Error> {
        Ok(self.lock().new_account(login, Kind::User))
    }

    /// Registers an e-mail address and a name for a person's commits.
    pub fn set_identity(&self, login: &str, name: &str, email: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.account_id(login)?;
        if let Some(account) = state.accounts.get_mut(&id) {
            account.name = Some(name.to_owned());
            account.emails.insert(0, email.to_owned());
        }
        Ok(())
    }

    /// The numeric id of an account.
    pub fn user_id(&self, login: &str) -> Result<u64, Error> {
        self.lock().account_id(login)
    }

    /// Makes a team, inside another when `parent` is given.
    pub fn add_team(&self, org: &str, name: &str, parent: Option<&str>) -> Result<u64, Error> {
        let mut state = self.lock();
        let org = state.org_id(org)?;
        let parent = parent.map(|slug| state.team_id(org, slug)).transpose()?;
        let id = state.id();
        let slug = name.to_lowercase().replace(' ', "-");
        let created_at = state.now();
        let team = Team {
            id,
            org,
            slug,
            name: name.to_owned(),
            parent,
            members: BTreeMap::new(),
            created_at,
        };
        state.teams.insert(id, team);
        state.emit_team(id, "created", org, json!({}));
        Ok(id)
    }

    /// Makes someone an active member of an organisation.
    pub fn add_org_member(&self, org: &str, login: &str) -> Result<(), Error> {
        self.org_membership(
            org,
            login,
            Membership {
                leads: false,
                standing: Standing::Active,
            },
        )
    }

    /// Makes someone an administrator of an organisation.
    pub fn add_org_admin(&self, org: &str, login: &str) -> Result<(), Error> {
        self.org_membership(
            org,
            login,
            Membership {
                leads: true,
                standing: Standing::Active,
            },
        )
    }

    fn org_membership(&self, org: &str, login: &str, membership: Membership) -> Result<(), Error> {
        let mut state = self.lock();
        let (org, user) = (state.org_id(org)?, state.account_id(login)?);
        if let Some(org) = state.orgs.get_mut(&org) {
            org.members.insert(user, membership);
        }
        Ok(())
    }

    /// Makes someone an active member of a team and of its organisation.
    pub fn add_member(&self, org: &str, team: &str, login: &str) -> Result<(), Error> {
        self.team_membership(org, team, login, Standing::Active)
    }

    /// Invites someone to a team; the membership is pending until [`Running::add_member`].
    pub fn invite_member(&self, org: &str, team: &str, login: &str) -> Result<(), Error> {
        self.team_membership(org, team, login, Standing::Pending)
    }

    fn team_membership(&self, org: &str, team: &str, login: &str, standing: Standing) -> Result<(), Error> {
        let mut state = self.lock();
        let (org, user) = (state.org_id(org)?, state.account_id(login)?);
        let team = state.team_id(org, team)?;
        let membership = Membership {
            leads: false,
            standing,
        };
        if let Some(org) = state.orgs.get_mut(&org) {
            org.members.entry(user).or_insert(membership);
            if let (Standing::Active, Some(known)) = (standing, org.members.get_mut(&user)) {
                known.standing = Standing::Active;
            }
        }
        if let Some(team) = state.teams.get_mut(&team) {
            team.members.insert(user, membership);
        }
        if standing == Standing::Active {
            state.emit_membership(team, user, true, org);
        }
        Ok(())
    }

    /// Takes someone out of a team.
    pub fn remove_member(&self, org: &str, team: &str, login: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let (org, user) = (state.org_id(org)?, state.account_id(login)?);
        let team = state.team_id(org, team)?;
        let removed = state
            .teams
            .get_mut(&team)
            .and_then(|team| team.members.remove(&user));
        if removed.is_some() {
            state.emit_membership(team, user, false, org);
        }
        Ok(())
    }

    /// Gives an account another login; its id stays.
    pub fn rename_user(&self, login: &str, to: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.account_id(login)?;
        if let Some(account) = state.accounts.get_mut(&id) {
            to.clone_into(&mut account.login);
        }
        Ok(())
    }

    /// Deletes an account: reviews lose their author, pull requests belong to the ghost.
    pub fn delete_user(&self, login: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.account_id(login)?;
        if let Some(account) = state.accounts.get_mut(&id) {
            account.deleted = true;
        }
        for org in state.orgs.values_mut() {
            org.members.remove(&id);
        }
        for team in state.teams.values_mut() {
            team.members.remove(&id);
        }
        Ok(())
    }
}
