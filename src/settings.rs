//! What the operator decides: flags first, then `COUNTERSIGN_*` variables, then a file.
#![allow(
    rustdoc::bare_urls,
    reason = "what documents an argument is also its help text on a terminal"
)]

mod credentials;
mod database;
mod file;
mod roles;
mod secret;
mod site;
mod vault;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use url::Url;

use crate::domain::{
    ids::{AgentName, Digest, RepoName, Span},
    source::SourceError,
};
pub use credentials::{CredentialArgs, Credentials};
pub use database::Address;
use file::Written;
use roles::Roles;
pub use roles::{Gate, Role};
use site::Root;
pub use site::Site;
pub(crate) use site::{beside, encrypted};
pub use vault::Vault;

const WEBHOOK_SECRET: &str = "COUNTERSIGN_WEBHOOK_SECRET";
const AGENT_SECRET: &str = "COUNTERSIGN_AGENT_SECRET_";
/// Pushes a minute that GitHub advises; fewer would keep groups waiting beyond the bound of INVARIANT i16.
const ADVISED_PUSHES: u32 = 6;
const MOST_PUSHES: u32 = 6_000;

/// The flags and variables of a running bot.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Args {
    /// Read settings from this YAML file; flags and variables override it
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Keep the database and the ledger's mirror in this directory, readable by this user only [default: countersign-data]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Keep webhooks, claims, data keys and answers in this database, which replicas share: postgres://USER@HOST/NAME, or
    /// sqlite:FILE; better by the variable, when it holds a password [default: a SQLite file in the data directory]
    #[arg(
        long,
        value_name = "URL",
        env = "COUNTERSIGN_DATABASE",
        hide_env_values = true
    )]
    pub database: Option<Address>,
    /// Listen on this address for agents and webhooks [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", env = "COUNTERSIGN_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The API of GitHub or of an Enterprise Server, as in https://github.example.com/api/v3 [default: https://api.github.com]
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_API_URL")]
    pub api_url: Option<Url>,
    /// Where repositories are cloned from; worked out from the API's address unless stated
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_GIT_URL")]
    pub git_url: Option<Url>,
    /// The repository that holds policies, proposals and ledger
    #[arg(long, value_name = "OWNER/NAME", env = "COUNTERSIGN_REPO")]
    pub repo: Option<RepoName>,
    /// The GitHub App's id
    #[arg(long, value_name = "ID", env = "COUNTERSIGN_APP_ID")]
    pub app_id: Option<u64>,
    /// The GitHub App's private key, a PEM file that only this user can read
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_APP_KEY_FILE")]
    pub app_key_file: Option<PathBuf>,
    /// A file with the webhook's secret; or put the secret itself in COUNTERSIGN_WEBHOOK_SECRET
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// The ledger's genesis digest, as `countersign init` printed it; keep it outside the repository
    #[arg(long, value_name = "DIGEST", env = "COUNTERSIGN_GENESIS")]
    pub genesis: Option<Digest>,
    /// The gate's signing key, an OpenSSH file that only this user can read
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_GATE_KEY_FILE")]
    pub gate_key_file: Option<PathBuf>,
    /// The executor's signing key, an OpenSSH file that only this user can read
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_EXECUTOR_KEY_FILE")]
    pub executor_key_file: Option<PathBuf>,
    /// The watch role's signing key, an OpenSSH file that only this user can read; with it, what becomes of the branches' protection is recorded
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_WATCH_KEY_FILE")]
    pub watch_key_file: Option<PathBuf>,
    /// A file with a token that may administer the repository, to see who may go around its rules; gate and executor never use it
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_WATCH_TOKEN_FILE")]
    pub watch_token_file: Option<PathBuf>,
    /// Where alarms go: a POST with a CloudEvent for every merge around the gate, incident, and weak branch
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_ALARM_URL")]
    pub alarm_url: Option<Url>,
    /// Whether alarms become issues of the repository too, one for each kind and proposal [default: false]
    #[arg(long, value_name = "true|false", env = "COUNTERSIGN_ALARM_ISSUE")]
    pub alarm_issue: Option<bool>,
    /// Record low-tier executions in groups, at least this often, 1s to 10s [default: 10s]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_GROUP_WITHIN")]
    pub group_within: Option<Span>,
    /// Push the ledger at most so often, 6 to 6000, and thirty at once after a rest; entries that wait go together. GitHub advises 6 for a repository, of all replicas together [default: 6]
    #[arg(long, value_name = "COUNT", env = "COUNTERSIGN_PUSHES_PER_MINUTE")]
    pub pushes_per_minute: Option<u32>,
    /// Keep what targets answered for the agents this long, sealed, 1h to 365d [default: 30d]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_RESULTS_FOR")]
    pub results_for: Option<Span>,
    /// Look at every open proposal again this often, so that a lost webhook heals, 1s to 1h [default: 1m]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_SWEEP_EVERY")]
    pub sweep_every: Option<Span>,
    /// Which roles this process plays. An executor apart needs nothing of the gate's, and proves for itself that what it carries out was approved [default: all]
    #[arg(
        long,
        value_name = "all|gate|execute",
        hide_possible_values = true,
        env = "COUNTERSIGN_ROLE"
    )]
    pub role: Option<Role>,
    /// Rules that an executor apart trusts without proving how they came into force, where people's approvals of them can't be read any more
    #[arg(long, value_name = "DIGEST", env = "COUNTERSIGN_TRUSTED_POLICY")]
    pub trusted_policy: Option<Digest>,
    /// The keys that credentials are signed with; replicas share one file [default: one of its own in the data directory]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CREDENTIAL_KEY_FILE")]
    pub credential_key_file: Option<PathBuf>,
    /// Whose credentials they are: their `iss` [default: the repository's address]
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_CREDENTIAL_ISSUER")]
    pub credential_issuer: Option<Url>,
    /// The directory of the secrets that a catalog may name by file; others are variables that begin with COUNTERSIGN_SECRET_
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_SECRETS_DIR")]
    pub secrets_dir: Option<PathBuf>,
}

/// Where a bot's store is, for commands that look into it beside the bot.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct StoreArgs {
    /// Read `data_dir` and `database` from this YAML file; flags and variables override it
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,
    /// The bot's data directory [default: countersign-data]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The bot's database, when it is not in the data directory
    #[arg(
        long,
        value_name = "URL",
        env = "COUNTERSIGN_DATABASE",
        hide_env_values = true
    )]
    pub database: Option<Address>,
}

impl StoreArgs {
    /// The data directory, and the address of a database that is not in it.
    pub fn place(&self) -> Result<(PathBuf, Option<SecretString>), SettingsError> {
        let written = file::stated(self.config.as_deref())?;
        let address = database(self.database.as_ref(), &written)?;
        Ok((data_dir(self.data_dir.as_ref(), &written), address))
    }
}

/// Why the bot can't be started so.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value that is missing everywhere.
    #[error("{what} is missing; give `--{flag}`, set `{variable}`, or write `{field}` in the settings file")]
    Missing {
        /// What it is.
        what: &'static str,
        /// The flag.
        flag: &'static str,
        /// The variable.
        variable: &'static str,
        /// The field of the file.
        field: &'static str,
    },
    /// The settings file.
    #[error(transparent)]
    File(#[from] SourceError),
    /// A file that can't be read.
    #[error("can't read `{path}`, {what}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A secret that others can read.
    #[error("`{path}` is {what} and others can read it; run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
    },
    /// A secret that is no secret.
    #[error("{what} {rule}")]
    Secret {
        /// What it is.
        what: String,
        /// What it must be.
        rule: &'static str,
    },
    /// What another process has to hold.
    #[error(
        "`{field}` is the {whose}'s, and this process plays `role: {role}`; leave it out, so that who breaks in here does not \
         find it"
    )]
    Foreign {
        /// The field or variable.
        field: &'static str,
        /// The role that is played.
        role: &'static str,
        /// The role that needs it.
        whose: &'static str,
    },
    /// A value out of bounds.
    #[error("`{value}` can't be {what}: {rule}")]
    Value {
        /// The value.
        value: String,
        /// What it is.
        what: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// Everything the operator decides. Secrets are never printed.
pub struct Settings {
    data_dir: PathBuf,
    database: Option<SecretString>,
    listen: SocketAddr,
    site: Site,
    roles: Roles,
    trusted_policy: Option<Digest>,
    genesis: Digest,
    alarm_url: Option<Url>,
    alarm_issue: bool,
    group_within: Span,
    pushes_per_minute: NonZeroU32,
    results_for: Span,
    sweep_every: Span,
    vault: Vault,
    credentials: Credentials,
    secret_files: Vec<PathBuf>,
}

impl Settings {
    /// Settings from flags and this process's variables.
    pub fn load(args: &Args) -> Result<Self, Vec<SettingsError>> {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name
                .into_string()
                .ok()
                .filter(|name| name.starts_with("COUNTERSIGN_"))?;
            Some((name, value.into_string().ok()?))
        };
        Self::from(args, std::env::vars_os().filter_map(ours).collect())
    }

    /// Settings from flags and these variables, of which only the secrets are looked at: clap reads the others. Errors:
    /// all that are wrong.
    pub fn from(args: &Args, variables: BTreeMap<String, String>) -> Result<Self, Vec<SettingsError>> {
        let written = file::stated(args.config.as_deref()).map_err(|error| vec![error])?;
        let mut wrong = Vec::new();
        let settings = gather(args, &written, variables, &mut wrong);
        all_right(settings, wrong)
    }

    /// Where the database and the ledger's mirror are kept.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
    /// The files that hold secrets of the bot's.
    pub fn secret_files(&self) -> &[PathBuf] {
        &self.secret_files
    }
    /// Where everything but the mirror is kept; `None` for a file in the data directory. It may hold a password.
    pub const fn database(&self) -> Option<&SecretString> {
        self.database.as_ref()
    }
    /// Where agents and webhooks come in.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }
    /// The repository, and in whose name it is looked at.
    pub const fn site(&self) -> &Site {
        &self.site
    }
    /// The roles that this process plays.
    pub const fn role(&self) -> Role {
        self.roles.role
    }
    /// What the gate has; `None` when this process only executes.
    pub const fn gate(&self) -> Option<&Gate> {
        self.roles.gate.as_ref()
    }
    /// Rules that need no proof of how they came into force. INVARIANT i02.
    pub const fn trusted_policy(&self) -> Option<Digest> {
        self.trusted_policy
    }
    /// The root of trust. INVARIANT i01.
    pub const fn genesis(&self) -> Digest {
        self.genesis
    }
    /// The executor's signing key, OpenSSH; `None` when this process does not execute.
    pub const fn executor_key(&self) -> Option<&SecretString> {
        self.roles.executor_key.as_ref()
    }
    /// The watch role's signing key, OpenSSH.
    pub const fn watch_key(&self) -> Option<&SecretString> {
        self.roles.watch_key.as_ref()
    }
    /// Who is told of what needs a person; the address may hold a secret.
    pub const fn alarm_url(&self) -> Option<&Url> {
        self.alarm_url.as_ref()
    }
    /// Whether what needs a person becomes an issue of the repository.
    pub const fn alarm_issue(&self) -> bool {
        self.alarm_issue
    }
    /// What an agent without a key of its own signs with.
    pub fn agent_secret(&self, agent: &AgentName) -> Option<&SecretString> {
        self.gate()?.agent(&variable(agent.as_str()))
    }
    /// Low-tier executions are recorded within this. INVARIANT i16.
    pub const fn group_within(&self) -> Span {
        self.group_within
    }
    /// How often the ledger is pushed in a minute, once what it saved in a rest is spent. INVARIANT i31.
    pub const fn pushes_per_minute(&self) -> NonZeroU32 {
        self.pushes_per_minute
    }
    /// How long the answers of targets are kept for the agents.
    pub const fn results_for(&self) -> Span {
        self.results_for
    }
    /// How often every open proposal is looked at again.
    pub const fn sweep_every(&self) -> Span {
        self.sweep_every
    }
    /// Secrets for targets.
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }
    /// Whose credentials are made, and where their keys are.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("repo", self.site.repo())
            .finish_non_exhaustive()
    }
}

fn gather(
    args: &Args,
    written: &Written,
    mut variables: BTreeMap<String, String>,
    wrong: &mut Vec<SettingsError>,
) -> Option<Settings> {
    let site = Site::gather(args, written, Root::Demanded, wrong);
    let alarm_url = args.alarm_url.as_ref().or(written.alarm_url.as_ref());
    let alarm_url = alarm_url.map(|url| note(encrypted(url, "the address of alarms"), wrong));
    let vault = Vault::gather(args, written, &mut variables, wrong);
    let credentials = Credentials::gather(args, written, site.as_ref(), wrong);
    let roles = Roles::gather(args, written, &mut variables, wrong);
    let group_within = span(
        args.group_within.or(written.group_within),
        10,
        10,
        "the time between groups",
        wrong,
    );
    let pushes_per_minute = pushes(args.pushes_per_minute.or(written.pushes_per_minute), wrong);
    let results_for = kept_for(args.results_for.or(written.results_for), wrong);
    let sweep_every = span(
        args.sweep_every.or(written.sweep_every),
        60,
        3_600,
        "the time between sweeps",
        wrong,
    );
    let database = note(database(args.database.as_ref(), written), wrong);
    let default_listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    Some(Settings {
        data_dir: data_dir(args.data_dir.as_ref(), written),
        database: database?,
        listen: args.listen.or(written.listen).unwrap_or(default_listen),
        roles: roles?,
        trusted_policy: args.trusted_policy.or(written.trusted_policy),
        vault,
        credentials: credentials?,
        genesis: site.as_ref()?.genesis()?,
        site: site?,
        alarm_url: match alarm_url {
            Some(url) => Some(url?),
            None => None,
        },
        alarm_issue: args.alarm_issue.or(written.alarm_issue).unwrap_or(false),
        group_within: group_within?,
        pushes_per_minute: pushes_per_minute?,
        results_for: results_for?,
        sweep_every: sweep_every?,
        secret_files: secret_files(args, written),
    })
}

fn secret_files(args: &Args, written: &Written) -> Vec<PathBuf> {
    let files = [
        (&args.app_key_file, &written.app_key_file),
        (&args.webhook_secret_file, &written.webhook_secret_file),
        (&args.gate_key_file, &written.gate_key_file),
        (&args.executor_key_file, &written.executor_key_file),
        (&args.watch_key_file, &written.watch_key_file),
        (&args.watch_token_file, &written.watch_token_file),
        (&args.credential_key_file, &written.credential_key_file),
        (&args.secrets_dir, &written.secrets_dir),
    ];
    let stated = files.into_iter().flat_map(|(flag, written)| [flag, written]);
    let stated = stated.flatten().chain(written.agents.values());
    stated.chain(&args.config).cloned().collect()
}

fn data_dir(stated: Option<&PathBuf>, written: &Written) -> PathBuf {
    let stated = stated.or(written.data_dir.as_ref());
    stated.cloned().unwrap_or_else(|| "countersign-data".into())
}

fn database(stated: Option<&Address>, written: &Written) -> Result<Option<SecretString>, SettingsError> {
    match (stated, &written.database) {
        (Some(address), _) => address.checked().map(Some),
        (None, Some(address)) => address.without_password().map(Some),
        (None, None) => Ok(None),
    }
}

fn required<T: Clone>(
    flag: &Option<T>,
    file: &Option<T>,
    what: &'static str,
    [name, variable, field]: [&'static str; 3],
    wrong: &mut Vec<SettingsError>,
) -> Option<T> {
    let found = flag.clone().or_else(|| file.clone());
    if found.is_none() {
        wrong.push(SettingsError::Missing {
            what,
            flag: name,
            variable,
            field,
        });
    }
    found
}

/// What was gathered, unless something is wrong.
fn all_right<T>(gathered: Option<T>, wrong: Vec<SettingsError>) -> Result<T, Vec<SettingsError>> {
    match gathered {
        Some(gathered) if wrong.is_empty() => Ok(gathered),
        Some(_) | None => Err(wrong),
    }
}

fn note<T>(result: Result<T, SettingsError>, wrong: &mut Vec<SettingsError>) -> Option<T> {
    result.map_err(|error| wrong.push(error)).ok()
}

fn span(
    stated: Option<Span>,
    default: u32,
    most: u32,
    what: &'static str,
    wrong: &mut Vec<SettingsError>,
) -> Option<Span> {
    let span = stated.unwrap_or(Span::seconds(default));
    if span >= Span::seconds(1) && span <= Span::seconds(most) {
        return Some(span);
    }
    let rule = if most == 10 {
        "between 1s and 10s"
    } else {
        "between 1s and 1h"
    };
    wrong.push(SettingsError::Value {
        value: span.to_string(),
        what,
        rule,
    });
    None
}

fn kept_for(stated: Option<Span>, wrong: &mut Vec<SettingsError>) -> Option<Span> {
    const DAY: u32 = 24 * 3_600;
    let span = stated.unwrap_or(Span::seconds(30 * DAY));
    if span >= Span::seconds(3_600) && span <= Span::seconds(365 * DAY) {
        return Some(span);
    }
    wrong.push(SettingsError::Value {
        value: span.to_string(),
        what: "how long answers are kept",
        rule: "between 1h and 365d",
    });
    None
}

fn pushes(stated: Option<u32>, wrong: &mut Vec<SettingsError>) -> Option<NonZeroU32> {
    let count = stated.unwrap_or(ADVISED_PUSHES);
    if (ADVISED_PUSHES..=MOST_PUSHES).contains(&count) {
        return NonZeroU32::new(count);
    }
    wrong.push(SettingsError::Value {
        value: count.to_string(),
        what: "how often the ledger is pushed in a minute",
        rule: "between 6 and 6000",
    });
    None
}

/// `SUPPORT_AGENT`, for `support-agent`.
fn variable(agent: &str) -> String {
    agent.to_ascii_uppercase().replace('-', "_")
}
