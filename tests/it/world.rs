//! The test language: a sandboxed GitHub, a running bot, two target systems, agents and people.
//!
//! Everything goes through the front door: signed webhooks, signed requests, real Git. [`World::finish`] is strict: it
//! fails on an effect, a comment, an incident or a ledger finding that the test did not expect.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use base64::Engine as _;
use countersign::{
    cli::demo::{
        policies::{Facts, filled},
        targets::Targets,
    },
    domain::{
        authentic::Committer,
        door::{AGENT, NONCE, SIGNATURE, Signed, TIMESTAMP},
        entry::{Genesis, Role},
        ids::{Digest, Nonce, Timestamp},
        policy::{compile, policy_digest},
        request::Request,
        source::SourceFile,
    },
    ledger::{Init, Signer, init},
    sandbox::{AppCredentials, AppSpec, MergeMethod, Options, Person, Running, Sandbox},
    service::{AssembleError, Bot, Clock, assemble, router},
    settings::{Args, Settings},
};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

pub(crate) const REPO: &str = "acme/approvals";
const LOGINS: &[&str] = &["alice", "bob", "carol", "carol-oncall", "dave", "erin"];
const AGENTS: &[&str] = &["support-agent", "campaign-agent", "payments-agent"];

/// The policies that worlds begin with; they stay as they are while the starter set grows.
const POLICIES: &[(&str, &str)] = &[
    ("CODEOWNERS", include_str!("../policies/CODEOWNERS")),
    ("agents.yaml", include_str!("../policies/agents.yaml")),
    ("catalog.yaml", include_str!("../policies/catalog.yaml")),
    ("people.yaml", include_str!("../policies/people.yaml")),
    ("tiers.yaml", include_str!("../policies/tiers.yaml")),
];

/// What may be changed before the world begins.
#[derive(Default)]
pub(crate) struct Setup {
    /// Edits of policy files: path, from, to.
    pub(crate) edits: Vec<(&'static str, &'static str, &'static str)>,
    /// Further policy files: path, text.
    pub(crate) files: Vec<(&'static str, &'static str)>,
    /// Whether the agents' accounts exist, for pull requests of their own.
    pub(crate) agent_accounts: bool,
    /// Agents that sign with a shared secret instead of a key, and the secret.
    pub(crate) secrets: Vec<(&'static str, &'static str)>,
}

pub(crate) struct World {
    pub(crate) github: Running,
    pub(crate) targets: Targets,
    pub(crate) bot: Bot,
    pub(crate) address: SocketAddr,
    pub(crate) genesis: Digest,
    pub(crate) data: tempfile::TempDir,
    pub(crate) app: AppCredentials,
    keys: BTreeMap<&'static str, SigningKey>,
    secrets: BTreeMap<&'static str, &'static str>,
    http: reqwest::Client,
    args: Args,
    settings: Arc<Settings>,
    server: tokio::task::JoinHandle<()>,
    process: Process,
    /// What stands on the ledger's branch and is no part of the record, as the test expects.
    pub(crate) findings: usize,
    skew: Arc<std::sync::atomic::AtomicI64>,
}

/// Runs a story in a world of its own and ends it strictly.
pub(crate) async fn story(tell: impl AsyncFnOnce(&mut World)) {
    story_with(Setup::default(), tell).await;
}

pub(crate) async fn story_with(setup: Setup, tell: impl AsyncFnOnce(&mut World)) {
    let mut world = World::begin(setup).await;
    tell(&mut world).await;
    world.finish().await;
}

fn fixed_key(name: &str) -> SigningKey {
    SigningKey::from_bytes(Digest::of(name.as_bytes()).as_bytes())
}

/// The variables that give the bot its agents' shared secrets.
fn variables(secrets: &BTreeMap<&'static str, &'static str>) -> BTreeMap<String, String> {
    let variable = |(agent, secret): (&&str, &&str)| {
        let name = agent.to_uppercase().replace('-', "_");
        (format!("COUNTERSIGN_AGENT_SECRET_{name}"), (*secret).to_owned())
    };
    secrets.iter().map(variable).collect()
}

fn openssh(key: &SigningKey) -> String {
    let public = ssh_key::public::Ed25519PublicKey(key.verifying_key().to_bytes());
    ssh_key::PublicKey::new(public.into(), "").to_openssh().unwrap()
}

impl World {
    pub(crate) async fn begin(setup: Setup) -> Self {
        let github = Sandbox::start(Options::default()).unwrap();
        github.add_org("acme").unwrap();
        for login in LOGINS {
            github.add_user(login).unwrap();
            github.add_org_member("acme", login).unwrap();
        }
        github.add_user("root").unwrap();
        github.add_org_admin("acme", "root").unwrap();
        github.add_user("mallory").unwrap();
        for (team, members) in [
            ("finance", &["alice", "carol", "carol-oncall"][..]),
            ("treasury", &["bob"]),
            ("marketing", &["dave", "erin"]),
        ] {
            github.add_team("acme", team, None).unwrap();
            for member in members {
                github.add_member("acme", team, member).unwrap();
            }
        }
        let mut accounts: Vec<(String, u64)> = LOGINS
            .iter()
            .map(|login| ((*login).to_owned(), github.user_id(login).unwrap()))
            .collect();
        for (i, agent) in AGENTS.iter().enumerate() {
            let login = format!("{agent}[bot]");
            let id = if setup.agent_accounts {
                github.add_user(&login).unwrap();
                github.user_id(&login).unwrap()
            } else {
                900_000 + i as u64
            };
            accounts.push((login, id));
        }
        let targets = Targets::start().await.unwrap();
        let keys: BTreeMap<&'static str, SigningKey> =
            AGENTS.iter().map(|name| (*name, fixed_key(name))).collect();
        let public: Vec<(String, String)> = keys
            .iter()
            .map(|(name, key)| ((*name).to_owned(), openssh(key)))
            .collect();
        let facts = Facts {
            bank_url: targets.bank().url(),
            crm_url: targets.crm().url(),
            accounts: &accounts,
            keys: &public,
        };
        let mut files = filled(POLICIES, &facts).unwrap();
        let agents = files.iter_mut().find(|file| file.path == "agents.yaml").unwrap();
        for (agent, _) in &setup.secrets {
            let key = format!("key: {{ ed25519: \"{}\" }}", openssh(&keys[agent]));
            assert!(agents.text.contains(&key), "{}", agents.text);
            agents.text = agents.text.replace(&key, "key: { hmac: {} }");
        }
        let secrets: BTreeMap<&'static str, &'static str> = setup.secrets.iter().copied().collect();
        for (path, from, to) in &setup.edits {
            let file = files.iter_mut().find(|file| file.path == *path).unwrap();
            assert!(file.text.contains(from), "{path} has no `{from}`");
            file.text = file.text.replace(from, to);
        }
        files.extend(
            setup
                .files
                .iter()
                .map(|(path, text)| SourceFile::new(*path, *text)),
        );
        if let Err(errors) = compile(&files) {
            panic!("{errors:#?}");
        }
        let held: Vec<(String, String)> = files
            .iter()
            .map(|file| (format!("policies/{}", file.path), file.text.clone()))
            .collect();
        let held: Vec<(&str, &str)> = held
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        github.add_repo(REPO, &held).unwrap();
        for team in ["finance", "treasury", "marketing"] {
            github
                .set_team_permission(REPO, team, countersign::sandbox::Permission::Write)
                .unwrap();
        }
        github
            .set_permission(REPO, "mallory", countersign::sandbox::Permission::Write)
            .unwrap();
        if setup.agent_accounts {
            for agent in AGENTS {
                let login = format!("{agent}[bot]");
                github
                    .set_permission(REPO, &login, countersign::sandbox::Permission::Write)
                    .unwrap();
            }
        }
        let app = github
            .create_app(AppSpec {
                slug: "countersign".into(),
                owner: "acme".into(),
                permissions: [
                    ("contents", "write"),
                    ("pull_requests", "write"),
                    ("checks", "write"),
                    ("issues", "write"),
                    ("members", "read"),
                    ("metadata", "read"),
                    ("administration", "read"),
                ]
                .map(|(name, level)| (name.to_owned(), level.to_owned()))
                .to_vec(),
                events: Vec::new(),
                webhook_url: None,
            })
            .unwrap();
        github.install(app.id, "acme", &[REPO]).unwrap();
        let data = tempfile::tempdir().unwrap();
        let (args, genesis) = Self::init(&github, &app, data.path(), &files).await;
        github
            .protect(
                REPO,
                "main",
                &json!({
                    "required_status_checks": {
                        "strict": false,
                        "checks": [{ "context": "countersign", "app_id": app.id }],
                    },
                    "enforce_admins": false,
                    "required_pull_request_reviews": null,
                    "restrictions": null,
                }),
            )
            .unwrap();
        let skew = Arc::new(std::sync::atomic::AtomicI64::new(0));
        let settings = Arc::new(Settings::from(&args, variables(&secrets)).unwrap());
        let process = Process::start();
        let bot = process.assemble(&settings, &skew).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = process.serve(bot.clone(), listener);
        github
            .set_webhook_url(app.id, &format!("http://{address}/webhooks/github"))
            .unwrap();
        let mut world = Self {
            github,
            targets,
            bot,
            address,
            genesis,
            data,
            app,
            keys,
            secrets,
            http: reqwest::Client::new(),
            args,
            settings,
            server,
            process,
            findings: 0,
            skew,
        };
        world.settle().await;
        world
    }

    async fn init(
        github: &Running,
        app: &AppCredentials,
        data: &Path,
        files: &[SourceFile],
    ) -> (Args, Digest) {
        let secrets = data.join("secrets");
        std::fs::create_dir_all(&secrets).unwrap();
        let (gate, executor) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        gate.save(&secrets.join("gate")).unwrap();
        executor.save(&secrets.join("executor")).unwrap();
        for (name, text) in [
            ("app.pem", &app.private_key_pem),
            ("webhook", &app.webhook_secret),
        ] {
            let path = secrets.join(name);
            std::fs::write(&path, text).unwrap();
            std::os::unix::fs::PermissionsExt::set_mode(
                &mut std::fs::metadata(&path).unwrap().permissions(),
                0o600,
            );
            let mut permissions = std::fs::metadata(&path).unwrap().permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
            std::fs::set_permissions(&path, permissions).unwrap();
        }
        let genesis = Genesis {
            repository: REPO.parse().unwrap(),
            base: "main".parse().unwrap(),
            ledger: "ledger".parse().unwrap(),
            policy: policy_digest(files),
            keys: vec![gate.role_key(Role::Gate), executor.role_key(Role::Executor)],
            nonce: Digest::of(app.webhook_secret.as_bytes()),
        };
        let remote = github.git_dir(REPO).unwrap();
        let dir = data.join("init.git");
        let begun = tokio::task::spawn_blocking(move || {
            let committer =
                Committer::new("countersign[bot]", "countersign@users.noreply.github.com").unwrap();
            let at = Timestamp::from_millis(now());
            let init_with = Init {
                dir,
                genesis,
                gate: &gate,
                committer,
                at,
            };
            init(init_with, remote.to_str().unwrap(), None).unwrap()
        })
        .await
        .unwrap();
        let args = Args {
            data_dir: Some(data.join("bot")),
            api_url: Some(github.api_url().parse().unwrap()),
            git_url: Some(github.url().parse().unwrap()),
            repo: Some(REPO.parse().unwrap()),
            app_id: Some(app.id),
            app_key_file: Some(secrets.join("app.pem")),
            webhook_secret_file: Some(secrets.join("webhook")),
            genesis: Some(begun.genesis),
            gate_key_file: Some(secrets.join("gate")),
            executor_key_file: Some(secrets.join("executor")),
            group_within: Some("1s".parse().unwrap()),
            ..Args::default()
        };
        (args, begun.genesis)
    }

    fn clock(skew: &Arc<std::sync::atomic::AtomicI64>) -> Clock {
        let skew = Arc::clone(skew);
        Arc::new(move || Timestamp::from_millis(now() + skew.load(std::sync::atomic::Ordering::SeqCst)))
    }

    /// Stops the bot's process in good order, and starts another one on the same data.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.crash();
        self.start().await.unwrap();
    }

    /// Kills the bot's process where it stands. What it had on its way to GitHub or a target may still arrive.
    pub(crate) fn crash(&mut self) {
        self.server.abort();
        self.process.kill();
        self.bot.queue().close();
        // The dead process's lock dies with it; here it would live as long as the last handle.
        let (data, dead) = (self.data.path().join("bot"), self.data.path().join(fresh()));
        std::fs::rename(&data, &dead).unwrap();
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(&dead)
            .arg(&data)
            .status();
        assert!(copied.unwrap().success());
    }

    /// Starts a process on the data of one that is gone.
    pub(crate) async fn start(&mut self) -> Result<(), AssembleError> {
        self.process = Process::start();
        let bot = self.process.assemble(&self.settings, &self.skew).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.server = self.process.serve(bot.clone(), listener);
        self.bot = bot;
        self.github
            .set_webhook_url(self.app.id, &format!("http://{}/webhooks/github", self.address))
            .unwrap();
        self.settle().await;
        Ok(())
    }

    /// A second bot with the same keys and data of its own; GitHub tells it nothing, so it works when it sweeps.
    pub(crate) async fn second(&self) -> Bot {
        let args = Args {
            data_dir: Some(self.data.path().join("second")),
            ..self.args.clone()
        };
        let settings = Arc::new(Settings::from(&args, variables(&self.secrets)).unwrap());
        let bot = self.process.assemble(&settings, &self.skew).await.unwrap();
        self.process.work(&bot);
        bot
    }

    async fn stop(&mut self) {
        self.server.abort();
        self.bot.queue().close();
        self.bot.tasks().idle().await;
        self.bot.close().await;
    }

    /// Moves the bot's clock; GitHub's stays.
    pub(crate) fn later(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.skew.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }

    /// Moves the bot's clock and GitHub's together.
    pub(crate) fn both_later(&self, span: Duration) {
        self.later(span);
        self.github.clock().advance(span.try_into().unwrap());
    }

    /// One sweep, and everything it brings about.
    pub(crate) async fn sweep(&mut self) {
        self.bot.sweep().await;
        self.settle().await;
    }

    /// Waits until nothing is on its way: no webhook, no look, no task.
    pub(crate) async fn settle(&mut self) {
        loop {
            self.github.quiesce().await;
            let before = self.bot.ledger_size();
            self.bot.queue().idle().await;
            self.bot.recording().idle().await;
            self.github.quiesce().await;
            if self.bot.queue().depth() == 0 && self.bot.ledger_size() == before {
                return;
            }
        }
    }

    pub(crate) fn person(&self, login: &str) -> Person<'_> {
        self.github.as_user(login)
    }

    /// An agent's request, signed, as JSON.
    pub(crate) fn request(&self, agent: &str, body: Value) -> Value {
        let mut request: Request = serde_json::from_value(with_nonce(body)).unwrap();
        if !self.secrets.contains_key(agent) {
            request.sign(&self.keys[agent]).unwrap();
        }
        serde_json::to_value(request).unwrap()
    }

    /// Sends bytes through the door as an agent; status and answer.
    pub(crate) async fn send(
        &self,
        agent: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> (u16, Value) {
        let mut headers = self.signed(agent, method, path, body);
        headers.push(("content-type".to_owned(), kind.to_owned()));
        self.raw(method, path, &headers, body.to_vec()).await
    }

    /// The headers that prove a request to be an agent's, made now.
    pub(crate) fn signed(&self, agent: &str, method: &str, path: &str, body: &[u8]) -> Vec<(String, String)> {
        let nonce: Nonce = fresh().parse().unwrap();
        self.signed_at(agent, method, path, body, self.time(), &nonce)
    }

    /// The headers that prove a request to be an agent's.
    pub(crate) fn signed_at(
        &self,
        agent: &str,
        method: &str,
        path: &str,
        body: &[u8],
        timestamp: Timestamp,
        nonce: &Nonce,
    ) -> Vec<(String, String)> {
        let signed = Signed {
            method,
            path,
            timestamp,
            nonce,
            body,
        };
        let signature = match self.secrets.get(agent) {
            Some(secret) => signed.mac(secret.as_bytes()).unwrap(),
            None => signed.sign(&self.keys[agent]),
        };
        let headers = [
            (AGENT, agent.to_owned()),
            (TIMESTAMP, timestamp.to_string()),
            (NONCE, nonce.as_str().to_owned()),
            (SIGNATURE, signature),
        ];
        headers.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The bot's clock.
    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millis(now() + self.skew.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// Sends anything to the bot; status and answer.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> (u16, Value) {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("http://{}{path}", self.address))
            .body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Everything that a request without effect leaves as it was: every ref of the repository, pull requests with their
    /// comments, calls to GitHub that change something, claims, data keys and answers on the disk, and what the targets did.
    pub(crate) fn still(&self) -> Still {
        let refs = git(&self.github.git_dir(REPO).unwrap(), &["for-each-ref"]);
        let pulls = self.github.pulls(REPO).unwrap().len();
        let comments = (1..=pulls as u64)
            .map(|pull| {
                self.github
                    .comments(REPO, pull)
                    .map_or(0, |comments| comments.len())
            })
            .sum();
        let writes = self
            .github
            .requests()
            .into_iter()
            .filter(|one| one.method != "GET" && !one.path.ends_with("/access_tokens"))
            .map(|one| format!("{} {}", one.method, one.path))
            .collect();
        let mut files = Vec::new();
        for room in ["outbox", "keys", "results"] {
            let room = self.data.path().join("bot").join(room);
            for entry in std::fs::read_dir(room).unwrap() {
                files.push(entry.unwrap().path().display().to_string());
            }
        }
        files.sort();
        Still {
            refs,
            pulls,
            comments,
            writes,
            files,
            acted: self.acted(),
        }
    }

    /// Proposes; status and answer.
    pub(crate) async fn propose(&self, agent: &str, body: Value) -> (u16, Value) {
        let request = self.request(agent, body);
        self.send(
            agent,
            "POST",
            "/api/v1/proposals",
            "application/json",
            request.to_string().as_bytes(),
        )
        .await
    }

    pub(crate) async fn status(&self, agent: &str, id: &str) -> Value {
        self.send(
            agent,
            "GET",
            &format!("/api/v1/proposals/{id}"),
            "application/json",
            b"",
        )
        .await
        .1
    }

    /// Proposes something that needs review; the proposal as it is told of.
    pub(crate) async fn open(&mut self, agent: &'static str, body: Value) -> Opened {
        let (status, answer) = self.propose(agent, body).await;
        assert_eq!(status, 202, "{answer:#}");
        self.settle().await;
        let id = answer["id"].as_str().unwrap().to_owned();
        let told = self.status(agent, &id).await;
        let pull = told["pull_request"]
            .as_u64()
            .unwrap_or_else(|| panic!("no pull request: {told:#}"));
        // GitHub counts in seconds: what people do next comes visibly after the branch was made.
        self.both_later(Duration::from_secs(2));
        Opened { id, pull, agent }
    }

    /// A payment of 12,500.00 EUR: high tier, two people of different teams.
    pub(crate) async fn payment(&mut self) -> Opened {
        self.open("payments-agent", payment()).await
    }

    /// A campaign to 4,200 contacts: medium tier, one approval.
    pub(crate) async fn campaign(&mut self) -> Opened {
        self.open("campaign-agent", campaign()).await
    }

    pub(crate) async fn approve(&mut self, login: &str, of: &Opened) -> u64 {
        let review = self.person(login).approve(REPO, of.pull).unwrap();
        self.settle().await;
        review
    }

    /// The newest conclusion of the bot's check on a proposal's head, with its title and summary.
    pub(crate) fn check(&self, of: &Opened) -> Check {
        let pull = self.github.pull(REPO, of.pull).unwrap();
        let runs = self
            .github
            .check_runs(REPO, pull["head"]["sha"].as_str().unwrap())
            .unwrap();
        let run = runs.last().unwrap_or_else(|| panic!("no check run"));
        assert_eq!(run["app"]["id"], json!(self.app.id), "the check is not the app's");
        Check {
            conclusion: run["conclusion"].as_str().unwrap_or_default().to_owned(),
            title: run["output"]["title"].as_str().unwrap_or_default().to_owned(),
            summary: run["output"]["summary"].as_str().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) async fn state(&self, of: &Opened) -> String {
        self.status(of.agent, &of.id).await["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The kinds of entries recorded about a proposal, in order.
    pub(crate) fn kinds(&self, of: &Opened) -> Vec<String> {
        self.entries()
            .into_iter()
            .filter(|entry| entry["proposal"] == json!(of.id))
            .map(|entry| entry["kind"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The entries recorded about a proposal, in order.
    pub(crate) fn about(&self, of: &Opened) -> Vec<Value> {
        let mut entries = self.entries();
        entries.retain(|entry| entry["proposal"] == json!(of.id));
        entries
    }

    /// Every entry of the ledger's branch, read with plain Git.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let log = git(
            &self.github.git_dir(REPO).unwrap(),
            &["log", "--reverse", "--format=%B", "ledger"],
        );
        log.lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        let log = git(
            &self.github.git_dir(REPO).unwrap(),
            &["log", "--reverse", "--format=%s", "ledger"],
        );
        log.lines().map(str::to_owned).collect()
    }

    /// How often the bank and the CRM acted.
    pub(crate) fn acted(&self) -> (usize, usize) {
        (
            self.targets.bank().effects().len(),
            self.targets.crm().effects().len(),
        )
    }

    /// Ends the story: nothing is left over, and the ledger proves itself from a clone.
    pub(crate) async fn finish(mut self) {
        self.settle().await;
        self.stop().await;
        for request in self.github.requests() {
            if let Some(concluded) = request.request.get("conclusion") {
                // INVARIANT i27: GitHub takes neutral and skipped for success.
                let known = ["success", "failure", "action_required"].map(Value::from);
                assert!(known.contains(concluded), "{request:?}");
            }
        }
        for target in [self.targets.bank(), self.targets.crm()] {
            let effects = target.effects();
            let mut keys: Vec<&str> = effects.iter().map(|effect| effect.key.as_str()).collect();
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), all, "something ran twice: {effects:?}");
        }
        let executed: Vec<String> = self
            .entries()
            .iter()
            .filter(|entry| entry["kind"] == "started")
            .map(|entry| entry["proposal"].as_str().unwrap().to_owned())
            .collect();
        for target in [self.targets.bank(), self.targets.crm()] {
            for effect in target.effects() {
                let known = executed.iter().any(|id| effect.key.starts_with(id.as_str()));
                assert!(known, "an effect without a `started` entry: {effect:?}");
            }
        }
        let clone = tempfile::tempdir().unwrap();
        git(
            clone.path(),
            &[
                "clone",
                "--quiet",
                "--bare",
                self.github.git_dir(REPO).unwrap().to_str().unwrap(),
                ".",
            ],
        );
        let report = countersign::ledger::verify(
            clone.path(),
            &"ledger".parse().unwrap(),
            self.genesis,
            None,
            |_, _| {},
        )
        .unwrap();
        assert_eq!(report.findings.len(), self.findings, "{:#?}", report.findings);
    }
}

/// What a process of the bot's runs in, so that it can be killed in the middle.
struct Process(Option<tokio::runtime::Runtime>);

impl Process {
    fn start() -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Self(Some(runtime.worker_threads(2).enable_all().build().unwrap()))
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().unwrap()
    }

    async fn assemble(
        &self,
        settings: &Arc<Settings>,
        skew: &Arc<std::sync::atomic::AtomicI64>,
    ) -> Result<Bot, AssembleError> {
        let assembled = assemble(Arc::clone(settings), World::clock(skew));
        self.runtime().spawn(assembled).await.unwrap()
    }

    fn work(&self, bot: &Bot) {
        let _inside = self.runtime().enter();
        bot.start_workers();
    }

    fn serve(&self, bot: Bot, listener: tokio::net::TcpListener) -> tokio::task::JoinHandle<()> {
        self.work(&bot);
        let serving = async move { axum::serve(listener, router(bot, None)).await.unwrap() };
        self.runtime().spawn(serving)
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What [`World::still`] saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Still {
    refs: String,
    pulls: usize,
    comments: usize,
    writes: Vec<String>,
    files: Vec<String>,
    acted: (usize, usize),
}

pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) pull: u64,
    pub(crate) agent: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) conclusion: String,
    pub(crate) title: String,
    pub(crate) summary: String,
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

pub(crate) fn fresh() -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>())
}

fn with_nonce(mut body: Value) -> Value {
    if body.get("nonce").is_none() {
        body["nonce"] = json!(fresh());
    }
    body
}

pub(crate) fn payment() -> Value {
    json!({
        "operation": "payments.create",
        "sponsor": "carol",
        "parameters": {
            "supplier_id": "acme-ltd",
            "amount": { "minor": 1_250_000, "currency": "EUR" },
            "reference": "INV-2026-118",
            "iban": "DE89370400440532013000",
        },
        "justification": "Invoice INV-2026-118 is due on Friday and matches the delivery.",
    })
}

pub(crate) fn campaign() -> Value {
    json!({
        "operation": "campaigns.send",
        "sponsor": "erin",
        "parameters": {
            "segment_id": "spring-customers",
            "subject": "Autumn news",
            "body": "Hello from Acme.",
        },
        "justification": "The autumn newsletter, as planned.",
    })
}

pub(crate) fn note() -> Value {
    json!({
        "operation": "crm.note",
        "sponsor": "erin",
        "parameters": { "customer_id": "C-1001", "text": "Called back, all is well." },
        "justification": "Follow-up of ticket 88.",
    })
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn merge_commit() -> MergeMethod {
    MergeMethod::Merge
}
