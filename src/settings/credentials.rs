//! Credentials for targets: in whose name they are made, and where their keys are.

use std::path::{Path, PathBuf};

use url::Url;

use super::{Args, SettingsError, Site, Written, data_dir, file, note, site::encrypted};

/// Whose credentials are made, and where their keys are.
#[derive(Debug, Clone)]
pub struct Credentials {
    issuer: String,
    key_file: Option<PathBuf>,
}

impl Credentials {
    pub(super) fn gather(
        args: &Args,
        written: &Written,
        site: Option<&Site>,
        wrong: &mut Vec<SettingsError>,
    ) -> Option<Self> {
        let stated = args
            .credential_issuer
            .as_ref()
            .or(written.credential_issuer.as_ref());
        let plain = |url: Url| url.as_str().trim_end_matches('/').to_owned();
        let issuer = match stated {
            Some(url) => note(encrypted(url, "the issuer of credentials"), wrong).map(plain),
            None => site.map(Site::home),
        };
        Some(Self {
            issuer: issuer?,
            key_file: key_file(args.credential_key_file.as_ref(), written),
        })
    }
    /// `iss`: the repository's address unless stated.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
    /// The file of the keys, when it is not in the data directory.
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }
}

/// Where the keys are, for commands that change them beside a bot.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct CredentialArgs {
    /// Read `data_dir` and `credential_key_file` from this YAML file; flags and variables override it
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,
    /// The bot's data directory [default: countersign-data]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The file of the keys, when it is not in the data directory
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CREDENTIAL_KEY_FILE")]
    pub credential_key_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// The data directory, and the file of the keys when it is not in there.
    pub fn place(&self) -> Result<(PathBuf, Option<PathBuf>), SettingsError> {
        let written = file::stated(self.config.as_deref())?;
        let file = key_file(self.credential_key_file.as_ref(), &written);
        Ok((data_dir(self.data_dir.as_ref(), &written), file))
    }
}

fn key_file(stated: Option<&PathBuf>, written: &Written) -> Option<PathBuf> {
    stated.or(written.credential_key_file.as_ref()).cloned()
}
