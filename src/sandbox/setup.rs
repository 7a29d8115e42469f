//! Furnishing the sandbox: organisations, people, repositories, apps.
use super::json::field;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::error::Error;
use super::git;
use super::running::Running;
use super::state::{
    Access, Account, App, Installation, Kind, Membership, Org, Permission, Repo, Standing, State, Team, Token,
};

/// Every event an app may subscribe to here.
const EVENTS: &[&str] = &[
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "issue_comment",
    "membership",
    "organization",
    "pull_request",
    "pull_request_review",
    "push",
    "repository_ruleset",
    "team",
];

/// What a new app is.
#[derive(Debug, Clone)]
pub struct AppSpec {
    /// The app's slug, which also names its bot account.
    pub slug: String,
    /// The account that owns the app.
    pub owner: String,
    /// Permission names with `read`, `write` or `admin`.
    pub permissions: Vec<(String, String)>,
    /// The events it subscribes to; all of the sandbox's when empty.
    pub events: Vec<String>,
    /// Where webhooks go; may be set later.
    pub webhook_url: Option<String>,
}

/// What the owner of an app holds.
#[derive(Clone)]
pub struct AppCredentials {
    /// The app's id.
    pub id: u64,
    /// The app's slug.
    pub slug: String,
    /// The numeric id of the `slug[bot]` account.
    pub bot_id: u64,
    /// PKCS#8 in PEM.
    pub private_key_pem: String,
    /// The secret that signs webhooks.
    pub webhook_secret: String,
}

impl std::fmt::Debug for AppCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppCredentials")
            .field("id", &self.id)
            .field("slug", &self.slug)
            .finish_non_exhaustive()
    }
}

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
            comments: BTreeMap::new(),
            check_runs: BTreeMap::new(),
            statuses: Vec::new(),
            rulesets: BTreeMap::new(),
            protections: BTreeMap::new(),
            activity: Vec::new(),
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

    /// The bare repository on disk.
    pub fn git_dir(&self, repo: &str) -> Result<PathBuf, Error> {
        let state = self.lock();
        let id = state.repo_id(repo)?;
        Ok(state.repo(id)?.dir.clone())
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

    /// Makes an app with a key of its own. Making an RSA key takes a moment.
    pub fn create_app(&self, spec: AppSpec) -> Result<AppCredentials, Error> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|error| Error::Start(error.to_string()))?;
        let private: Pkcs8V1Der<'_> = key.as_der().map_err(|error| Error::Start(error.to_string()))?;
        let private_key_pem = pem(private.as_ref());
        let mut state = self.lock();
        let owner = state.account_id(&spec.owner)?;
        let bot = state.new_account(&format!("{}[bot]", spec.slug), Kind::Bot);
        let id = state.id();
        let webhook_secret = format!("{:032x}", rand::random::<u128>());
        let mut permissions = BTreeMap::from([("metadata".to_owned(), Access::Read)]);
        for (name, access) in &spec.permissions {
            let access = Access::parse(access).ok_or_else(|| Error::unknown("access level", access))?;
            permissions.insert(name.clone(), access);
        }
        let events = if spec.events.is_empty() {
            EVENTS.iter().map(|&event| event.to_owned()).collect()
        } else {
            spec.events
        };
        let app = App {
            id,
            slug: spec.slug.clone(),
            owner,
            bot,
            public_key: key.public_key().as_ref().to_vec(),
            webhook_secret: webhook_secret.clone(),
            webhook_url: None,
            permissions,
            events,
            created_at: state.now(),
        };
        state.apps.insert(id, app);
        drop(state);
        if let Some(url) = spec.webhook_url {
            self.set_webhook_url(id, &url)?;
        }
        Ok(AppCredentials {
            id,
            slug: spec.slug,
            bot_id: bot,
            private_key_pem,
            webhook_secret,
        })
    }

    /// Sets where an app's webhooks go, and pings it.
    pub fn set_webhook_url(&self, app: u64, url: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let found = state
            .apps
            .get_mut(&app)
            .ok_or_else(|| Error::unknown("app", app.to_string()))?;
        found.webhook_url = Some(url.to_owned());
        let events = found.events.clone();
        let hook = json!({
            "zen": "Approval is earned, not assumed.",
            "hook_id": app,
            "hook": {
                "type": "App",
                "id": app,
                "name": "web",
                "active": true,
                "events": events,
                "config": { "content_type": "json", "insecure_ssl": "0", "url": url },
                "app_id": app,
                "created_at": super::clock::stamp(state.now()),
                "updated_at": super::clock::stamp(state.now()),
                "deliveries_url": format!("{}/app/hook/deliveries", state.api()),
            },
        });
        state.emit_app("ping", app, hook);
        Ok(())
    }

    /// Changes what an app may do; tokens made before keep what they had.
    pub fn set_app_permissions(&self, app: u64, permissions: &[(&str, &str)]) -> Result<(), Error> {
        let mut state = self.lock();
        let found = state
            .apps
            .get_mut(&app)
            .ok_or_else(|| Error::unknown("app", app.to_string()))?;
        found.permissions = BTreeMap::from([("metadata".to_owned(), Access::Read)]);
        for (name, access) in permissions {
            let access = Access::parse(access).ok_or_else(|| Error::unknown("access level", *access))?;
            found.permissions.insert((*name).to_owned(), access);
        }
        Ok(())
    }

    /// Installs an app on an account: on these repositories (`owner/name`), or on all when there are none.
    pub fn install(&self, app: u64, account: &str, repos: &[&str]) -> Result<u64, Error> {
        let mut state = self.lock();
        let account = state.account_id(account)?;
        if !state.apps.contains_key(&app) {
            return Err(Error::unknown("app", app.to_string()));
        }
        let selected: BTreeSet<u64> = repos
            .iter()
            .map(|repo| state.repo_id(repo))
            .collect::<Result<_, _>>()?;
        let id = state.id();
        let repos = if selected.is_empty() { None } else { Some(selected) };
        let created_at = state.now();
        state.installations.insert(
            id,
            Installation {
                id,
                app,
                account,
                repos,
                created_at,
            },
        );
        Ok(id)
    }

    /// A token for a person.
    pub fn user_token(&self, login: &str) -> Result<String, Error> {
        let mut state = self.lock();
        let id = state.account_id(login)?;
        let token = format!("ghp_{:032x}", rand::random::<u128>());
        state.tokens.insert(token.clone(), Token::User { id });
        Ok(token)
    }

    /// A token for an installation, as the app itself would ask for one: all it may have, for an hour.
    pub fn installation_token(&self, installation: u64) -> Result<String, Error> {
        let app = self.lock().installations.get(&installation).map(|one| one.app);
        let app = app.ok_or_else(|| Error::unknown("installation", installation.to_string()))?;
        let path = format!("/app/installations/{installation}/access_tokens");
        let body = self.call(super::call::Caller::App { id: app }, "POST", &path, Value::Null)?;
        Ok(field(&body, "token").as_str().unwrap_or_default().to_owned())
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

    /// The repository's pull request, in GitHub's JSON.
    pub fn pull(&self, repo: &str, number: u64) -> Result<Value, Error> {
        self.read(repo, |state, id| {
            Ok(state.pull_full_json(state.repo(id)?, state.pull(id, number)?))
        })
    }

    /// All pull requests, oldest first.
    pub fn pulls(&self, repo: &str) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            Ok(repo
                .pulls
                .values()
                .map(|pull| state.pull_full_json(repo, pull))
                .collect())
        })
    }

    /// The reviews of a pull request, oldest first.
    pub fn reviews(&self, repo: &str, number: u64) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let (repo, pull) = (state.repo(id)?, state.pull(id, number)?);
            Ok(pull
                .reviews
                .iter()
                .map(|review| state.review_json(repo, pull, review))
                .collect())
        })
    }

    /// The comments on a pull request, oldest first.
    pub fn comments(&self, repo: &str, number: u64) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            let mine = repo.comments.values().filter(|comment| comment.number == number);
            Ok(mine.map(|comment| state.comment_json(repo, comment)).collect())
        })
    }

    /// The check runs on a commit, oldest first.
    pub fn check_runs(&self, repo: &str, sha: &str) -> Result<Vec<Value>, Error> {
        self.read(repo, |state, id| {
            let repo = state.repo(id)?;
            let runs = repo.check_runs.values().filter(|run| run.head_sha == sha);
            Ok(runs.map(|run| state.check_run_json(repo, run)).collect())
        })
    }

    /// The commit a branch names.
    pub fn branch_head(&self, repo: &str, branch: &str) -> Result<String, Error> {
        let head = self.read(repo, |state, id| {
            Ok(state.repo(id)?.refs.get(&format!("refs/heads/{branch}")).cloned())
        })?;
        head.ok_or_else(|| Error::unknown("branch", branch))
    }

    fn read<T>(&self, repo: &str, read: impl FnOnce(&State, u64) -> Result<T, Refusal>) -> Result<T, Error> {
        let state = self.lock();
        let id = state.repo_id(repo)?;
        Ok(read(&state, id)?)
    }
}

/// PKCS#8 DER in PEM.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for (at, c) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}
