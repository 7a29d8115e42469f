//! Finding things by name, and who may see and do what.
use std::collections::BTreeSet;

use super::{Access, Account, Installation, Kind, Permission, Pull, Repo, Standing, State, Team, Token};
use crate::sandbox::answer::Refusal;
use crate::sandbox::call::Caller;

impl State {
    pub(crate) fn account(&self, id: u64) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// A living account, by login; logins are case-insensitive.
    pub(crate) fn account_named(&self, login: &str) -> Option<&Account> {
        self.accounts
            .values()
            .find(|account| !account.deleted && account.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn repo(&self, id: u64) -> Result<&Repo, Refusal> {
        self.repos.get(&id).ok_or_else(Refusal::not_found)
    }

    pub(crate) fn repo_mut(&mut self, id: u64) -> Result<&mut Repo, Refusal> {
        self.repos.get_mut(&id).ok_or_else(Refusal::not_found)
    }

    pub(crate) fn pull(&self, repo: u64, number: u64) -> Result<&Pull, Refusal> {
        self.repo(repo)?.pulls.get(&number).ok_or_else(Refusal::not_found)
    }

    pub(crate) fn pull_mut(&mut self, repo: u64, number: u64) -> Result<&mut Pull, Refusal> {
        self.repo_mut(repo)?
            .pulls
            .get_mut(&number)
            .ok_or_else(Refusal::not_found)
    }

    pub(crate) fn repo_named(&self, owner: &str, name: &str) -> Option<&Repo> {
        let owner = self.account_named(owner)?.id;
        let name = name.strip_suffix(".git").unwrap_or(name);
        self.repos
            .values()
            .find(|repo| repo.owner == owner && repo.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn full_name(&self, repo: &Repo) -> String {
        let owner = self
            .account(repo.owner)
            .map_or("ghost", |account| account.login.as_str());
        format!("{owner}/{}", repo.name)
    }

    pub(crate) fn team_named(&self, org: u64, slug: &str) -> Option<&Team> {
        self.teams
            .values()
            .find(|team| team.org == org && team.slug.eq_ignore_ascii_case(slug))
    }

    /// The team and every team below it.
    pub(crate) fn team_tree(&self, team: u64) -> BTreeSet<u64> {
        let mut tree = BTreeSet::from([team]);
        loop {
            let more: Vec<u64> = self
                .teams
                .values()
                .filter(|other| other.parent.is_some_and(|parent| tree.contains(&parent)))
                .map(|other| other.id)
                .filter(|id| !tree.contains(id))
                .collect();
            if more.is_empty() {
                return tree;
            }
            tree.extend(more);
        }
    }

    /// A member's standing in the team, by themselves or through a child team; and whether they lead it.
    pub(crate) fn team_membership(&self, team: u64, user: u64) -> Option<(Standing, bool)> {
        let direct = self.teams.get(&team).and_then(|team| team.members.get(&user));
        if let Some(membership) = direct {
            return Some((membership.standing, membership.leads));
        }
        let found: Vec<Standing> = self
            .team_tree(team)
            .iter()
            .filter_map(|id| self.teams.get(id))
            .filter_map(|team| team.members.get(&user))
            .map(|membership| membership.standing)
            .collect();
        if found.contains(&Standing::Active) {
            Some((Standing::Active, false))
        } else {
            found.first().map(|standing| (*standing, false))
        }
    }

    pub(crate) fn org_admin(&self, org: u64, user: u64) -> bool {
        self.orgs
            .get(&org)
            .and_then(|org| org.members.get(&user))
            .is_some_and(|membership| membership.leads && membership.standing == Standing::Active)
    }

    pub(crate) fn org_member(&self, org: u64, user: u64) -> bool {
        self.orgs
            .get(&org)
            .and_then(|org| org.members.get(&user))
            .is_some_and(|membership| membership.standing == Standing::Active)
    }

    /// A person's permission: the highest of what they own, were given, and have through teams and organisation.
    pub(crate) fn permission(&self, repo: &Repo, user: u64) -> Permission {
        if self.account(user).is_none_or(|account| account.deleted) {
            return Permission::None;
        }
        if repo.owner == user || self.org_admin(repo.owner, user) {
            return Permission::Admin;
        }
        let given = repo.collaborators.get(&user).copied().unwrap_or(Permission::None);
        let teams = repo
            .teams
            .iter()
            .filter(|(team, _)| {
                self.team_membership(**team, user)
                    .is_some_and(|(standing, _)| standing == Standing::Active)
            })
            .map(|(_, permission)| *permission)
            .max()
            .unwrap_or(Permission::None);
        let base = match self.orgs.get(&repo.owner) {
            Some(org) if self.org_member(repo.owner, user) => org.base,
            _ => Permission::None,
        };
        let public = if repo.private {
            Permission::None
        } else {
            Permission::Read
        };
        given.max(teams).max(base).max(public)
    }

    /// The account that acts: a person, or an app's bot.
    pub(crate) fn actor(&self, caller: &Caller) -> Result<u64, Refusal> {
        match caller {
            Caller::Anonymous => Err(Refusal::unauthenticated()),
            Caller::User { id } => Ok(*id),
            Caller::App { .. } => Err(Refusal::integration()),
            Caller::Installation { id, .. } => {
                let app = self
                    .installations
                    .get(id)
                    .and_then(|installation| self.apps.get(&installation.app));
                app.map(|app| app.bot).ok_or_else(Refusal::bad_credentials)
            }
        }
    }

    /// The app behind the caller.
    pub(crate) fn calling_app(&self, caller: &Caller) -> Option<u64> {
        match caller {
            Caller::Anonymous | Caller::User { .. } => None,
            Caller::App { id } => Some(*id),
            Caller::Installation { id, .. } => {
                self.installations.get(id).map(|installation| installation.app)
            }
        }
    }

    pub(crate) fn covers(&self, installation: &Installation, repo: &Repo) -> bool {
        installation.account == repo.owner
            && installation
                .repos
                .as_ref()
                .is_none_or(|repos| repos.contains(&repo.id))
    }

    /// Whether an installation token reaches the repository.
    pub(crate) fn token_covers(&self, token: &str, repo: &Repo) -> bool {
        let Some(Token::Installation(grant)) = self.tokens.get(token) else {
            return false;
        };
        let Some(installation) = self.installations.get(&grant.installation) else {
            return false;
        };
        self.covers(installation, repo) && grant.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id))
    }

    fn granted(&self, token: &str, permission: &str, access: Access) -> bool {
        let Some(Token::Installation(grant)) = self.tokens.get(token) else {
            return false;
        };
        if permission == "metadata" && access == Access::Read {
            return true;
        }
        let names: &[&str] = match permission {
            "review" => &["pull_requests"],
            "comment" | "comment_of_others" => &["pull_requests", "issues"],
            other => &[other],
        };
        names
            .iter()
            .any(|name| grant.permissions.get(*name).is_some_and(|has| *has >= access))
    }

    /// The repository, if the caller may know that it exists and has the permission asked for.
    pub(crate) fn reach(
        &self,
        caller: &Caller,
        owner: &str,
        name: &str,
        permission: &str,
        access: Access,
    ) -> Result<u64, Refusal> {
        let repo = self.repo_named(owner, name).ok_or_else(Refusal::not_found)?;
        self.may(caller, repo, permission, access)?;
        Ok(repo.id)
    }

    /// Refuses what the caller may not do on the repository: 404 when they may not see it, 403 otherwise.
    pub(crate) fn may(
        &self,
        caller: &Caller,
        repo: &Repo,
        permission: &str,
        access: Access,
    ) -> Result<(), Refusal> {
        match caller {
            Caller::Anonymous | Caller::App { .. } => {
                if repo.private {
                    Err(Refusal::not_found())
                } else if access == Access::Read {
                    Ok(())
                } else {
                    Err(Refusal::unauthenticated())
                }
            }
            Caller::User { id } => {
                let has = self.permission(repo, *id);
                if has == Permission::None {
                    return Err(Refusal::not_found());
                }
                if has >= needed(permission, access) {
                    Ok(())
                } else {
                    Err(match permission {
                        "administration" => Refusal::forbidden("Must have admin rights to Repository."),
                        _ => Refusal::forbidden("Must have push access to repository"),
                    })
                }
            }
            Caller::Installation { token, .. } => {
                if !self.token_covers(token, repo) {
                    return if !repo.private && access == Access::Read {
                        Ok(())
                    } else if repo.private {
                        Err(Refusal::not_found())
                    } else {
                        Err(Refusal::integration())
                    };
                }
                if self.granted(token, permission, access) {
                    Ok(())
                } else {
                    Err(Refusal::integration())
                }
            }
        }
    }

    /// Refuses an installation without an organisation permission, and a person outside the organisation.
    pub(crate) fn may_org(
        &self,
        caller: &Caller,
        org: u64,
        permission: &str,
        access: Access,
    ) -> Result<(), Refusal> {
        match caller {
            Caller::Anonymous => Err(Refusal::unauthenticated()),
            Caller::App { .. } => Err(Refusal::not_found()),
            Caller::User { id } => {
                let allowed = match access {
                    Access::Read => self.org_member(org, *id),
                    Access::Write | Access::Admin => self.org_admin(org, *id),
                };
                if allowed {
                    Ok(())
                } else {
                    Err(Refusal::not_found())
                }
            }
            Caller::Installation { id, token } => {
                let here = self
                    .installations
                    .get(id)
                    .is_some_and(|installation| installation.account == org);
                if !here {
                    return Err(Refusal::not_found());
                }
                if self.granted(token, permission, access) {
                    Ok(())
                } else {
                    Err(Refusal::integration())
                }
            }
        }
    }

    /// The account a commit's e-mail belongs to: a no-reply address names it, others must be registered.
    pub(crate) fn account_by_email(&self, email: &str) -> Option<&Account> {
        let (local, host) = email.rsplit_once('@')?;
        let living = |account: &&Account| !account.deleted && account.kind != Kind::Organization;
        if host.starts_with("users.noreply.") {
            return match local.split_once('+') {
                Some((id, _)) => id
                    .parse()
                    .ok()
                    .and_then(|id: u64| self.account(id))
                    .filter(living),
                None => self.account_named(local),
            };
        }
        self.accounts.values().filter(living).find(|account| {
            account
                .emails
                .iter()
                .any(|known| known.eq_ignore_ascii_case(email))
        })
    }
}

/// The repository role that stands for an app's permission.
fn needed(permission: &str, access: Access) -> Permission {
    match (permission, access) {
        ("administration", Access::Read | Access::Write | Access::Admin) => Permission::Admin,
        (_, Access::Read) => Permission::Read,
        ("review" | "comment", Access::Write) => Permission::Read,
        (_, Access::Write) => Permission::Write,
        (_, Access::Admin) => Permission::Admin,
    }
}
