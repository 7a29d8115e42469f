//! Apps, installations, tokens.
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::call::Caller;
use super::super::clock::stamp;
use super::super::error::Error;
use super::super::json::field;
use super::super::running::Running;
use super::super::state::{Access, App, Installation, Kind, Token};

/// Every event an app may subscribe to here.
const EVENTS: &[&str] = &[
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "deployment_protection_rule",
    "issue_comment",
    "membership",
    "merge_group",
    "organization",
    "pull_request",
    "pull_request_review",
    "push",
    "repository_ruleset",
    "team",
    "workflow_run",
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

impl Running {
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
                "created_at": stamp(state.now()),
                "updated_at": stamp(state.now()),
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

    /// The installations of an app, oldest first.
    pub fn installations(&self, app: u64) -> Vec<u64> {
        let state = self.lock();
        let mine = state.installations.values().filter(|one| one.app == app);
        mine.map(|one| one.id).collect()
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
        let body = self.call(Caller::App { id: app }, "POST", &path, Value::Null)?;
        Ok(field(&body, "token").as_str().unwrap_or_default().to_owned())
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
