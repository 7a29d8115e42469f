//! Which agent asks, at which server, and how it proves itself.

use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use ed25519_dalek::SigningKey;
use secrecy::SecretString;
use ssh_key::PrivateKey;
use url::Url;
use zeroize::Zeroizing;

use super::{
    Failure,
    door::{Door, Key},
};
use crate::domain::ids::AgentName;

/// Holds a shared secret, for agents without a key of their own.
const SECRET: &str = "COUNTERSIGN_AGENT_SECRET";
const MAX_BYTES: u64 = 64 * 1024;

/// The flags of every command that speaks as an agent.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Agent")]
pub(super) struct Caller {
    /// The address of `countersign serve`
    #[arg(
        long,
        value_name = "URL",
        env = "COUNTERSIGN_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    server: Url,
    /// The agent's name, as in policies/agents.yaml
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_AGENT")]
    agent: AgentName,
    /// The agent's Ed25519 private key, an OpenSSH file that only this user can read
    #[arg(
        long,
        value_name = "FILE",
        env = "COUNTERSIGN_AGENT_KEY_FILE",
        conflicts_with = "secret_file"
    )]
    key: Option<PathBuf>,
    /// The agent's shared secret instead, a file that only this user can read; or put the secret into
    /// COUNTERSIGN_AGENT_SECRET
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl Caller {
    /// The door as this agent stands before it.
    pub(super) fn door(self) -> Result<Door, Failure> {
        let key = match (&self.key, &self.secret_file) {
            (Some(path), _) => Key::Ed25519(Box::new(private_key(path)?)),
            (None, Some(path)) => {
                let text = text(path, "the agent's secret")?;
                Key::Hmac(SecretString::from(text.trim_end_matches(['\r', '\n'])))
            }
            (None, None) => match std::env::var(SECRET) {
                Ok(secret) if !secret.is_empty() => Key::Hmac(SecretString::from(secret)),
                _ => {
                    let said = format!("nothing to sign with: agent `{}` has no key here", self.agent);
                    let next = format!(
                        "give `--key FILE` (`ssh-keygen -t ed25519`), `--secret-file FILE`, or set `{SECRET}`"
                    );
                    return Err(Failure::new(said).next(next).usage());
                }
            },
        };
        Door::new(self.server, self.agent, key)
    }
}

pub(super) fn private_key(path: &Path) -> Result<SigningKey, Failure> {
    let shown = path.display();
    let text = text(path, "the agent's key")?;
    let key = PrivateKey::from_openssh(text.as_bytes()).map_err(|_| {
        Failure::new(format!("`{shown}` is not an OpenSSH private key"))
            .next(format!("make one with `ssh-keygen -t ed25519 -N '' -f {shown}`"))
    })?;
    if key.is_encrypted() {
        return Err(Failure::new(format!("the key in `{shown}` has a passphrase"))
            .next(format!("take it off with `ssh-keygen -p -f {shown}`")));
    }
    let pair = key.key_data().ed25519().ok_or_else(|| {
        Failure::new(format!("the key in `{shown}` is not an Ed25519 key"))
            .next("make one with `ssh-keygen -t ed25519`")
    })?;
    Ok(SigningKey::from_bytes(&pair.private.to_bytes()))
}

pub(super) fn text(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::new(format!("can't read `{shown}`, {what}: {error}"));
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that it is the one that is read.
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(
            Failure::new(format!("`{shown}` is {what} and others can read it"))
                .next(format!("run `chmod 600 {shown}`")),
        );
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
