//! Which roles a process plays, and the keys and secrets of each. It reads those of its own roles and is not started with
//! others, so that whoever breaks into one of two processes does not find what the other one has.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::{AGENT_SECRET, Args, SettingsError, WEBHOOK_SECRET, Written, note, required, secret, variable};

/// The roles that a process plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Gate and executor.
    #[default]
    All,
    /// Takes proposals and webhooks, opens pull requests, records; carries nothing out.
    Gate,
    /// Carries out what was approved, after it proved for itself that it was; takes nothing in.
    Execute,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Gate => "gate",
            Self::Execute => "execute",
        }
    }
}

/// What a gate has.
pub struct Gate {
    key: SecretString,
    webhook_secret: SecretString,
    agents: BTreeMap<String, SecretString>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// The gate's signing key, OpenSSH.
    pub const fn key(&self) -> &SecretString {
        &self.key
    }
    /// What webhooks are signed with.
    pub const fn webhook_secret(&self) -> &SecretString {
        &self.webhook_secret
    }
    pub(super) fn agent(&self, variable: &str) -> Option<&SecretString> {
        self.agents.get(variable)
    }
}

/// The keys of the roles that are played.
pub(super) struct Roles {
    pub(super) role: Role,
    pub(super) gate: Option<Gate>,
    pub(super) executor_key: Option<SecretString>,
    pub(super) watch_key: Option<SecretString>,
}

impl Roles {
    /// Reads what the roles need, and refuses what they don't. Takes the variables of agents and webhooks.
    pub(super) fn gather(
        args: &Args,
        written: &Written,
        variables: &mut BTreeMap<String, String>,
        wrong: &mut Vec<SettingsError>,
    ) -> Option<Self> {
        let role = args.role.or(written.role).unwrap_or_default();
        let key =
            |flag: &Option<PathBuf>, path: &Option<PathBuf>, what, names, wrong: &mut Vec<SettingsError>| {
                let path = required(flag, path, what, names, wrong)?;
                note(secret::read(&path, what), wrong)
            };
        foreign(role, args, written, variables, wrong);
        let gate = (role != Role::Execute).then(|| {
            let key = key(
                &args.gate_key_file,
                &written.gate_key_file,
                "the gate's signing key",
                ["gate-key-file", "COUNTERSIGN_GATE_KEY_FILE", "gate_key_file"],
                wrong,
            );
            let webhook_secret = webhook(args, written, variables.remove(WEBHOOK_SECRET), wrong);
            let agents = agents(written, variables, wrong);
            Some(Gate {
                key: key?,
                webhook_secret: webhook_secret?,
                agents,
            })
        });
        let executor_key = (role != Role::Gate).then(|| {
            key(
                &args.executor_key_file,
                &written.executor_key_file,
                "the executor's signing key",
                [
                    "executor-key-file",
                    "COUNTERSIGN_EXECUTOR_KEY_FILE",
                    "executor_key_file",
                ],
                wrong,
            )
        });
        let watch_key = args.watch_key_file.as_ref().or(written.watch_key_file.as_ref());
        let watch_key = watch_key.map(|path| note(secret::read(path, "the watch role's signing key"), wrong));
        Some(Self {
            role,
            gate: whole(gate)?,
            executor_key: whole(executor_key)?,
            watch_key: whole(watch_key)?,
        })
    }
}

/// What was read, where there was something to be read.
fn whole<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

/// Notes what another process has to hold.
fn foreign(
    role: Role,
    args: &Args,
    written: &Written,
    variables: &BTreeMap<String, String>,
    wrong: &mut Vec<SettingsError>,
) {
    let stated = |flag: &Option<PathBuf>, written: &Option<PathBuf>| flag.is_some() || written.is_some();
    let set = |name: &str| variables.keys().any(|known| known.starts_with(name));
    let of_executor = [
        (
            "executor_key_file",
            stated(&args.executor_key_file, &written.executor_key_file),
        ),
        (
            "credential_key_file",
            stated(&args.credential_key_file, &written.credential_key_file),
        ),
    ];
    let of_gate = [
        (
            "gate_key_file",
            stated(&args.gate_key_file, &written.gate_key_file),
        ),
        (
            "webhook_secret_file",
            stated(&args.webhook_secret_file, &written.webhook_secret_file),
        ),
        (WEBHOOK_SECRET, set(WEBHOOK_SECRET)),
        ("agents", !written.agents.is_empty()),
        ("COUNTERSIGN_AGENT_SECRET_...", set(AGENT_SECRET)),
    ];
    let (others, whose) = match role {
        Role::All => return,
        Role::Gate => (&of_executor[..], "executor"),
        Role::Execute => (&of_gate[..], "gate"),
    };
    let found = others.iter().filter(|(_, stated)| *stated);
    wrong.extend(found.map(|(field, _)| SettingsError::Foreign {
        field,
        role: role.name(),
        whose,
    }));
}

fn agents(
    written: &Written,
    variables: &mut BTreeMap<String, String>,
    wrong: &mut Vec<SettingsError>,
) -> BTreeMap<String, SecretString> {
    let mut agents = BTreeMap::new();
    for (name, path) in &written.agents {
        if let Some(secret) = note(secret::shared(path, "an agent's secret"), wrong) {
            agents.insert(variable(name.as_str()), secret);
        }
    }
    for (name, text) in std::mem::take(variables) {
        if let Some(agent) = name.strip_prefix(AGENT_SECRET)
            && let Some(secret) = note(secret::long_enough(text, &name), wrong)
        {
            agents.insert(agent.to_owned(), secret);
        }
    }
    agents
}

fn webhook(
    args: &Args,
    written: &Written,
    variable: Option<String>,
    wrong: &mut Vec<SettingsError>,
) -> Option<SecretString> {
    const WHAT: &str = "the webhook's secret";
    match (&args.webhook_secret_file, variable, &written.webhook_secret_file) {
        (Some(path), ..) | (None, None, Some(path)) => note(secret::shared(path, WHAT), wrong),
        (None, Some(text), _) => note(secret::long_enough(text, WEBHOOK_SECRET), wrong),
        (None, None, None) => {
            wrong.push(SettingsError::Missing {
                what: WHAT,
                flag: "webhook-secret-file",
                variable: WEBHOOK_SECRET,
                field: "webhook_secret_file",
            });
            None
        }
    }
}
