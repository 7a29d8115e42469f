//! A program that is held less tightly than it could be.

use super::{Around, CATALOG, Found, Lint, Severity, of_action};
use crate::domain::policy::{CommandExecute, Filesystem, execute::Connector};

pub(super) const LINT: Lint = Lint {
    id: "loose-command",
    severity: Severity::Warning,
    look,
};

/// Programs that run whatever text they are given.
const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "env", "xargs",
];

fn look(at: &Around<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for action in at.policy.actions() {
        for placed in action.execute().connectors() {
            let Connector::Command(command) = placed.connector else {
                continue;
            };
            for (field, why, remedy) in loose(command) {
                let place = of_action(action, placed.at.trim_start_matches('/'));
                found.push(Found {
                    file: CATALOG.into(),
                    mark: at.mark(CATALOG, &format!("{place}/{field}")),
                    message: format!("`{}` {why}", action.name()),
                    remedy: remedy.into(),
                });
            }
        }
    }
    found
}

fn loose(command: &CommandExecute) -> Vec<(&'static str, String, &'static str)> {
    let mut found = Vec::new();
    let bounds = command.bounds();
    if bounds.filesystem == Filesystem::Unconfined {
        found.push((
            "filesystem",
            "runs a program that may read and write whatever the bot may, its keys included".to_owned(),
            "run the executor on Linux 6.2 or later with Landlock, and leave `filesystem` out",
        ));
    }
    if bounds.network {
        found.push((
            "network",
            "runs a program that may reach every address that the bot's machine can, private ones included"
                .to_owned(),
            "use `http` for what one request does, or keep the executor's machine behind a firewall",
        ));
    }
    let name = command.program().rsplit('/').next().unwrap_or_default();
    if SHELLS.contains(&name) {
        found.push((
            "program",
            format!("runs `{name}`, which takes text for a program"),
            "name the program itself, or a script of its own with a first line `#!/path/of/interpreter`",
        ));
    }
    found
}
