//! Who the bot is, and who others are.

use super::{
    client::{GitHub, segment},
    error::Error,
    wire,
};
use crate::domain::ids::{AccountId, Login};

/// The bot's own account, `SLUG[bot]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    account: AccountId,
    login: Login,
    email: String,
}

impl Me {
    /// Its numeric id.
    pub fn account(&self) -> AccountId {
        self.account
    }
    /// Its login, `SLUG[bot]`.
    pub fn login(&self) -> &Login {
        &self.login
    }
    /// The address that makes GitHub show its commits as its own.
    pub fn email(&self) -> &str {
        &self.email
    }
}

impl GitHub {
    /// The bot's own account; asked once.
    ///
    /// # Errors
    /// When GitHub does not answer, or does not know the app.
    pub async fn me(&self) -> Result<&Me, Error> {
        self.me_cell()
            .get_or_try_init(|| async {
                let app: wire::App = self.get_as_app("/app").await?;
                let path = "GET /app";
                let login: Login = app
                    .slug
                    .and_then(|slug| format!("{slug}[bot]").parse().ok())
                    .ok_or_else(|| malformed(path, "the app has no slug"))?;
                let account = self.account(&login).await?;
                let email = format!("{account}+{login}@{}", self.noreply());
                Ok(Me {
                    account,
                    login,
                    email,
                })
            })
            .await
    }

    /// The numeric id behind a login as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nobody has it.
    pub async fn account(&self, login: &Login) -> Result<AccountId, Error> {
        let path = format!("/users/{}", segment(login.as_str()));
        let account: wire::Account = self.get(&path).await?;
        account
            .id()
            .ok_or_else(|| malformed(&format!("GET {path}"), "the account has no id"))
    }

    /// The login that an account has now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account is gone.
    pub async fn login(&self, account: AccountId) -> Result<Login, Error> {
        let path = format!("/user/{account}");
        let account: wire::Account = self.get(&path).await?;
        account
            .login()
            .ok_or_else(|| malformed(&format!("GET {path}"), "the account has no login"))
    }

    /// Where this GitHub's private commit addresses live.
    pub(super) fn noreply(&self) -> String {
        match self.api().domain() {
            None | Some("api.github.com" | "localhost") => "users.noreply.github.com".to_owned(),
            Some(host) => format!("users.noreply.{}", host.strip_prefix("api.").unwrap_or(host)),
        }
    }
}

fn malformed(doing: &str, because: &str) -> Error {
    Error::Malformed {
        doing: doing.to_owned(),
        because: because.to_owned(),
    }
}
