//! Apps, installations, installation tokens, webhook deliveries.
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::{Call, Caller};
use super::super::clock::stamp;
use super::super::json::{merged, permissions_json};
use super::super::state::{Access, Grant, Installation, State, Token};
use super::super::webhook::Delivery;
use super::{At, number};

const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

fn as_app(call: &Call) -> Result<u64, Refusal> {
    match call.caller {
        Caller::App { id } => Ok(id),
        Caller::Anonymous | Caller::User { .. } | Caller::Installation { .. } => {
            Err(Refusal::new(401, "A JSON web token could not be decoded"))
        }
    }
}

pub(super) fn app(state: &mut State, call: &Call, method: &str, rest: &[&str]) -> Routed {
    let app = as_app(call)?;
    match (method, rest) {
        ("GET", []) => {
            let count = state
                .installations
                .values()
                .filter(|installation| installation.app == app)
                .count();
            let json = state
                .apps
                .get(&app)
                .map_or(Value::Null, |app| state.app_json(app));
            Ok(Answer::ok(merged(json, json!({ "installations_count": count }))))
        }
        ("GET", ["installations"]) => {
            let mine = state
                .installations
                .values()
                .filter(|installation| installation.app == app);
            Ok(Answer::list(
                call,
                mine.map(|installation| state.installation_json(installation))
                    .collect(),
            ))
        }
        ("GET", ["installations", id]) => Ok(Answer::ok(state.installation_json(installation(
            state,
            app,
            number(id)?,
        )?))),
        ("POST", ["installations", id, "access_tokens"]) => access_token(state, call, app, number(id)?),
        ("GET", ["hook", "config"]) => Ok(Answer::ok(hook_config(state, app))),
        ("PATCH", ["hook", "config"]) => {
            if let (Some(app), Some(url)) = (state.apps.get_mut(&app), call.text("url")) {
                app.webhook_url = Some(url.to_owned());
            }
            if let (Some(app), Some(secret)) = (state.apps.get_mut(&app), call.text("secret")) {
                secret.clone_into(&mut app.webhook_secret);
            }
            Ok(Answer::ok(hook_config(state, app)))
        }
        ("GET", ["hook", "deliveries"]) => {
            let per_page = usize::try_from(call.number("per_page").unwrap_or(30).clamp(1, 100)).unwrap_or(30);
            let below = call
                .param("cursor")
                .and_then(|cursor| cursor.parse().ok())
                .unwrap_or(u64::MAX);
            let failed = call.param("status") == Some("failure");
            let mine: Vec<&Delivery> = state
                .outbox
                .deliveries
                .values()
                .rev()
                .filter(|delivery| delivery.app == app && delivery.status_code != 0 && delivery.id < below)
                .filter(|delivery| !failed || delivery.status_code >= 400)
                .collect();
            let shown: Vec<&Delivery> = mine.iter().copied().take(per_page).collect();
            let mut answer = Answer::ok(
                shown
                    .iter()
                    .map(|delivery| state.delivery_json(delivery))
                    .collect(),
            );
            if let (true, Some(last)) = (mine.len() > shown.len(), shown.last()) {
                answer.link = Some(format!("<{}>; rel=\"next\"", call.with("cursor", last.id)));
            }
            Ok(answer)
        }
        ("GET", ["hook", "deliveries", id]) => Ok(Answer::ok(state.delivery_full_json(delivery(
            state,
            app,
            number(id)?,
        )?))),
        ("POST", ["hook", "deliveries", id, "attempts"]) => {
            let again = delivery(state, app, number(id)?)?.clone();
            state.redeliver(&again);
            Ok(Answer::with(202, json!({})))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn hook_config(state: &State, app: u64) -> Value {
    let url = state
        .apps
        .get(&app)
        .and_then(|app| app.webhook_url.clone())
        .unwrap_or_default();
    json!({ "url": url, "content_type": "json", "insecure_ssl": "0", "secret": "********" })
}

fn delivery(state: &State, app: u64, id: u64) -> Result<&Delivery, Refusal> {
    state
        .outbox
        .deliveries
        .get(&id)
        .filter(|delivery| delivery.app == app)
        .ok_or_else(Refusal::not_found)
}

fn installation(state: &State, app: u64, id: u64) -> Result<&Installation, Refusal> {
    state
        .installations
        .get(&id)
        .filter(|installation| installation.app == app)
        .ok_or_else(Refusal::not_found)
}

pub(super) fn by_slug(state: &State, slug: &str) -> Routed {
    let app = state
        .apps
        .values()
        .find(|app| app.slug == slug)
        .ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(state.app_json(app)))
}

pub(super) fn installation_of_account(state: &State, call: &Call, login: &str) -> Routed {
    let app = as_app(call)?;
    let account = state.account_named(login).ok_or_else(Refusal::not_found)?.id;
    let found = state
        .installations
        .values()
        .find(|one| one.app == app && one.account == account);
    Ok(Answer::ok(
        state.installation_json(found.ok_or_else(Refusal::not_found)?),
    ))
}

pub(super) fn installation_of_repo(state: &State, call: &Call, at: At<'_>) -> Routed {
    let app = as_app(call)?;
    let repo = state
        .repo_named(at.owner, at.name)
        .ok_or_else(Refusal::not_found)?;
    let found = state
        .installations
        .values()
        .find(|one| one.app == app && state.covers(one, repo));
    Ok(Answer::ok(
        state.installation_json(found.ok_or_else(Refusal::not_found)?),
    ))
}

fn access_token(state: &mut State, call: &Call, app: u64, id: u64) -> Routed {
    let installation = installation(state, app, id)?.clone();
    let allowed = state
        .apps
        .get(&app)
        .map(|app| app.permissions.clone())
        .unwrap_or_default();
    let wanted = call.body.get("permissions").and_then(Value::as_object);
    let permissions = match wanted.filter(|wanted| !wanted.is_empty()) {
        None => allowed,
        Some(wanted) => {
            let mut narrowed = BTreeMap::new();
            for (name, access) in wanted {
                let access = access.as_str().and_then(Access::parse);
                match (access, allowed.get(name)) {
                    (Some(access), Some(has)) if access <= *has => narrowed.insert(name.clone(), access),
                    _ => {
                        return Err(Refusal::new(
                            422,
                            "The permissions requested are not granted to this installation.",
                        ));
                    }
                };
            }
            narrowed.entry("metadata".to_owned()).or_insert(Access::Read);
            narrowed
        }
    };
    let repos = wanted_repos(state, call, &installation)?;
    let text = format!("ghs_{:032x}", rand::random::<u128>());
    let expires_at = state
        .now()
        .saturating_add(TOKEN_LIFE)
        .unwrap_or(jiff::Timestamp::MAX);
    let selected = repos.is_some() || installation.repos.is_some();
    let mut body = json!({
        "token": text,
        "expires_at": stamp(expires_at),
        "permissions": permissions_json(&permissions),
        "repository_selection": if selected { "selected" } else { "all" },
    });
    if let (Some(repos), Some(fields)) = (&repos, body.as_object_mut()) {
        let shown: Vec<Value> = repos
            .iter()
            .filter_map(|id| state.repos.get(id))
            .map(|repo| state.repo_json(repo))
            .collect();
        fields.insert("repositories".to_owned(), Value::Array(shown));
    }
    state.tokens.insert(
        text,
        Token::Installation(Grant {
            installation: id,
            permissions,
            repos,
            expires_at,
        }),
    );
    Ok(Answer::created(body))
}

fn wanted_repos(
    state: &State,
    call: &Call,
    installation: &Installation,
) -> Result<Option<BTreeSet<u64>>, Refusal> {
    let unknown = || {
        Refusal::new(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    };
    let names = call.texts("repositories");
    let ids = call.body.get("repository_ids").and_then(Value::as_array);
    if names.is_empty() && ids.is_none() {
        return Ok(None);
    }
    let mut repos = BTreeSet::new();
    for name in &names {
        let repo = state
            .repos
            .values()
            .find(|repo| repo.owner == installation.account && repo.name == *name);
        repos.insert(
            repo.filter(|repo| state.covers(installation, repo))
                .ok_or_else(unknown)?
                .id,
        );
    }
    for id in ids.into_iter().flatten() {
        let repo = id.as_u64().and_then(|id| state.repos.get(&id));
        repos.insert(
            repo.filter(|repo| state.covers(installation, repo))
                .ok_or_else(unknown)?
                .id,
        );
    }
    Ok(Some(repos))
}

pub(super) fn repositories(state: &State, call: &Call) -> Routed {
    let Caller::Installation { token, .. } = &call.caller else {
        return Err(Refusal::forbidden(
            "You must authenticate with an installation access token in order to list repositories for an installation.",
        ));
    };
    let covered = state
        .repos
        .values()
        .filter(|repo| state.token_covers(token, repo));
    let items = covered
        .map(|repo| {
            let permissions = json!({ "permissions": {
                "admin": false, "maintain": false, "push": false, "triage": false, "pull": true,
            }});
            merged(state.repo_json(repo), permissions)
        })
        .collect();
    let answer = Answer::counted(call, "repositories", items);
    let narrowed =
        matches!(state.tokens.get(token), Some(Token::Installation(grant)) if grant.repos.is_some());
    let selection = json!({ "repository_selection": if narrowed { "selected" } else { "all" } });
    Ok(Answer {
        body: answer.body.map(|body| merged(body, selection)),
        ..answer
    })
}

pub(super) fn revoke(state: &mut State, call: &Call) -> Routed {
    match &call.caller {
        Caller::Installation { token, .. } => {
            state.tokens.remove(token);
            Ok(Answer::empty(204))
        }
        Caller::Anonymous | Caller::User { .. } | Caller::App { .. } => Err(Refusal::unauthenticated()),
    }
}
