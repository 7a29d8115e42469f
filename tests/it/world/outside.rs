//! The bot as a process of its own: the real program on the world's data, to be killed.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::World;

/// How to start the program.
pub(crate) struct Outside {
    flags: Vec<String>,
    said: PathBuf,
    pub(crate) address: SocketAddr,
}

/// A running program; it is killed when this goes out of scope.
pub(crate) struct Program {
    pub(crate) child: Child,
    said: PathBuf,
}

impl World {
    /// Stops the bot of this process for good order's sake; from here on the program takes its place.
    pub(crate) async fn outside(&mut self, database: Option<&str>) -> Outside {
        self.stop().await;
        self.crash();
        let data = self.args.data_dir.clone().unwrap();
        let outside = self.program(&data, database);
        self.github
            .set_webhook_url(
                self.app.id,
                &format!("http://{}/webhooks/github", outside.address),
            )
            .unwrap();
        outside
    }

    /// A second program with the same keys and a data directory of its own; GitHub tells it nothing.
    pub(crate) fn beside(&self, name: &str, database: Option<&str>) -> Outside {
        self.program(&self.data.path().join(name), database)
    }

    fn program(&self, data: &Path, database: Option<&str>) -> Outside {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let args = &self.args;
        let path = |path: &Option<PathBuf>| path.as_ref().unwrap().display().to_string();
        let mut flags = vec!["serve".to_owned()];
        for (flag, value) in [
            ("listen", address.to_string()),
            ("data-dir", data.display().to_string()),
            ("api-url", args.api_url.as_ref().unwrap().to_string()),
            ("git-url", args.git_url.as_ref().unwrap().to_string()),
            ("repo", args.repo.as_ref().unwrap().to_string()),
            ("app-id", args.app_id.unwrap().to_string()),
            ("app-key-file", path(&args.app_key_file)),
            ("webhook-secret-file", path(&args.webhook_secret_file)),
            ("genesis", self.genesis.to_string()),
            ("gate-key-file", path(&args.gate_key_file)),
            ("executor-key-file", path(&args.executor_key_file)),
            ("watch-key-file", path(&args.watch_key_file)),
            ("group-within", args.group_within.unwrap().to_string()),
            ("pushes-per-minute", args.pushes_per_minute.unwrap().to_string()),
            ("sweep-every", "1s".to_owned()),
        ] {
            flags.extend([format!("--{flag}"), value]);
        }
        if let Some(database) = database {
            flags.extend(["--database".to_owned(), database.to_owned()]);
        }
        Outside {
            flags,
            said: self.data.path().join(format!("said-{}", address.port())),
            address,
        }
    }
}

impl Outside {
    pub(crate) fn start(&self) -> Program {
        let said = File::create(&self.said).unwrap();
        let child = Command::new(assert_cmd::cargo::cargo_bin("countersign"))
            .args(&self.flags)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        Program {
            child,
            said: self.said.clone(),
        }
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) async fn ready(&self) -> Program {
        let mut program = self.start();
        self.answers(&mut program).await;
        program
    }

    /// Waits until what was started says that it is ready.
    pub(crate) async fn answers(&self, program: &mut Program) {
        let ready = format!("http://{}/readyz", self.address);
        while !matches!(reqwest::get(&ready).await, Ok(answer) if answer.status().is_success()) {
            program.runs();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Program {
    /// Fails when it ended by itself.
    pub(crate) fn runs(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            let said = std::fs::read_to_string(&self.said).unwrap();
            panic!("it ended by itself, {status}: {said}");
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.runs();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that was killed already is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
