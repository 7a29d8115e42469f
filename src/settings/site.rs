//! A repository, where it is, and in whose name it is looked at: all that a command needs which only looks, and the part of
//! a bot's settings that others share. No secret of webhooks, no signing key.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use url::Url;

use super::{Args, SettingsError, Written, all_right, file, note, required, secret};
use crate::domain::ids::{Digest, RepoName};

/// Where a repository is, and with which credentials it is looked at. Secrets are never printed.
pub struct Site {
    api: Url,
    git_url: Url,
    repo: RepoName,
    app_id: u64,
    app_key: SecretString,
    watch_token: Option<SecretString>,
    genesis: Option<Digest>,
    data_dir: Option<PathBuf>,
}

/// Whether the root of trust must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Demanded,
    IfGiven,
}

impl Site {
    /// From flags, which clap fills from variables too, and the file. Errors: all that are wrong.
    pub fn load(args: &Args) -> Result<Self, Vec<SettingsError>> {
        let written = file::stated(args.config.as_deref()).map_err(|error| vec![error])?;
        let mut wrong = Vec::new();
        let site = Self::gather(args, &written, Root::IfGiven, &mut wrong);
        all_right(site, wrong)
    }

    pub(super) fn gather(
        args: &Args,
        written: &Written,
        root: Root,
        wrong: &mut Vec<SettingsError>,
    ) -> Option<Self> {
        const KEY: &str = "the GitHub App's private key";
        let repo = required(
            &args.repo,
            &written.repo,
            "the repository",
            ["repo", "COUNTERSIGN_REPO", "repo"],
            wrong,
        );
        let app_id = required(
            &args.app_id,
            &written.app_id,
            "the GitHub App's id",
            ["app-id", "COUNTERSIGN_APP_ID", "app_id"],
            wrong,
        );
        let genesis = match root {
            Root::IfGiven => Some(args.genesis.or(written.genesis)),
            Root::Demanded => required(
                &args.genesis,
                &written.genesis,
                "the genesis digest",
                ["genesis", "COUNTERSIGN_GENESIS", "genesis"],
                wrong,
            )
            .map(Some),
        };
        let key = required(
            &args.app_key_file,
            &written.app_key_file,
            KEY,
            ["app-key-file", "COUNTERSIGN_APP_KEY_FILE", "app_key_file"],
            wrong,
        );
        let app_key = key.and_then(|path| note(secret::read(&path, KEY), wrong));
        let watch_token = args
            .watch_token_file
            .as_ref()
            .or(written.watch_token_file.as_ref());
        let watch_token =
            watch_token.map(|path| note(secret::shared(path, "the watch credential's token"), wrong));
        let api = match args.api_url.as_ref().or(written.api_url.as_ref()) {
            Some(url) => note(encrypted(url, "the address of the API"), wrong),
            None => Url::parse("https://api.github.com").ok(),
        };
        let git_url = match args.git_url.as_ref().or(written.git_url.as_ref()) {
            Some(url) => note(encrypted(url, "the address of repositories"), wrong),
            None => api.as_ref().map(beside),
        };
        Some(Self {
            api: api?,
            git_url: git_url?,
            repo: repo?,
            app_id: app_id?,
            app_key: app_key?,
            watch_token: match watch_token {
                Some(token) => Some(token?),
                None => None,
            },
            genesis: genesis?,
            data_dir: args.data_dir.clone().or_else(|| written.data_dir.clone()),
        })
    }

    /// The base of GitHub's API.
    pub const fn api(&self) -> &Url {
        &self.api
    }
    /// The base of GitHub's API, without a slash at its end.
    pub fn api_url(&self) -> &str {
        self.api.as_str().trim_end_matches('/')
    }
    /// The base of clone addresses, without a slash at its end.
    pub fn git_url(&self) -> &str {
        self.git_url.as_str().trim_end_matches('/')
    }
    /// Where the repository is cloned from.
    pub fn remote(&self) -> String {
        format!("{}/{}.git", self.git_url(), self.repo)
    }
    /// The repository's address, as people open it.
    pub(super) fn home(&self) -> String {
        format!("{}/{}", self.git_url(), self.repo)
    }
    /// The repository.
    pub const fn repo(&self) -> &RepoName {
        &self.repo
    }
    /// The GitHub App.
    pub const fn app_id(&self) -> u64 {
        self.app_id
    }
    /// The App's private key, PEM.
    pub const fn app_key(&self) -> &SecretString {
        &self.app_key
    }
    /// The token of a credential that may administer the repository, to see bypass lists. INVARIANT i31.
    pub const fn watch_token(&self) -> Option<&SecretString> {
        self.watch_token.as_ref()
    }
    /// The root of trust, when it is given. INVARIANT i01.
    pub const fn genesis(&self) -> Option<Digest> {
        self.genesis
    }
    /// Where a bot of this machine keeps its own state, when that is given.
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("repo", &self.repo)
            .finish_non_exhaustive()
    }
}

/// Plain `http` is for this machine only.
pub(crate) fn encrypted(url: &Url, what: &'static str) -> Result<Url, SettingsError> {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if bare && (url.scheme() == "https" || (url.scheme() == "http" && local)) {
        return Ok(url.clone());
    }
    // What stands in front of the host may be a password.
    let value = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    let rule = "`https://`, a host and a path; `http://` for this machine only";
    Err(SettingsError::Value { value, what, rule })
}

/// github.com's repositories stand beside its API; an Enterprise Server's stand in front of `/api/v3`.
pub(crate) fn beside(api: &Url) -> Url {
    let mut url = api.clone();
    if url.host_str() == Some("api.github.com") {
        // Another host name for the same scheme is always accepted.
        url.set_host(Some("github.com")).unwrap_or_default();
    }
    let path = url
        .path()
        .trim_end_matches('/')
        .trim_end_matches("/api/v3")
        .to_owned();
    url.set_path(&path);
    url
}
