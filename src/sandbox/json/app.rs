//! Apps, installations and webhook deliveries.
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{merged, node};
use crate::sandbox::clock::stamp;
use crate::sandbox::state::{Access, App, Installation, State};
use crate::sandbox::webhook::Delivery;

pub(crate) fn permissions_json(permissions: &BTreeMap<String, Access>) -> Value {
    let fields: Map<String, Value> = permissions
        .iter()
        .map(|(name, access)| (name.clone(), Value::String(access.name().to_owned())))
        .collect();
    Value::Object(fields)
}

impl State {
    pub(crate) fn app_json(&self, app: &App) -> Value {
        json!({
            "id": app.id,
            "client_id": format!("Iv23li{:014}", app.id),
            "slug": app.slug,
            "node_id": node("Integration", app.id),
            "owner": self.user_json(app.owner),
            "name": app.slug,
            "description": "",
            "external_url": self.base,
            "html_url": format!("{}/apps/{}", self.base, app.slug),
            "created_at": stamp(app.created_at),
            "updated_at": stamp(app.created_at),
            "permissions": permissions_json(&app.permissions),
            "events": app.events,
        })
    }

    pub(crate) fn app_or_null(&self, app: Option<u64>) -> Value {
        app.and_then(|id| self.apps.get(&id))
            .map_or(Value::Null, |app| self.app_json(app))
    }

    pub(crate) fn installation_json(&self, installation: &Installation) -> Value {
        let Some(app) = self.apps.get(&installation.app) else {
            return Value::Null;
        };
        let account = self.account(installation.account);
        let login = account.map_or("ghost", |account| account.login.as_str());
        json!({
            "id": installation.id,
            "client_id": format!("Iv23li{:014}", app.id),
            "account": self.user_json(installation.account),
            "repository_selection": if installation.repos.is_some() { "selected" } else { "all" },
            "access_tokens_url": format!("{}/app/installations/{}/access_tokens", self.api(), installation.id),
            "repositories_url": format!("{}/installation/repositories", self.api()),
            "html_url": format!("{}/organizations/{login}/settings/installations/{}", self.base, installation.id),
            "app_id": app.id,
            "app_slug": app.slug,
            "target_id": installation.account,
            "target_type": account.map_or("User", |account| account.kind.name()),
            "permissions": permissions_json(&app.permissions),
            "events": app.events,
            "created_at": stamp(installation.created_at),
            "updated_at": stamp(installation.created_at),
            "single_file_name": null,
            "suspended_by": null,
            "suspended_at": null,
        })
    }

    pub(crate) fn delivery_json(&self, delivery: &Delivery) -> Value {
        json!({
            "id": delivery.id,
            "guid": delivery.guid,
            "delivered_at": stamp(delivery.delivered_at),
            "redelivery": delivery.redelivery,
            "duration": delivery.duration,
            "status": delivery.status,
            "status_code": delivery.status_code,
            "event": delivery.event,
            "action": delivery.payload.get("action").cloned().unwrap_or(Value::Null),
            "installation_id": delivery.installation,
            "repository_id": delivery.repo,
            "throttled_at": null,
        })
    }

    pub(crate) fn delivery_full_json(&self, delivery: &Delivery) -> Value {
        let headers: Map<String, Value> = delivery
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Value::String(value.clone())))
            .collect();
        merged(
            self.delivery_json(delivery),
            json!({
                "url": delivery.url,
                "request": { "headers": headers, "payload": delivery.payload },
                "response": { "headers": {}, "payload": delivery.response },
            }),
        )
    }
}
