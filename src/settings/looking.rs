//! What a command that only looks needs of the settings: no secret of webhooks, no signing key.

use std::{fmt, path::Path};

use secrecy::SecretString;
use url::Url;

use super::{
    Args, SettingsError, Written, api, beside, encrypted, file, note, required, secret, watch_token,
};
use crate::domain::ids::{Digest, RepoName};

/// Where a repository is, and with which credentials it is looked at. Secrets are never printed.
pub struct Looking {
    api_url: Url,
    git_url: Url,
    repo: RepoName,
    app_id: u64,
    app_key: SecretString,
    watch_token: Option<SecretString>,
    genesis: Option<Digest>,
    data_dir: Option<std::path::PathBuf>,
}

impl Looking {
    /// From flags, which clap fills from variables too, and the file. Errors: all that are wrong.
    pub fn load(args: &Args) -> Result<Self, Vec<SettingsError>> {
        let written = match &args.config {
            Some(path) => file::read(path).map_err(|error| vec![error])?,
            None => Written::default(),
        };
        let mut wrong = Vec::new();
        match gather(args, &written, &mut wrong) {
            Some(looking) if wrong.is_empty() => Ok(looking),
            Some(_) | None => Err(wrong),
        }
    }

    /// The base of GitHub's API.
    pub const fn api_url(&self) -> &Url {
        &self.api_url
    }
    /// The base of clone addresses, without a slash at its end.
    pub fn git_url(&self) -> &str {
        self.git_url.as_str().trim_end_matches('/')
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
    /// The token of a credential that may administer the repository. INVARIANT i31.
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

impl fmt::Debug for Looking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looking")
            .field("repo", &self.repo)
            .finish_non_exhaustive()
    }
}

fn gather(args: &Args, written: &Written, wrong: &mut Vec<SettingsError>) -> Option<Looking> {
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
    let key = required(
        &args.app_key_file,
        &written.app_key_file,
        "the GitHub App's private key",
        ["app-key-file", "COUNTERSIGN_APP_KEY_FILE", "app_key_file"],
        wrong,
    );
    let app_key = key.and_then(|path| note(secret::read(&path, "the GitHub App's private key"), wrong));
    let watch_token = watch_token(args, written, wrong);
    let api_url = api(args.api_url.as_ref().or(written.api_url.as_ref()), wrong);
    let git_url = match args.git_url.as_ref().or(written.git_url.as_ref()) {
        Some(url) => note(encrypted(url, "the address of repositories"), wrong),
        None => api_url.as_ref().map(beside),
    };
    Some(Looking {
        api_url: api_url?,
        git_url: git_url?,
        repo: repo?,
        app_id: app_id?,
        app_key: app_key?,
        watch_token: watch_token?,
        genesis: args.genesis.or(written.genesis),
        data_dir: args.data_dir.clone().or_else(|| written.data_dir.clone()),
    })
}
