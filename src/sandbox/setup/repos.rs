//! Repositories, permissions, protection.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::error::Error;
use super::super::git;
use super::super::running::Running;
use super::super::state::{Merging, Permission, Repo};

impl Running {
    /// Makes a private repository `owner/name` whose `main` has one commit with these files.
    pub fn add_repo(&self, full_name: &str, files: &[(&str, &str)]) -> Result<u64, Error> {
        let mut state = self.lock();
        let (owner, name) = full_name
            .split_once('/')
            .ok_or_else(|| Error::unknown("repository", full_name))?;
        let owner_id = state.account_id(owner)?;
        let dir = state.dir.join(owner).join(format!("{name}.git"));
        git::init(&dir, "main")?;
        let now = state.now();
        let id = state.id();
        let git = git2::Repository::open_bare(&dir)?;
        let who = git::signature("GitHub", "noreply@github.com", now)?;
        let changes: Vec<git::Change<'_>> = files
            .iter()
            .map(|(path, content)| (*path, Some(content.as_bytes())))
            .collect();
        let oid = git::commit_files(&git, None, &changes, "Initial commit", &who, &who)?;
        let repo = Repo {
            id,
            owner: owner_id,
            name: name.to_owned(),
            private: true,
            default_branch: "main".to_owned(),
            dir,
            created_at: now,
            pushed_at: now,
            collaborators: BTreeMap::new(),
            teams: BTreeMap::new(),
            next_number: 1,
            pulls: BTreeMap::new(),
            issues: BTreeMap::new(),
            comments: BTreeMap::new(),
            check_runs: BTreeMap::new(),
            statuses: Vec::new(),
            rulesets: BTreeMap::new(),
            protections: BTreeMap::new(),
            activity: Vec::new(),
            merging: Merging::default(),
            actions: Default::default(),
            refs: BTreeMap::new(),
            pushing: Default::default(),
        };
        state.repos.insert(id, repo);
        state.move_ref(id, owner_id, "refs/heads/main", Some(&oid.to_string()), None)?;
        Ok(id)
    }

    /// Lets anyone read the repository, or not.
    pub fn set_private(&self, repo: &str, private: bool) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        state.repo_mut(id)?.private = private;
        Ok(())
    }

    /// Sets a collaborator's permission; `None` takes them off the list.
    pub fn set_permission(&self, repo: &str, login: &str, permission: Permission) -> Result<(), Error> {
        let mut state = self.lock();
        let (id, user) = (state.repo_id(repo)?, state.account_id(login)?);
        let repo = state.repo_mut(id)?;
        match permission {
            Permission::None => repo.collaborators.remove(&user),
            given => repo.collaborators.insert(user, given),
        };
        Ok(())
    }

    /// Sets a team's permission on a repository of its organisation.
    pub fn set_team_permission(&self, repo: &str, team: &str, permission: Permission) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        let owner = state.repo(id)?.owner;
        let team = state.team_id(owner, team)?;
        let repo = state.repo_mut(id)?;
        match permission {
            Permission::None => repo.teams.remove(&team),
            given => repo.teams.insert(team, given),
        };
        Ok(())
    }

    /// Protects the branches that match a pattern: the body of GitHub's `PUT branches/{branch}/protection`.
    pub fn protect(&self, repo: &str, pattern: &str, protection: &Value) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        let owner = state.repo(id)?.owner;
        Ok(state.put_protection(id, pattern, protection, owner)?)
    }

    /// Lifts the protection of a pattern.
    pub fn unprotect(&self, repo: &str, pattern: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        let owner = state.repo(id)?.owner;
        Ok(state.delete_protection(id, pattern, owner)?)
    }

    /// Makes a ruleset: the body of GitHub's `POST rulesets`.
    pub fn add_ruleset(&self, repo: &str, ruleset: &Value) -> Result<u64, Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        let owner = state.repo(id)?.owner;
        Ok(state.put_ruleset(id, None, ruleset, owner)?)
    }

    /// A ruleset by which only one app may create, update or delete the branches that match.
    pub fn reserve_branches(&self, repo: &str, name: &str, pattern: &str, app: u64) -> Result<u64, Error> {
        let body = json!({
            "name": name,
            "target": "branch",
            "enforcement": "active",
            "bypass_actors": [{ "actor_id": app, "actor_type": "Integration", "bypass_mode": "always" }],
            "conditions": { "ref_name": { "include": [pattern], "exclude": [] } },
            "rules": [{ "type": "creation" }, { "type": "update" }, { "type": "deletion" }, { "type": "non_fast_forward" }],
        });
        self.add_ruleset(repo, &body)
    }

    /// A ruleset by which nobody force-pushes or deletes the branches that match.
    pub fn keep_history(&self, repo: &str, name: &str, pattern: &str) -> Result<u64, Error> {
        let body = json!({
            "name": name,
            "target": "branch",
            "enforcement": "active",
            "bypass_actors": [],
            "conditions": { "ref_name": { "include": [pattern], "exclude": [] } },
            "rules": [{ "type": "non_fast_forward" }, { "type": "deletion" }],
        });
        self.add_ruleset(repo, &body)
    }

    /// Replaces a ruleset, or some of its fields.
    pub fn edit_ruleset(&self, repo: &str, ruleset: u64, change: &Value) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        let owner = state.repo(id)?.owner;
        Ok(state.put_ruleset(id, Some(ruleset), change, owner).map(|_| ())?)
    }

    /// Removes a ruleset.
    pub fn remove_ruleset(&self, repo: &str, ruleset: u64) -> Result<(), Error> {
        let mut state = self.lock();
        let id = state.repo_id(repo)?;
        let owner = state.repo(id)?.owner;
        Ok(state.delete_ruleset(id, ruleset, owner)?)
    }
}
