//! Everything the demo plays on: GitHub, bot, bank, CRM, agents.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::{
    policies::{Facts, policies},
    targets::Targets,
    tell::Tell,
};
use crate::{
    cli::{
        Failure, caller,
        door::{self, Door, DoorError, Key},
        house::{self, REPO},
        init::{Beginning, begin},
        paint, secrets,
    },
    domain::{
        authentic::Committer,
        ids::{Digest, ProposalId, PullNumber, Seq},
        request::Request,
        source::SourceFile,
    },
    github::{Config, GitHub},
    ledger::Signer,
    sandbox::{AppCredentials, Options, Person, Running, Sandbox},
    service::{LEDGER_BRANCH, ProposalResult, Server, Status, assemble, git_token},
    settings::{self, Settings},
};

const AGENTS: &[&str] = &[
    "support-agent",
    "campaign-agent",
    "payments-agent",
    "access-agent",
    "contracts-agent",
    "data-agent",
    "ops-agent",
];
/// Low-tier actions are on the ledger this soon, so that nobody waits for it.
const GROUP_WITHIN: &str = "1s";
/// Nobody else uses this GitHub.
const PUSHES_PER_MINUTE: u32 = 6_000;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What a check says; empty where there is none.
pub(super) struct Check {
    pub(super) conclusion: String,
    pub(super) title: String,
    summary: String,
}

impl Check {
    /// Why a rule stands as it does, by a word of that.
    pub(super) fn why(&self, word: &str) -> Option<&str> {
        let mut rows = self.summary.lines().filter(|line| line.starts_with('|'));
        let row = rows.find(|line| line.contains(word))?;
        row.trim_end_matches([' ', '|']).rsplit("| ").next()
    }
}

/// The running demo.
pub(super) struct Stage {
    pub(super) dir: PathBuf,
    pub(super) genesis: Digest,
    pub(super) github: Running,
    pub(super) targets: Targets,
    pub(super) server: Server,
    agents: BTreeMap<&'static str, Door>,
    /// The rules of the proposals' branches.
    ruleset: u64,
}

impl Stage {
    /// Starts everything, in the order in which an operator would.
    pub(super) async fn raise(dir: &Path, port: u16) -> Result<Self, Failure> {
        let keys = dir.join("keys");
        let agent_keys = keys.join("agents");
        secrets::directory(&agent_keys)?;
        let options = Options {
            port,
            dir: Some(dir.join("repositories")),
            ..Options::default()
        };
        let github = Sandbox::start(options).map_err(|error| {
            Failure::new(format!("can't start on port {port}: {error}"))
                .next("choose another with `--port PORT`, or 0 for any that is free")
        })?;
        let targets = Targets::start().await.map_err(Failure::new)?;
        let accounts = house::organisation(&github, AGENTS)?;
        let mut public = Vec::new();
        for agent in AGENTS {
            let key = Signer::generate().map_err(Failure::new)?;
            key.save(&agent_keys.join(agent)).map_err(Failure::new)?;
            public.push(((*agent).to_owned(), key.public().to_owned()));
        }
        let facts = Facts {
            bank_url: targets.bank().url(),
            crm_url: targets.crm().url(),
            accounts: &accounts,
            keys: &public,
        };
        let files = policies(&facts).map_err(Failure::new)?;
        let in_repository: Vec<(String, String)> = files
            .iter()
            .map(|file| (format!("policies/{}", file.path), file.text.clone()))
            .collect();
        house::repository(&github, &in_repository)?;
        let app = house::app(&github)?;
        let ruleset = house::rules(&github, app.id)?;
        secrets::write(&keys.join("app.pem"), &app.private_key_pem)?;
        secrets::write(&keys.join("webhook-secret"), &app.webhook_secret)?;
        let genesis = found(&github, &app, &keys, files).await?;
        let server = serve(dir, &github, &app, genesis).await?;
        let hook = format!("http://{}/webhooks/github", server.address());
        github.set_webhook_url(app.id, &hook).map_err(Failure::new)?;
        let mut agents = BTreeMap::new();
        for agent in AGENTS {
            let url = Url::parse(&format!("http://{}", server.address())).map_err(Failure::new)?;
            let key = Key::Ed25519(Box::new(caller::private_key(&agent_keys.join(agent))?));
            let name = agent.parse().map_err(Failure::new)?;
            agents.insert(*agent, Door::new(url, name, key)?);
        }
        Ok(Self {
            dir: dir.to_owned(),
            genesis,
            github,
            targets,
            server,
            agents,
            ruleset,
        })
    }

    /// Where everything is.
    pub(super) fn show(&self, tell: &Tell) {
        let link = |url: &str| paint::link(url);
        tell.row("GitHub", link(&format!("{}/{REPO}/pulls", self.github.url())));
        tell.row("gate", link(&self.gate()));
        tell.row("bank", link(self.targets.bank().url()));
        tell.row("CRM", link(self.targets.crm().url()));
        tell.row("files", self.dir.display());
    }

    /// Where agents propose.
    pub(super) fn gate(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The bare repository.
    pub(super) fn repository(&self) -> Result<PathBuf, Failure> {
        self.github.git_dir(REPO).map_err(Failure::new)
    }

    /// Somebody on GitHub.
    pub(super) fn person(&self, login: &str) -> Person<'_> {
        self.github.as_user(login)
    }

    fn door(&self, agent: &str) -> Result<&Door, Failure> {
        self.agents
            .get(agent)
            .ok_or_else(|| Failure::new(format!("the demo has no agent `{agent}`")))
    }

    /// An agent proposes, through the front door.
    pub(super) async fn propose(&self, agent: &str, request: Value) -> Result<Status, Failure> {
        let mut request = request;
        if let Some(fields) = request.as_object_mut() {
            fields.insert("nonce".to_owned(), json!(door::fresh_nonce()?));
        }
        let mut request: Request = serde_json::from_value(request).map_err(Failure::new)?;
        let door = self.door(agent)?;
        door.sign(&mut request)?;
        let answer = door.propose(&request, false).await.map_err(DoorError::failure)?;
        let first = Status::deserialize(&answer).map_err(Failure::new)?;
        self.settle().await;
        self.status(agent, first.id).await
    }

    /// Where a proposal stands.
    pub(super) async fn status(&self, agent: &str, id: ProposalId) -> Result<Status, Failure> {
        let answer = self.door(agent)?.status(id).await.map_err(DoorError::failure)?;
        Status::deserialize(&answer).map_err(Failure::new)
    }

    /// What became of a proposal that ended, in the targets' own words.
    pub(super) async fn result(&self, agent: &str, id: ProposalId) -> Result<ProposalResult, Failure> {
        let answer = self.door(agent)?.result(id).await.map_err(DoorError::failure)?;
        ProposalResult::deserialize(&answer).map_err(Failure::new)
    }

    /// Somebody comments below a pull request, and what comes of that comes.
    pub(super) async fn comment(&self, login: &str, pull: PullNumber, text: &str) -> Result<(), Failure> {
        self.person(login)
            .comment(REPO, pull.0, text)
            .map_err(Failure::new)?;
        self.settle().await;
        Ok(())
    }

    /// The place in the ledger of the freeze that holds.
    pub(super) fn freeze(&self) -> Option<Seq> {
        let bot = self.server.bot();
        bot.ledger()
            .read(|book| book.freezes().iter().last().map(|(seq, _)| seq))
    }

    /// Waits until nothing is on its way: no webhook, no look at a pull request.
    pub(super) async fn settle(&self) {
        let bot = self.server.bot();
        loop {
            self.github.quiesce().await;
            let before = bot.serving().entries;
            bot.idle().await;
            self.github.quiesce().await;
            if bot.is_idle().await && bot.serving().entries == before {
                return;
            }
        }
    }

    /// The text of a pull request.
    pub(super) fn body(&self, pull: PullNumber) -> Result<String, Failure> {
        let shown = self.github.pull(REPO, pull.0).map_err(Failure::new)?;
        let body = shown.pointer("/body").and_then(Value::as_str);
        Ok(body.unwrap_or_default().to_owned())
    }

    /// The bot's newest comment below a pull request.
    pub(super) fn answer(&self, pull: PullNumber) -> Result<String, Failure> {
        let all = self.github.comments(REPO, pull.0).map_err(Failure::new)?;
        let ours = |comment: &&Value| comment.pointer("/user/type").and_then(Value::as_str) == Some("Bot");
        let newest = all.iter().rfind(ours);
        let body = newest
            .and_then(|comment| comment.pointer("/body"))
            .and_then(Value::as_str);
        Ok(body.unwrap_or_default().to_owned())
    }

    /// What the bot's check says on a pull request.
    pub(super) fn check(&self, pull: PullNumber) -> Result<Check, Failure> {
        let shown = self.github.pull(REPO, pull.0).map_err(Failure::new)?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let head = text(shown.pointer("/head/sha"));
        let runs = self.github.check_runs(REPO, &head).map_err(Failure::new)?;
        let of = |at: &str| text(runs.last().and_then(|run| run.pointer(at)));
        Ok(Check {
            conclusion: of("/conclusion"),
            title: of("/output/title"),
            summary: of("/output/summary"),
        })
    }

    /// An administrator switches the rules of the proposals' branches off, or on again.
    pub(super) fn enforce(&self, on: bool) -> Result<(), Failure> {
        let enforcement = if on { "active" } else { "disabled" };
        self.github
            .edit_ruleset(REPO, self.ruleset, &json!({ "enforcement": enforcement }))
            .map_err(Failure::new)
    }
}

/// Begins the ledger as `countersign init` does, over HTTP and as the app.
async fn found(
    github: &Running,
    app: &AppCredentials,
    keys: &Path,
    files: Vec<SourceFile>,
) -> Result<Digest, Failure> {
    let api = Url::parse(&github.api_url()).map_err(Failure::new)?;
    let client = GitHub::connect(Config {
        api,
        app_id: app.id,
        private_key_pem: SecretString::from(app.private_key_pem.as_str()),
        repo: REPO.parse().map_err(Failure::new)?,
    })
    .map_err(Failure::new)?;
    let me = client.me().await.map_err(Failure::new)?;
    let committer = Committer::new(me.login().as_str(), me.email()).map_err(Failure::new)?;
    let begun = begin(Beginning {
        repository: REPO.parse().map_err(Failure::new)?,
        remote: format!("{}/{REPO}.git", github.url()),
        token: Some(git_token(&client)),
        committer,
        base: "main".parse().map_err(Failure::new)?,
        ledger: LEDGER_BRANCH.parse().map_err(Failure::new)?,
        keys: keys.to_owned(),
        files,
        at: door::now(),
    })
    .await?;
    Ok(begun.genesis)
}

/// Starts the bot as `countersign serve` does.
async fn serve(
    dir: &Path,
    github: &Running,
    app: &AppCredentials,
    genesis: Digest,
) -> Result<Server, Failure> {
    let keys = dir.join("keys");
    let args = settings::Args {
        data_dir: Some(dir.join("data")),
        api_url: Some(Url::parse(&github.api_url()).map_err(Failure::new)?),
        git_url: Some(Url::parse(&github.url()).map_err(Failure::new)?),
        repo: Some(REPO.parse().map_err(Failure::new)?),
        app_id: Some(app.id),
        app_key_file: Some(keys.join("app.pem")),
        webhook_secret_file: Some(keys.join("webhook-secret")),
        genesis: Some(genesis),
        gate_key_file: Some(keys.join("gate")),
        executor_key_file: Some(keys.join("executor")),
        group_within: Some(GROUP_WITHIN.parse().map_err(Failure::new)?),
        pushes_per_minute: Some(PUSHES_PER_MINUTE),
        ..settings::Args::default()
    };
    let settings = Settings::from(&args, BTreeMap::new()).map_err(Failure::many)?;
    let bot = assemble(Arc::new(settings), Arc::new(door::now))
        .await
        .map_err(Failure::new)?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::new)?;
    Server::start(bot, listener, SWEEP_EVERY, None).map_err(Failure::new)
}
