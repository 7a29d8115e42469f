//! A credential of its own that may administer the repository: it sees bypass lists and puts rules right, so that neither
//! gate nor executor needs that permission. INVARIANT i31.

use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use url::Url;

use super::{client::GitHub, error::Error};
use crate::domain::{
    ids::RepoName,
    protection::{CHECK, Change, Ruleset},
};

/// A client that watches one repository's rules. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watcher(GitHub);

#[derive(Deserialize)]
struct Known {
    id: u64,
    name: String,
    source_type: Option<String>,
}

impl Watcher {
    /// A watcher with a token. Makes no request yet.
    ///
    /// # Errors
    /// As [`GitHub::connect`].
    pub fn connect(api: Url, repo: RepoName, token: SecretString) -> Result<Self, Error> {
        GitHub::with_token(api, repo, token).map(Self)
    }

    pub(super) fn github(&self) -> &GitHub {
        &self.0
    }

    /// Makes one change; made again, it changes nothing more.
    ///
    /// # Errors
    /// When GitHub refuses it, or the credential may not make it.
    pub async fn apply(&self, change: &Change) -> Result<(), Error> {
        match change {
            Change::Put(ruleset) => self.put(ruleset).await,
            Change::Merging(_) => {
                let settings = json!({
                    "allow_merge_commit": true,
                    "allow_squash_merge": false,
                    "allow_rebase_merge": false,
                    "delete_branch_on_merge": false,
                });
                self.0.edit(&self.0.in_repo(""), &settings).await
            }
        }
    }

    /// Our ruleset of this name, replaced where there is one.
    async fn put(&self, ruleset: &Ruleset) -> Result<(), Error> {
        let body = body(ruleset);
        let path = match self.ours(ruleset.name).await? {
            Some(id) => return self.replace(id, &body).await,
            None => self.0.in_repo("/rulesets"),
        };
        let made: Result<IgnoredAny, Error> = self.0.write(Method::POST, &path, &body).await;
        match made {
            Err(error) if error.is_uncertain() => match self.ours(ruleset.name).await? {
                Some(id) => self.replace(id, &body).await,
                None => self
                    .0
                    .write::<IgnoredAny>(Method::POST, &path, &body)
                    .await
                    .map(drop),
            },
            made => made.map(drop),
        }
    }

    async fn replace(&self, id: u64, body: &Value) -> Result<(), Error> {
        let path = self.0.in_repo(&format!("/rulesets/{id}"));
        let replaced: Result<IgnoredAny, Error> = self.0.write(Method::PUT, &path, body).await;
        match replaced {
            Err(error) if error.is_uncertain() => self
                .0
                .write::<IgnoredAny>(Method::PUT, &path, body)
                .await
                .map(drop),
            replaced => replaced.map(drop),
        }
    }

    async fn ours(&self, name: &str) -> Result<Option<u64>, Error> {
        let path = self.0.in_repo("/rulesets?includes_parents=false");
        let all: Vec<Known> = self.0.list(&path).await?;
        let ours = |known: &Known| {
            known.name == name
                && known
                    .source_type
                    .as_deref()
                    .is_none_or(|source| source == "Repository")
        };
        Ok(all.into_iter().find(ours).map(|known| known.id))
    }
}

fn body(ruleset: &Ruleset) -> Value {
    let rules: Vec<Value> = ruleset
        .rules
        .iter()
        .map(|kind| rule(kind, ruleset.check))
        .collect();
    let around: Vec<Value> = ruleset
        .around
        .map(|app| json!({ "actor_id": app, "actor_type": "Integration", "bypass_mode": "always" }))
        .into_iter()
        .collect();
    json!({
        "name": ruleset.name,
        "target": "branch",
        "enforcement": "active",
        "bypass_actors": around,
        "conditions": { "ref_name": { "include": [ruleset.include], "exclude": [] } },
        "rules": rules,
    })
}

fn rule(kind: &str, check: Option<u64>) -> Value {
    match kind {
        "pull_request" => json!({
            "type": kind,
            "parameters": {
                "required_approving_review_count": 0,
                "dismiss_stale_reviews_on_push": false,
                "require_code_owner_review": false,
                "require_last_push_approval": false,
                "required_review_thread_resolution": false,
                "allowed_merge_methods": ["merge"],
            },
        }),
        "required_status_checks" => json!({
            "type": kind,
            "parameters": {
                "strict_required_status_checks_policy": false,
                "required_status_checks": [{ "context": CHECK, "integration_id": check }],
            },
        }),
        _ => json!({ "type": kind }),
    }
}
