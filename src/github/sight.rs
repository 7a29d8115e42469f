//! What an operator's look around the gate reads beside the branches: the app's grants and how the repository merges.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{client::GitHub, error::Error, observe::seen, watcher::Watcher};
use crate::domain::{
    observation::Seen,
    protection::{AppSight, RepositorySight},
};

#[derive(Deserialize)]
struct Installed {
    #[serde(default)]
    permissions: BTreeMap<String, Value>,
    #[serde(default)]
    events: Vec<String>,
}

/// The settings are shown only to those who may write.
#[derive(Deserialize)]
struct Settings {
    allow_merge_commit: Option<bool>,
    allow_squash_merge: Option<bool>,
    allow_rebase_merge: Option<bool>,
    delete_branch_on_merge: Option<bool>,
}

impl GitHub {
    /// What the app was granted on the repository, and what GitHub tells it of.
    ///
    /// # Errors
    /// When GitHub answers nothing at all for now.
    pub async fn app_sight(&self) -> Result<Seen<AppSight>, Error> {
        let installed = self.get_as_app::<Installed>(&self.in_repo("/installation")).await;
        seen(installed.map(|installed| {
            AppSight {
                permissions: installed
                    .permissions
                    .into_iter()
                    .filter_map(|(name, access)| Some((name, access.as_str()?.to_owned())))
                    .collect(),
                events: installed.events,
            }
        }))
    }

    /// How the repository merges, as the app may see it, or else a watcher.
    ///
    /// # Errors
    /// When GitHub answers nothing at all for now.
    pub async fn repository_sight(&self, watcher: Option<&Watcher>) -> Result<Seen<RepositorySight>, Error> {
        let ours = self.settings().await?;
        match (&ours, watcher) {
            (Seen::Unknown { .. }, Some(watcher)) => watcher.github().settings().await,
            (Seen::Known(_), _) | (Seen::Unknown { .. }, None) => Ok(ours),
        }
    }

    async fn settings(&self) -> Result<Seen<RepositorySight>, Error> {
        let settings = match seen(self.get::<Settings>(&self.in_repo("")).await)? {
            Seen::Known(settings) => settings,
            Seen::Unknown { because } => return Ok(Seen::unknown(because)),
        };
        let all = (
            settings.allow_merge_commit,
            settings.allow_squash_merge,
            settings.allow_rebase_merge,
            settings.delete_branch_on_merge,
        );
        Ok(match all {
            (Some(merge), Some(squash), Some(rebase), Some(deletes_branches)) => {
                Seen::Known(RepositorySight {
                    merge,
                    squash,
                    rebase,
                    deletes_branches,
                })
            }
            _ => Seen::unknown("GitHub shows it only to those who may change it"),
        })
    }
}
