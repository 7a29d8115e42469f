//! From settings to a bot whose parts stand, and from a bot to a server that answers.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Bot, Clock, Parts,
    credentials::{client_of, keys_of},
    witness::shown_of,
};
use crate::{
    domain::{
        authentic::Committer,
        entry::Role,
        ids::{BranchName, InstanceId},
        policy::AgentKey,
    },
    execute::{self, Commands},
    github::{self, Config, GitHub, Watcher},
    ledger::{
        Ledger, LedgerError, Mirror, MirrorError, Options, Pace, SignError, Signer, Token, kept_head, unlock,
    },
    settings::{Settings, Site},
    store::{Store, StoreError},
};

/// The ledger's branch.
pub const LEDGER_BRANCH: &str = "ledger";

/// Where a data directory has the ledger's local repository, the newest head that was seen, and the index.
pub fn ledger_dir(data: &Path) -> PathBuf {
    data.join("ledger")
}

/// Why a bot can't stand.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// GitHub.
    #[error("GitHub: {0}")]
    GitHub(#[from] github::Error),
    /// A signing key.
    #[error("signing key: {0}")]
    Sign(#[from] SignError),
    /// The ledger.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The mirror.
    #[error("mirror: {0}")]
    Mirror(#[from] MirrorError),
    /// This machine's own state.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The keys of credentials.
    #[error("credentials: {0}")]
    Credentials(StoreError),
    /// The executor's client.
    #[error("executor: {0}")]
    Client(#[from] execute::ClientError),
    /// The policy in force.
    #[error("policy: {0}")]
    Policy(String),
    /// A name of our own making that does not parse.
    #[error("{0}")]
    Name(String),
}

/// Clients of a site's GitHub: the app's, and the watcher's where a token is given. No request is made yet.
///
/// # Errors
/// As [`GitHub::connect`].
pub fn connect(site: &Site) -> Result<(GitHub, Option<Watcher>), github::Error> {
    let watcher = site
        .watch_token()
        .map(|token| Watcher::connect(site.api().clone(), site.repo().clone(), token.clone()))
        .transpose()?;
    let github = GitHub::connect(Config {
        api: site.api().clone(),
        app_id: site.app_id(),
        private_key_pem: site.app_key().clone(),
        repo: site.repo().clone(),
    })?;
    Ok((github, watcher))
}

/// What Git shows a remote, in the app's name.
pub fn git_token(github: &GitHub) -> Token {
    let github = github.clone();
    Arc::new(move || github.token_blocking().map_err(|error| error.to_string()))
}

/// Connects, fetches and folds the ledger, and puts the bot together; no work is begun.
pub async fn assemble(settings: Arc<Settings>, clock: Clock) -> Result<Bot, AssembleError> {
    let site = settings.site();
    let (github, watcher) = connect(site)?;
    let me = github.me().await?.clone();
    let name = |error: &dyn std::fmt::Display| AssembleError::Name(error.to_string());
    let committer = Committer::new(me.login().as_str(), me.email()).map_err(|error| name(&error))?;
    let data = settings.data_dir();
    let store = Store::open(data, settings.database()).await?;
    // The store lets one process in: nobody else holds a lock of what is below.
    for dir in [ledger_dir(data), data.join("mirror.git")] {
        unlock(&dir).map_err(|error| cannot_read(&dir, &error))?;
    }
    let (remote, token) = (site.remote(), git_token(&github));
    let mut signers = Vec::new();
    if let Some(gate) = settings.gate() {
        signers.push((Role::Gate, signer(gate.key())?));
    }
    if let Some(key) = settings.executor_key() {
        signers.push((Role::Executor, signer(key)?));
    }
    if let Some(key) = settings.watch_key() {
        signers.push((Role::Watch, signer(key)?));
    }
    let branch: BranchName = LEDGER_BRANCH.parse().map_err(|error| name(&error))?;
    let mirror = Mirror::open(&data.join("mirror.git"), remote.clone(), Some(Arc::clone(&token)))?;
    let dir = ledger_dir(data);
    let shown = match kept_head(&dir).map_err(|error| cannot_read(&dir, &error))? {
        Some(_) => Vec::new(),
        // A machine without memory asks GitHub, which has one.
        None => shown_of(&github, settings.genesis()).await?,
    };
    let ledger = Ledger::open(Options {
        dir,
        remote,
        token: Some(token),
        branch,
        genesis: settings.genesis(),
        signers,
        group_within: Duration::from_millis(u64::try_from(settings.group_within().millis()).unwrap_or(0)),
        pace: Arc::new(Pace::a_minute(settings.pushes_per_minute())),
        committer,
        shown,
    })
    .await?;
    let boot: u64 = rand::random();
    let machine = store.machine().to_owned();
    let instance: InstanceId = format!("{machine}.{boot:016x}")
        .parse()
        .map_err(|error| name(&error))?;
    let credential_keys = keys_of(&settings, &clock).map_err(AssembleError::Credentials)?;
    let bot = Bot::new(Parts {
        ledger,
        mirror,
        github,
        watcher,
        store,
        client: client_of(&settings, credential_keys.as_ref())?,
        credential_keys,
        commands: commands(&settings),
        instance,
        clock,
        settings,
    });
    if bot.store().inbox().is_new().await? {
        bot.has_forgotten().await;
    }
    // What an earlier process of this machine held is free at once.
    bot.store().instances().beat(bot.instance(), bot.now()).await?;
    bot.store()
        .inbox()
        .inherit(bot.instance(), &machine, bot.now())
        .await?;
    let policy = bot
        .policy_known()
        .await
        .map_err(|error| AssembleError::Policy(error.to_string()))?;
    for agent in policy.agents().filter(|_| bot.gate().is_some()) {
        if *agent.key() == AgentKey::Hmac && bot.agent_secret(agent.name()).is_none() {
            let variable = format!(
                "COUNTERSIGN_AGENT_SECRET_{}",
                agent.name().as_str().to_ascii_uppercase().replace('-', "_")
            );
            tracing::warn!(
                "agent `{}` can't come in by HTTP: it has no secret; set `{variable}`, or give it a key in agents.yaml",
                agent.name()
            );
        }
    }
    Ok(bot)
}

/// Programs work below the data directory, and see nothing else of it, nor the bot's keys.
fn commands(settings: &Settings) -> Commands {
    let data = settings.data_dir();
    let own = settings.secret_files().iter().cloned();
    Commands::new(data.join("commands"), own.chain([data.to_owned()]))
}

fn cannot_read(dir: &Path, error: &std::io::Error) -> LedgerError {
    LedgerError::Local {
        dir: dir.to_owned(),
        why: error.to_string(),
    }
}

fn signer(key: &SecretString) -> Result<Arc<Signer>, SignError> {
    Signer::read(key.expose_secret().as_bytes(), Path::new("the signing key")).map(Arc::new)
}
