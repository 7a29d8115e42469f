//! A secret, or an audience, that goes to several hosts: each of them can use it at the others (INVARIANT i19).

use std::collections::BTreeMap;

use super::{Around, CATALOG, Found, Lint, Severity, listed, of_action};
use crate::domain::policy::{Action, Auth, HttpDryRun, HttpObserve, UrlTemplate};

pub(super) const LINT: Lint = Lint {
    id: "secret-for-many-hosts",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for action in at.policy.actions() {
        for (auth, url, field) in shown(action) {
            let what = match (auth.secret(), auth.audience()) {
                (Some(secret), _) => format!("the secret `{secret}`"),
                (None, Some(audience)) => format!("a credential for `{audience}`"),
                (None, None) => continue,
            };
            let host = *first.entry(what.clone()).or_insert(url.host());
            if host != url.host() {
                found.push(Found {
                    file: CATALOG.into(),
                    mark: at.mark(CATALOG, &of_action(action, &field)),
                    message: format!(
                        "{what} is sent to {}; each can use it at the other",
                        listed([host, url.host()])
                    ),
                    remedy: "give each host a secret of its own, and leave `audience` out".into(),
                });
            }
        }
    }
    found
}

/// What an action's requests show, to whom, and where the catalog says so.
fn shown(action: &Action) -> impl Iterator<Item = (&Auth, &UrlTemplate, String)> {
    let observe = action
        .observe()
        .map(HttpObserve::request)
        .and_then(|looks| Some((looks.auth()?, looks.url(), "observe/http/auth".to_owned())));
    let dry_run = action
        .dry_run()
        .map(HttpDryRun::request)
        .and_then(|asks| Some((asks.auth()?, asks.url(), "dry_run/http/auth".to_owned())));
    let execute = action.execute().connectors().into_iter().filter_map(|placed| {
        let http = placed.connector.http()?.request();
        let at = placed.at.trim_start_matches('/');
        Some((http.auth()?, http.url(), format!("{at}/auth")))
    });
    observe.into_iter().chain(dry_run).chain(execute)
}
