//! `countersign init`: role keys, the first policies, and the first entry of the ledger.

mod begin;
mod told;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use secrecy::SecretString;
use url::Url;

pub(super) use begin::{Beginning, Begun, begin};

use super::{Failure, demo::policies::STARTER, door, secrets};
use crate::{
    domain::{
        authentic::Committer,
        ids::{BranchName, RepoName},
        policy::{PolicyError, compile},
        source::SourceFile,
    },
    github::{Config, GitHub},
    ledger::Token,
    service::{LEDGER_BRANCH, git_token},
    settings::beside,
};

/// Begin: role keys, starter policies, and the first entry of the ledger
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign init --policies-out policies          write the starter policies, to be edited
  countersign init --repo acme/approvals --app-id 12345 --app-key-file app.pem
  countersign init --repo acme/approvals --remote /srv/git/approvals.git

It prints the genesis digest: everything hangs on it, so keep it outside the repository. Keys are never overwritten, \
and a ledger begins once; running it again says what is there.")]
pub(super) struct Args {
    /// Only write the starter policies into this directory
    #[arg(long, value_name = "DIR", exclusive = true)]
    policies_out: Option<PathBuf>,
    /// The repository that holds policies, proposals and ledger
    #[arg(
        long,
        value_name = "OWNER/NAME",
        env = "COUNTERSIGN_REPO",
        required_unless_present = "policies_out"
    )]
    repo: Option<RepoName>,
    /// Its Git address or path, when it is not where the API's address says
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// The API of GitHub or of an Enterprise Server [default: https://api.github.com]
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_API_URL")]
    api_url: Option<Url>,
    /// The GitHub App's id; not needed for a repository on this machine
    #[arg(
        long,
        value_name = "ID",
        env = "COUNTERSIGN_APP_ID",
        requires = "app_key_file"
    )]
    app_id: Option<u64>,
    /// The GitHub App's private key, a PEM file
    #[arg(
        long,
        value_name = "FILE",
        env = "COUNTERSIGN_APP_KEY_FILE",
        requires = "app_id"
    )]
    app_key_file: Option<PathBuf>,
    /// Where the role keys go, or are already
    #[arg(long, value_name = "DIR", default_value = "countersign-keys")]
    keys: PathBuf,
    /// The protected base branch
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    base: BranchName,
    /// The policies to begin with when the base branch does not exist, instead of the starter set
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.policies_out {
        return write_starter(dir);
    }
    let Some(repo) = args.repo.clone() else {
        return Err(Failure::new("the repository is missing; give `--repo OWNER/NAME`").usage());
    };
    let access = access(&args, &repo).await?;
    let files = match &args.policies {
        Some(dir) => policy_files(dir)?,
        None => STARTER
            .iter()
            .map(|(path, text)| SourceFile::new(*path, *text))
            .collect(),
    };
    let beginning = Beginning {
        repository: repo,
        remote: access.remote,
        token: access.token,
        committer: access.committer,
        base: args.base.clone(),
        ledger: LEDGER_BRANCH.parse().map_err(Failure::new)?,
        keys: args.keys.clone(),
        files,
        at: door::now(),
    };
    let begun = begin(beginning).await?;
    if args.json {
        super::view::json(&told::json(&begun))?;
    } else {
        told::people(&args, &begun);
    }
    Ok(ExitCode::SUCCESS)
}

/// How the remote is reached, and in whose name.
struct Access {
    remote: String,
    token: Option<Token>,
    committer: Committer,
}

async fn access(args: &Args, repo: &RepoName) -> Result<Access, Failure> {
    let api = match &args.api_url {
        Some(api) => api.clone(),
        None => Url::parse("https://api.github.com").map_err(Failure::new)?,
    };
    let remote = args.remote.clone().unwrap_or_else(|| {
        let git = beside(&api);
        format!("{}/{repo}.git", git.as_str().trim_end_matches('/'))
    });
    let (Some(app_id), Some(key)) = (args.app_id, &args.app_key_file) else {
        if remote.contains("://") && !remote.starts_with("file://") {
            return Err(
                Failure::new(format!("`{remote}` is not on this machine and no app is named"))
                    .next("give `--app-id ID` and `--app-key-file FILE`, or a path with `--remote`")
                    .usage(),
            );
        }
        let committer = Committer::new("countersign", "countersign@localhost").map_err(Failure::new)?;
        return Ok(Access {
            remote,
            token: None,
            committer,
        });
    };
    let pem = std::fs::read_to_string(key)
        .map_err(|error| Failure::new(format!("can't read `{}`: {error}", key.display())))?;
    let connected = GitHub::connect(Config {
        api,
        app_id,
        private_key_pem: SecretString::from(pem),
        repo: repo.clone(),
    });
    let github = connected.map_err(Failure::new)?;
    let me = github.me().await.map_err(Failure::new)?;
    let committer = Committer::new(me.login().as_str(), me.email()).map_err(Failure::new)?;
    Ok(Access {
        remote,
        token: Some(git_token(&github)),
        committer,
    })
}

fn write_starter(dir: &Path) -> Result<ExitCode, Failure> {
    let shown = dir.display();
    let there = STARTER.iter().find(|(path, _)| dir.join(path).exists());
    if let Some((path, _)) = there {
        return Err(Failure::new(format!("`{shown}/{path}` is there already"))
            .next("name another directory; nothing is overwritten"));
    }
    for (path, text) in STARTER {
        let file = dir.join(path);
        let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        folder
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|error| Failure::new(format!("can't write `{shown}/{path}`: {error}")))?;
    }
    told::starter(dir);
    Ok(ExitCode::SUCCESS)
}

/// The files of a directory and of those in it, by their paths from the directory.
fn policy_files(dir: &Path) -> Result<Vec<SourceFile>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![(dir.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed =
            |error: std::io::Error| Failure::new(format!("can't read `{}`: {error}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if path.is_dir() {
                folders.push((path, format!("{name}/")));
            } else {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| Failure::new(format!("can't read `{}`: {error}", path.display())))?;
                files.push(SourceFile::new(name, text));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// What is wrong in policies, each with its place and remedy.
pub(super) fn in_policies(errors: &[PolicyError]) -> Failure {
    let said = errors.iter().map(|error| match error.help() {
        Some(help) => format!("policies/{error}; {help}"),
        None => format!("policies/{error}"),
    });
    Failure::many(said).next("correct the files and run it again; nothing was begun")
}

/// Refuses policies that would open nothing.
fn sound(files: &[SourceFile]) -> Result<(), Failure> {
    compile(files).map(|_| ()).map_err(|errors| in_policies(&errors))
}

/// Keeps the keys where only this user looks.
fn key_directory(dir: &Path) -> Result<(), Failure> {
    secrets::directory(dir)
}
