//! Secrets for targets: what the operator lets a catalog name, and which hosts may be sent it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Args, SettingsError, Written, secret};
use crate::domain::policy::{SECRET_PREFIX, SecretError, SecretName};

/// A shorter one could be guessed, and would be found in answers that do not repeat it.
const MIN: usize = 8;

/// The secrets that a catalog may name. They are never printed.
#[derive(Clone, Default)]
pub struct Vault {
    variables: BTreeMap<String, SecretString>,
    directory: Option<PathBuf>,
    hosts: BTreeMap<SecretName, Vec<String>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("variables", &self.variables.keys())
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Takes the variables that are secrets for targets out of the others.
    pub(super) fn gather(
        args: &Args,
        written: &Written,
        variables: &mut BTreeMap<String, String>,
        wrong: &mut Vec<SettingsError>,
    ) -> Self {
        let ours = variables.extract_if(.., |name, _| name.starts_with(SECRET_PREFIX));
        let mut secrets = BTreeMap::new();
        for (name, text) in ours {
            let secret = SecretString::from(text);
            match SecretName::variable(&name) {
                Ok(_) if secret.expose_secret().len() >= MIN => {
                    secrets.insert(name, secret);
                }
                Ok(_) => wrong.push(SettingsError::Secret {
                    what: format!("`{name}`"),
                    rule: "has fewer than 8 characters, which can be guessed; set a longer one",
                }),
                Err(_) => wrong.push(SettingsError::Secret {
                    what: format!("`{}`", name.escape_debug()),
                    rule: "can't be named in a catalog; use capital letters, digits and `_`",
                }),
            }
        }
        Self {
            variables: secrets,
            directory: args.secrets_dir.clone().or_else(|| written.secrets_dir.clone()),
            hosts: written.secret_hosts.clone(),
        }
    }

    /// A secret that may be sent to this address. A file is read anew each time, so that it can be changed while the bot
    /// runs. Errors: it is not there, may not go there, or is not kept as a secret.
    pub fn open(&self, name: &SecretName, to: &Url) -> Result<SecretString, SecretError> {
        if let Some(hosts) = self.hosts.get(name) {
            let host = to.host_str().unwrap_or_default();
            let with_port = to
                .port_or_known_default()
                .map(|port| format!("{host}:{port}"))
                .unwrap_or_default();
            if !hosts.iter().any(|known| *known == host || *known == with_port) {
                return Err(SecretError::Host {
                    name: name.clone(),
                    host: with_port,
                });
            }
        }
        match (name.as_variable(), &self.directory) {
            (Some(variable), _) => self.variables.get(variable).cloned(),
            (None, Some(directory)) => Some(read(directory, name)?),
            (None, None) => None,
        }
        .ok_or_else(|| SecretError::Missing(name.clone()))
    }
}

/// Reads a file below the directory, without the end of its line. Links inside the directory are followed, as those are
/// that an orchestrator changes secrets by.
fn read(directory: &Path, name: &SecretName) -> Result<SecretString, SecretError> {
    let unfit = |why| SecretError::Unfit {
        name: name.clone(),
        why,
    };
    let no_directory = "the operator's `secrets_dir` can't be read";
    let directory = directory.canonicalize().map_err(|_| unfit(no_directory))?;
    let path = match directory.join(name.as_str()).canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(SecretError::Missing(name.clone()));
        }
        Err(_) => return Err(unfit("its file can't be read")),
    };
    if !path.starts_with(&directory) {
        return Err(unfit("its file is a link that leads out of `secrets_dir`"));
    }
    if !path.is_file() {
        return Err(unfit("it is no file"));
    }
    let text = secret::line(&path, "a target's secret").map_err(|error| match error {
        SettingsError::Open { .. } => unfit("others can read its file; run `chmod 600` on it"),
        _ => unfit("its file can't be read"),
    })?;
    if text.expose_secret().len() < MIN {
        return Err(unfit("it has fewer than 8 characters, which can be guessed"));
    }
    Ok(text)
}
