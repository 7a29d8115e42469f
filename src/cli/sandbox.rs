//! `countersign sandbox`: a GitHub-compatible server on this machine.

use std::{path::PathBuf, process::ExitCode};

use super::{
    Failure,
    house::{self, APP, ORG, REPO, TEAMS},
    paint::{self, row},
    secrets,
    serve::Stop,
};
use crate::sandbox::{Error, Options, Sandbox};

/// Start a GitHub-compatible server on this machine, to try a GitHub App offline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign sandbox
  countersign sandbox --port 8090 --state-dir sandbox --webhook-url http://127.0.0.1:8080/webhooks/github
  countersign sandbox --socket /tmp/github.sock
  export GH_CONFIG_DIR=gh GH_HOST=github.test GH_ENTERPRISE_TOKEN=$(cat countersign-sandbox/tokens/alice)
  gh config set http_unix_socket /tmp/github.sock && gh api repos/acme/approvals/pulls --paginate

It begins anew each time: organisation, people and pull requests live in memory, repositories in the state \
directory.")]
pub(super) struct Args {
    /// The port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8090, env = "COUNTERSIGN_SANDBOX_PORT")]
    port: u16,
    /// A new or empty directory for repositories, the app's key and people's tokens
    #[arg(long, value_name = "DIR", default_value = "countersign-sandbox")]
    state_dir: PathBuf,
    /// A unix socket to answer at as well, for this user only: `gh` takes it as its `http_unix_socket`
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Where the app's webhooks go
    #[arg(long, value_name = "URL")]
    webhook_url: Option<url::Url>,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let dir = args.state_dir;
    new_or_empty(&dir)?;
    let mut stop = Stop::new()?;
    let options = Options {
        port: args.port,
        dir: Some(dir.join("repositories")),
        socket: args.socket.clone(),
        ..Options::default()
    };
    let github = Sandbox::start(options).map_err(|error| match error {
        Error::Socket { .. } => Failure::new(error),
        _ => Failure::new(format!("can't start on port {}: {error}", args.port))
            .next("choose another port with `--port PORT`, or 0 for any that is free"),
    })?;
    house::organisation(&github, &[])?;
    house::repository(
        &github,
        &[(
            "README.md".to_owned(),
            format!("# {REPO}\n\nA repository to try things in.\n"),
        )],
    )?;
    let app = house::app(&github)?;
    if let Some(url) = &args.webhook_url {
        github
            .set_webhook_url(app.id, url.as_str())
            .map_err(Failure::new)?;
    }
    secrets::write(&dir.join("app.pem"), &app.private_key_pem)?;
    secrets::write(&dir.join("webhook-secret"), &app.webhook_secret)?;
    let tokens = dir.join("tokens");
    secrets::directory(&tokens)?;
    let people = TEAMS
        .iter()
        .flat_map(|(_, members)| *members)
        .chain([&house::ADMIN]);
    for login in people {
        let token = github.user_token(login).map_err(Failure::new)?;
        secrets::write(&tokens.join(login), &token)?;
    }
    let (url, at) = (github.url(), dir.display());
    let clone = url.replacen("http://", "http://alice:$(cat TOKENS/alice)@", 1);
    let clone = clone.replace("TOKENS", &tokens.display().to_string());
    anstream::println!(
        "{} a GitHub on this machine, until Ctrl-C",
        paint::good(paint::YES)
    );
    row("pages", paint::link(format_args!("{url}/{REPO}/pulls")));
    row("API", paint::link(github.api_url()));
    if let Some(socket) = &args.socket {
        row(
            "socket",
            format_args!("{}, the same API for `gh`", socket.display()),
        );
    }
    for (team, members) in TEAMS {
        row("team", format_args!("@{ORG}/{team}: {}", members.join(", ")));
    }
    row("app", format_args!("{APP}, id {}, key in {at}/app.pem", app.id));
    row("webhooks", format_args!("signed with {at}/webhook-secret"));
    row(
        "tokens",
        format_args!("{}/LOGIN, one for each person", tokens.display()),
    );
    anstream::println!("\n{}", paint::soft("try it"));
    anstream::println!("  git clone \"{clone}/{REPO}.git\"");
    anstream::println!(
        "  curl -H \"authorization: Bearer $(cat {}/alice)\" {}/user",
        tokens.display(),
        github.api_url()
    );
    anstream::println!(
        "  countersign init --repo {REPO} --api-url {} --app-id {} --app-key-file {at}/app.pem",
        github.api_url(),
        app.id
    );
    stop.asked().await;
    // Ends the server's thread before the process does.
    tokio::task::spawn_blocking(move || drop(github))
        .await
        .map_err(Failure::new)?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses a directory with something in it; makes one that is not there.
pub(super) fn new_or_empty(dir: &std::path::Path) -> Result<(), Failure> {
    let shown = dir.display();
    match std::fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!("`{shown}` is not empty"))
                .next("name a new directory; nothing there is overwritten")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => secrets::directory(dir),
        Err(error) => Err(Failure::new(format!("can't use `{shown}`: {error}"))),
    }
}
