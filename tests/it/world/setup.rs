//! What worlds begin with: people, teams, agents, policies, the app and an empty ledger.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::AtomicI64},
};

use countersign::{
    cli::demo::{
        policies::{Facts, filled},
        targets::Targets,
    },
    domain::{
        authentic::Committer,
        entry::{Genesis, Role},
        ids::{Digest, Timestamp},
        policy::{compile, policy_digest},
        source::SourceFile,
    },
    ledger::{Init, Signer, init},
    sandbox::{AppCredentials, AppSpec, Options, Running, Sandbox},
    settings::{self, Args, Settings},
};
use ed25519_dalek::SigningKey;
use serde_json::json;

use super::{Process, REPO, World, now};

const LOGINS: &[&str] = &["alice", "bob", "carol", "carol-oncall", "dave", "erin"];

const AGENTS: &[&str] = &["support-agent", "campaign-agent", "payments-agent"];

/// The policies that worlds begin with; they stay as they are while the starter set grows.
const POLICIES: &[(&str, &str)] = &[
    ("CODEOWNERS", include_str!("../../policies/CODEOWNERS")),
    ("agents.yaml", include_str!("../../policies/agents.yaml")),
    ("catalog.yaml", include_str!("../../policies/catalog.yaml")),
    ("people.yaml", include_str!("../../policies/people.yaml")),
    ("tiers.yaml", include_str!("../../policies/tiers.yaml")),
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
    /// The address of the bot's database, when it is no file of its own.
    pub(crate) database: Option<String>,
    /// Requests that GitHub leaves the bot in an hour; its usual 5,000 without one.
    pub(crate) rate_limit: Option<u64>,
    /// Whose token sees bypass lists for the bot; nobody's without one.
    pub(crate) watcher: Option<&'static str>,
    /// Where alarms go.
    pub(crate) alarm_url: Option<String>,
    /// How often the ledger is pushed in a minute; as often as settings allow without one.
    pub(crate) pushes_per_minute: Option<u32>,
    /// Whether alarms become issues.
    pub(crate) alarm_issue: bool,
    /// Where the catalog has the bank, when something stands in front of it.
    pub(crate) bank_url: Option<String>,
    /// Secrets for targets: variables and values.
    pub(crate) target_secrets: Vec<(&'static str, &'static str)>,
    /// The roles that the bot plays; all without one.
    pub(crate) role: Option<settings::Role>,
    /// The directory of secrets for targets.
    pub(crate) secrets_dir: Option<std::path::PathBuf>,
}

fn fixed_key(name: &str) -> SigningKey {
    SigningKey::from_bytes(Digest::of(name.as_bytes()).as_bytes())
}

/// The variables that give the bot its agents' shared secrets, and those of targets.
fn variables(
    agents: &BTreeMap<&'static str, &'static str>,
    targets: &[(&'static str, &'static str)],
) -> BTreeMap<String, String> {
    let variable = |(agent, secret): (&&str, &&str)| {
        let name = agent.to_uppercase().replace('-', "_");
        (format!("COUNTERSIGN_AGENT_SECRET_{name}"), (*secret).to_owned())
    };
    let of_target = |(name, secret): &(&str, &str)| ((*name).to_owned(), (*secret).to_owned());
    let targets = targets.iter().map(of_target);
    agents.iter().map(variable).chain(targets).collect()
}

fn openssh(key: &SigningKey) -> String {
    let public = ssh_key::public::Ed25519PublicKey(key.verifying_key().to_bytes());
    ssh_key::PublicKey::new(public.into(), "").to_openssh().unwrap()
}

/// A file that only this user can read.
pub(crate) fn secret_file(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    let mut permissions = std::fs::metadata(path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(path, permissions).unwrap();
}

impl World {
    pub(crate) async fn begin(setup: Setup) -> Self {
        let options = Options {
            rate_limit: setup.rate_limit,
            ..Options::default()
        };
        let github = Sandbox::start(options).unwrap();
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
            bank_url: setup.bank_url.as_deref().unwrap_or(targets.bank().url()),
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
            let to = to.replace("https://bank.example", facts.bank_url);
            file.text = file.text.replace(from, &to);
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
        let (mut args, genesis) = Self::init(&github, &app, data.path(), &files).await;
        args.pushes_per_minute = setup.pushes_per_minute.or(Some(6_000));
        args.database = setup.database.clone().map(Into::into);
        args.alarm_url = setup.alarm_url.as_ref().map(|url| url.parse().unwrap());
        args.alarm_issue = Some(setup.alarm_issue);
        args.secrets_dir = setup.secrets_dir.clone();
        args.role = setup.role;
        if setup.role == Some(settings::Role::Gate) {
            args.executor_key_file = None;
        }
        if let Some(login) = setup.watcher {
            let file = data.path().join("secrets").join("watch-token");
            secret_file(&file, &github.user_token(login).unwrap());
            args.watch_token_file = Some(file);
        }
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
        github
            .keep_history(REPO, "the ledger's history", "refs/heads/ledger")
            .unwrap();
        let skew = Arc::new(AtomicI64::new(0));
        let settings = Arc::new(Settings::from(&args, variables(&secrets, &setup.target_secrets)).unwrap());
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
            target_secrets: setup.target_secrets,
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

    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        variables(&self.secrets, &self.target_secrets)
    }

    pub(super) fn variables_of_targets(&self) -> BTreeMap<String, String> {
        variables(&BTreeMap::new(), &self.target_secrets)
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
        let watch = Signer::generate().unwrap();
        watch.save(&secrets.join("watch")).unwrap();
        gate.save(&secrets.join("gate")).unwrap();
        executor.save(&secrets.join("executor")).unwrap();
        for (name, text) in [
            ("app.pem", &app.private_key_pem),
            ("webhook", &app.webhook_secret),
        ] {
            secret_file(&secrets.join(name), text);
        }
        let genesis = Genesis {
            repository: REPO.parse().unwrap(),
            base: "main".parse().unwrap(),
            ledger: "ledger".parse().unwrap(),
            policy: policy_digest(files),
            keys: vec![
                gate.role_key(Role::Gate),
                executor.role_key(Role::Executor),
                watch.role_key(Role::Watch),
            ],
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
            watch_key_file: Some(secrets.join("watch")),
            group_within: Some("1s".parse().unwrap()),
            ..Args::default()
        };
        (args, begun.genesis)
    }
}
