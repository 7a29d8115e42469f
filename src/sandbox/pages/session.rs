//! Who looks at the pages. There are no passwords: this is a sandbox on one machine.
use axum::http::HeaderMap;

use super::super::state::{Kind, State};

const COOKIE: &str = "sandbox_login";

/// The account the cookie names.
pub(super) fn viewer(state: &State, headers: &HeaderMap) -> Option<(u64, String)> {
    let cookies = headers
        .get_all("cookie")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let login = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)?
        .1;
    let account = state
        .account_named(login)
        .filter(|account| account.kind == Kind::User)?;
    Some((account.id, account.login.clone()))
}

/// The `Set-Cookie` that signs in as an account, or out.
pub(super) fn cookie(state: &State, login: &str) -> String {
    match state.account_named(login) {
        Some(account) => format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", account.login),
        None => format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"),
    }
}

/// Whether a form was sent from one of our own pages: `Origin` is this very server, under a loopback name.
pub(super) fn same_origin(state: &State, headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let port = state.base.rsplit(':').next().unwrap_or_default();
    let Some(host) = header("host") else {
        return false;
    };
    let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}")]
        .iter()
        .any(|name| name == host);
    ours && header("origin") == Some(format!("http://{host}").as_str())
}
