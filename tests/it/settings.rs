//! What an operator may write, and what is refused.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use clap::Parser;
use countersign::settings::{Args, Settings, SettingsError};
use secrecy::ExposeSecret as _;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

const GENESIS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000001";

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn place() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("app.pem", "the app's key"),
        ("gate", "the gate's key"),
        ("executor", "the executor's key"),
        ("webhook", "a webhook secret of some length\n"),
        ("robot", "an agent's secret of some length\n"),
    ] {
        write(&directory.path().join(name), text, 0o600);
    }
    let text = format!(
        "repo: acme/ops\napp_id: 7\napp_key_file: app.pem\nwebhook_secret_file: webhook\ngenesis: {GENESIS}\n\
         gate_key_file: gate\nexecutor_key_file: executor\nagents:\n  robot: robot\ngroup_within: 2s\n"
    );
    write(&directory.path().join("countersign.yaml"), &text, 0o644);
    directory
}

fn load(
    directory: &Path,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> Result<Settings, Vec<SettingsError>> {
    let config = directory.join("countersign.yaml");
    let flags = ["countersign", "--config", config.to_str().unwrap()]
        .into_iter()
        .chain(flags.iter().copied());
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    Settings::from(&Line::try_parse_from(flags).unwrap().args, variables)
}

fn told(result: Result<Settings, Vec<SettingsError>>) -> String {
    result
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_file_gives_everything_and_flags_and_variables_override_it() {
    let directory = place();
    let settings = load(directory.path(), &[], &[]).unwrap();
    assert_eq!(settings.site().repo().as_str(), "acme/ops");
    assert_eq!(settings.site().app_key().expose_secret(), "the app's key");
    assert_eq!(
        settings.gate().unwrap().webhook_secret().expose_secret(),
        "a webhook secret of some length"
    );
    assert_eq!(
        settings
            .agent_secret(&"robot".parse().unwrap())
            .unwrap()
            .expose_secret(),
        "an agent's secret of some length"
    );
    assert!(settings.agent_secret(&"other".parse().unwrap()).is_none());
    assert_eq!(
        (settings.site().api_url(), settings.site().git_url()),
        ("https://api.github.com", "https://github.com")
    );
    assert_eq!(settings.listen().to_string(), "127.0.0.1:8080");
    assert_eq!(
        (
            settings.group_within().to_string(),
            settings.sweep_every().to_string()
        ),
        ("2s".into(), "1m".into())
    );
    assert_eq!(
        settings.executor_key().unwrap().expose_secret(),
        "the executor's key"
    );

    let settings = load(
        directory.path(),
        &[
            "--repo",
            "acme/other",
            "--group-within",
            "1s",
            "--api-url",
            "https://ghe.example/api/v3/",
        ],
        &[
            ("COUNTERSIGN_WEBHOOK_SECRET", "another secret of some length"),
            (
                "COUNTERSIGN_AGENT_SECRET_SUPPORT_AGENT",
                "a third secret of some length",
            ),
        ],
    )
    .unwrap();
    assert_eq!(
        (
            settings.site().repo().as_str(),
            settings.group_within().to_string()
        ),
        ("acme/other", "1s".to_owned())
    );
    assert_eq!(
        (settings.site().api_url(), settings.site().git_url()),
        ("https://ghe.example/api/v3", "https://ghe.example")
    );
    assert_eq!(
        settings.gate().unwrap().webhook_secret().expose_secret(),
        "another secret of some length"
    );
    assert_eq!(
        settings
            .agent_secret(&"support-agent".parse().unwrap())
            .unwrap()
            .expose_secret(),
        "a third secret of some length"
    );
    let local = load(directory.path(), &["--api-url", "http://127.0.0.1:4000"], &[]).unwrap();
    assert_eq!(local.site().git_url(), "http://127.0.0.1:4000");
}

#[test]
fn nothing_secret_is_ever_printed() {
    let directory = place();
    let settings = load(directory.path(), &[], &[]).unwrap();
    let shown = format!(
        "{settings:?} {:?} {:?} {:?}",
        settings.site().app_key(),
        settings.gate(),
        settings.gate().unwrap().webhook_secret()
    );
    assert!(
        !shown.contains("secret of some length") && !shown.contains("'s key"),
        "{shown}"
    );
    write(&directory.path().join("webhook"), "tooshort\n", 0o600);
    let error = told(load(directory.path(), &[], &[]));
    assert!(
        error.contains("has fewer than 16 characters; draw one with `openssl rand -hex 32`"),
        "{error}"
    );
    assert!(!error.contains("tooshort"), "{error}");
    let error = told(load(
        directory.path(),
        &["--api-url", "https://user:hunter2@ghe.example"],
        &[],
    ));
    assert!(
        error.contains("`https://ghe.example` can't be the address of the API"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_command_to_run() {
    let directory = place();
    for (name, what) in [
        ("app.pem", "the GitHub App's private key"),
        ("gate", "the gate's signing key"),
        ("webhook", "the webhook's secret"),
        ("robot", "an agent's secret"),
    ] {
        let path = directory.path().join(name);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let expected = format!(
                "`{0}` is {what} and others can read it; run `chmod 600 {0}`",
                path.display()
            );
            assert_eq!(told(load(directory.path(), &[], &[])), expected);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_place() {
    let directory = place();
    let path = directory.path().join("countersign.yaml");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, place, what) in [
        ("app_id: 7", "app_idd: 7", ":2:1: ", "app_id"),
        ("app_id: 7", "app_id: seven", ":2:", "seven"),
        ("repo: acme/ops", "repo: ops", ":1:", "`ops` is not a repository"),
        ("group_within: 2s", "group_within: soon", ":10:", "is not a span"),
        ("app_id: 7", "app_id: 7\napp_id: 8", ":3:", "twice"),
        (
            "webhook_secret_file: webhook",
            "webhook_secret: hunter2hunter2hunter2",
            ":4:1: ",
            "webhook_secret_file",
        ),
    ] {
        fs::write(&path, good.replace(from, to)).unwrap();
        let error = told(load(directory.path(), &[], &[]));
        assert!(
            error.starts_with(&format!("{}{place}", path.display())) && error.contains(what),
            "{to}: {error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let told = told(Settings::from(&Args::default(), BTreeMap::new()));
    for flag in [
        "--repo",
        "--app-id",
        "--app-key-file",
        "--webhook-secret-file",
        "--genesis",
        "--gate-key-file",
        "--executor-key-file",
    ] {
        assert!(
            told.contains(&format!("give `{flag}`, set `COUNTERSIGN_")),
            "{flag}: {told}"
        );
    }
    let directory = place();
    let error = self::told(load(
        directory.path(),
        &[
            "--group-within",
            "11s",
            "--sweep-every",
            "0s",
            "--pushes-per-minute",
            "5",
        ],
        &[],
    ));
    assert_eq!(
        error,
        "`11s` can't be the time between groups: between 1s and 10s\n`5` can't be how often the ledger is pushed in a minute: between 6 and 6000\n`0s` can't be the time between sweeps: between 1s and 1h"
    );
}

#[test]
fn the_database_s_password_is_in_no_file_and_in_no_error() {
    let directory = place();
    let path = directory.path();
    assert!(load(path, &[], &[]).unwrap().database().is_none());
    let config = fs::read_to_string(path.join("countersign.yaml")).unwrap();
    let stated = |address: &str| {
        write(
            &path.join("countersign.yaml"),
            &format!("{config}database: {address}\n"),
            0o644,
        );
    };
    let address = |settings: Settings| settings.database().unwrap().expose_secret().to_owned();
    stated("postgres://bot@db.example/countersign");
    assert_eq!(
        address(load(path, &[], &[]).unwrap()),
        "postgres://bot@db.example/countersign"
    );
    let flag = ["--database", "postgres://bot:hunter2@db.example/other"];
    let settings = load(path, &flag, &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(address(settings), flag[1]);
    stated("sqlite:beside.db");
    let file = format!("sqlite:{}", path.join("beside.db").display());
    assert_eq!(address(load(path, &[], &[]).unwrap()), file);
    for wrong in [
        "postgres://bot:hunter2@db.example/countersign",
        "postgres://db.example/countersign?password=hunter2",
        "mysql://bot:hunter2@db.example/countersign",
        "hunter2",
    ] {
        stated(wrong);
        let error = told(load(path, &[], &[]));
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("the address of the database"), "{error}");
    }
}

#[test]
fn i19_only_secrets_set_aside_for_targets_are_given_out() {
    let directory = place();
    let path = directory.path();
    let secrets = path.join("secrets");
    fs::create_dir_all(secrets.join("bank")).unwrap();
    write(&secrets.join("bank/token"), "the bank's own token\n", 0o600);
    write(&secrets.join("open"), "everybody reads this", 0o640);
    write(&secrets.join("short"), "seven77\n", 0o600);
    std::os::unix::fs::symlink("bank/token", secrets.join("inside")).unwrap();
    std::os::unix::fs::symlink(path.join("gate"), secrets.join("outside")).unwrap();
    let config = fs::read_to_string(path.join("countersign.yaml")).unwrap();
    let config = format!(
        "{config}secrets_dir: secrets\nsecret_hosts:\n  COUNTERSIGN_SECRET_BOUND: [bank.example, \"127.0.0.1:81\"]\n  bank/token: []\n"
    );
    write(&path.join("countersign.yaml"), &config, 0o644);
    let variables = [
        ("COUNTERSIGN_SECRET_BANK", "hunter2 of the bank"),
        ("COUNTERSIGN_SECRET_BOUND", "hunter2 for one host"),
        ("COUNTERSIGN_AGENT_SECRET_X", "hunter2 of an agent, long"),
    ];
    let settings = load(path, &[], &variables).unwrap();
    assert!(!format!("{settings:?} {:?}", settings.vault()).contains("hunter2"));
    let open = |name: &str, to: &str| {
        let opened = settings
            .vault()
            .open(&name.parse().unwrap(), &to.parse().unwrap());
        opened
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    };
    let anywhere = "https://a.example/x";
    assert_eq!(
        open("COUNTERSIGN_SECRET_BANK", anywhere).unwrap(),
        "hunter2 of the bank"
    );
    assert_eq!(open("inside", anywhere).unwrap(), "the bank's own token");
    for good in [
        "https://bank.example/a",
        "https://bank.example:8443/a",
        "http://127.0.0.1:81",
    ] {
        assert_eq!(
            open("COUNTERSIGN_SECRET_BOUND", good).unwrap(),
            "hunter2 for one host"
        );
    }
    for (name, to, why) in [
        (
            "COUNTERSIGN_SECRET_BOUND",
            anywhere,
            "may not be sent to `a.example:443`",
        ),
        (
            "COUNTERSIGN_SECRET_BOUND",
            "http://127.0.0.1/a",
            "may not be sent to `127.0.0.1:80`",
        ),
        (
            "COUNTERSIGN_SECRET_BOUND",
            "https://bank.example.evil.example",
            "may not be sent to",
        ),
        ("bank/token", anywhere, "may not be sent to"),
        ("COUNTERSIGN_SECRET_OTHER", anywhere, "is not there"),
        ("COUNTERSIGN_SECRET_X", anywhere, "is not there"),
        ("nothing", anywhere, "is not there"),
        ("bank", anywhere, "it is no file"),
        ("outside", anywhere, "leads out of `secrets_dir`"),
        ("open", anywhere, "others can read its file"),
        ("short", anywhere, "fewer than 8 characters"),
    ] {
        let error = open(name, to).unwrap_err();
        assert!(error.contains(why) && error.contains(name), "{name}: {error}");
        assert!(
            !error.contains("hunter2") && !error.contains("seven77"),
            "{error}"
        );
    }
    // Changed while the bot runs.
    write(&secrets.join("inside.new"), "the bank's next token\n", 0o600);
    fs::rename(secrets.join("inside.new"), secrets.join("inside")).unwrap();
    assert_eq!(open("inside", anywhere).unwrap(), "the bank's next token");
    let short = [
        ("COUNTERSIGN_SECRET_BANK", "seven77"),
        ("COUNTERSIGN_SECRET_b", "hunter2 of the bank"),
    ];
    let error = told(load(path, &[], &short));
    assert!(
        error.contains("`COUNTERSIGN_SECRET_BANK` has fewer than 8"),
        "{error}"
    );
    assert!(error.contains("`COUNTERSIGN_SECRET_b` can't be named"), "{error}");
    assert!(
        !error.contains("seven77") && !error.contains("hunter2"),
        "{error}"
    );
    write(
        &path.join("countersign.yaml"),
        &config.replace("bank/token", "../gate"),
        0o644,
    );
    let error = told(load(path, &[], &[]));
    assert!(
        error.contains("is not a file of the operator's `secrets_dir`"),
        "{error}"
    );
}

#[test]
fn i19_credentials_are_the_repository_s_unless_stated() {
    let directory = place();
    let settings = load(directory.path(), &[], &[]).unwrap();
    assert_eq!(settings.credentials().issuer(), "https://github.com/acme/ops");
    assert_eq!(settings.credentials().key_file(), None);
    let flags = [
        "--credential-issuer",
        "https://bot.example/",
        "--credential-key-file",
        "keys.json",
    ];
    let settings = load(directory.path(), &flags, &[]).unwrap();
    assert_eq!(settings.credentials().issuer(), "https://bot.example");
    assert_eq!(settings.credentials().key_file(), Some(Path::new("keys.json")));
    let error = told(load(
        directory.path(),
        &["--credential-issuer", "http://bot.example"],
        &[],
    ));
    assert!(error.contains("the issuer of credentials"), "{error}");
}

#[test]
fn each_role_reads_its_own_keys_and_is_not_started_with_another_s() {
    let directory = place();
    // The file of this test names everything.
    let error = told(load(directory.path(), &["--role", "gate"], &[]));
    assert_eq!(
        error,
        "`executor_key_file` is the executor's, and this process plays `role: gate`; leave it out, so that who breaks in \
         here does not find it"
    );
    let error = told(load(
        directory.path(),
        &["--role", "execute"],
        &[("COUNTERSIGN_AGENT_SECRET_ROBOT", "a secret of some length")],
    ));
    for field in [
        "gate_key_file",
        "webhook_secret_file",
        "agents",
        "COUNTERSIGN_AGENT_SECRET_...",
    ] {
        let expected = format!("`{field}` is the gate's, and this process plays `role: execute`");
        assert!(error.contains(&expected), "{error}");
    }
    let file = directory.path().join("countersign.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let without = |fields: &[&str]| {
        let lines = text
            .lines()
            .filter(|line| !fields.iter().any(|field| line.trim_start().starts_with(field)));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    fs::write(&file, without(&["executor_key_file"])).unwrap();
    let gate = load(directory.path(), &["--role", "gate"], &[]).unwrap();
    assert!(gate.executor_key().is_none() && gate.gate().is_some());
    fs::write(
        &file,
        without(&["gate_key_file", "webhook_secret_file", "agents", "robot"]),
    )
    .unwrap();
    let executor = load(directory.path(), &["--role", "execute"], &[]).unwrap();
    assert!(executor.executor_key().is_some() && executor.gate().is_none());
    assert!(executor.agent_secret(&"robot".parse().unwrap()).is_none());
}
