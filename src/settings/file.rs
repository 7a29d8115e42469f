//! The settings file. It names secrets by their files and never holds one.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::Url;

use super::{Address, Role, SettingsError};
use crate::domain::{
    ids::{AgentName, Digest, RepoName, Span},
    policy::SecretName,
    source::{SourceFile, read_yaml},
};

/// What the file states. Paths are relative to the file's directory.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) database: Option<Address>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) api_url: Option<Url>,
    pub(super) git_url: Option<Url>,
    pub(super) repo: Option<RepoName>,
    pub(super) app_id: Option<u64>,
    pub(super) app_key_file: Option<PathBuf>,
    pub(super) webhook_secret_file: Option<PathBuf>,
    pub(super) genesis: Option<Digest>,
    pub(super) gate_key_file: Option<PathBuf>,
    pub(super) executor_key_file: Option<PathBuf>,
    pub(super) watch_key_file: Option<PathBuf>,
    pub(super) watch_token_file: Option<PathBuf>,
    pub(super) alarm_url: Option<Url>,
    pub(super) alarm_issue: Option<bool>,
    /// The secrets of agents that sign with one: a file for each name.
    #[serde(default)]
    pub(super) agents: BTreeMap<AgentName, PathBuf>,
    pub(super) group_within: Option<Span>,
    pub(super) pushes_per_minute: Option<u32>,
    pub(super) results_for: Option<Span>,
    pub(super) sweep_every: Option<Span>,
    pub(super) role: Option<Role>,
    pub(super) trusted_policy: Option<Digest>,
    pub(super) credential_key_file: Option<PathBuf>,
    pub(super) credential_issuer: Option<Url>,
    pub(super) secrets_dir: Option<PathBuf>,
    /// The only hosts that a secret may be sent to, as `host` or `host:port`.
    #[serde(default)]
    pub(super) secret_hosts: BTreeMap<SecretName, Vec<String>>,
}

/// What a file states, or nothing where none is named.
pub(super) fn stated(path: Option<&Path>) -> Result<Written, SettingsError> {
    path.map_or_else(|| Ok(Written::default()), read)
}

/// Reads the file; an error names its line and column.
fn read(path: &Path) -> Result<Written, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        what: "the settings file",
        source,
    })?;
    let mut written: Written = read_yaml(&SourceFile::new(path.display().to_string(), text))?;
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let files = [
        &mut written.data_dir,
        &mut written.app_key_file,
        &mut written.webhook_secret_file,
        &mut written.gate_key_file,
        &mut written.executor_key_file,
        &mut written.watch_key_file,
        &mut written.watch_token_file,
        &mut written.credential_key_file,
        &mut written.secrets_dir,
    ];
    written.database = written.database.map(|address| address.beside(&directory));
    let agents = written.agents.values_mut();
    for file in files.into_iter().flatten().chain(agents) {
        *file = directory.join(&*file);
    }
    Ok(written)
}
