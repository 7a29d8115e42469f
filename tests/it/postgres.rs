//! A PostgreSQL of the tests' own: made when one of them needs it, gone with the last of them.

use std::{
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

/// PostgreSQL does not run as root; this is who runs it then.
const NOBODY: u32 = 65_534;

pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    server: Child,
    databases: AtomicUsize,
}

/// The cluster, or `None` (loudly) on a machine without PostgreSQL. In CI on Linux that is a failure.
pub(crate) async fn cluster() -> Option<Arc<Cluster>> {
    static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let Some(programs) = programs() else {
        assert!(
            std::env::var_os("CI").is_none() || !cfg!(target_os = "linux"),
            "PostgreSQL is not here, and CI must not skip its tests"
        );
        eprintln!("SKIPPED: no `initdb` here; install postgresql to run this test on PostgreSQL too");
        return None;
    };
    let cluster = {
        let mut running = RUNNING.lock().unwrap();
        match running.upgrade() {
            Some(cluster) => cluster,
            None => {
                let cluster = Arc::new(Cluster::start(&programs));
                *running = Arc::downgrade(&cluster);
                cluster
            }
        }
    };
    cluster.answers().await;
    Some(cluster)
}

/// Where `initdb` and `postgres` are.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.map(|version| version.unwrap().path().join("bin")));
    }
    places
        .into_iter()
        .find(|place| place.join("initdb").exists() && place.join("postgres").exists())
}

fn is_root(of: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&of.metadata().unwrap()) == 0
}

impl Cluster {
    fn start(programs: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = is_root(directory.path());
        if root {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let run = |program: &str| {
            let program = programs.join(program);
            if !root {
                return Command::new(program);
            }
            let mut command = Command::new("setpriv");
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args([&user, &group, "--clear-groups", "--"]).arg(program);
            command
        };
        let data = directory.path().join("data");
        let made = run("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = run("postgres")
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
                "-k",
            ])
            .arg(directory.path())
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            directory,
            server,
            databases: AtomicUsize::new(0),
        }
    }

    fn address(&self, database: &str) -> String {
        format!(
            "postgres:///{database}?user=postgres&host={}",
            self.directory.path().display()
        )
    }

    async fn connect(&self, database: &str) -> sqlx::Result<AnyConnection> {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.address(database)).await
    }

    async fn answers(&self) {
        let begun = Instant::now();
        while let Err(error) = self.connect("postgres").await {
            assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new database; its address.
    pub(crate) async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let mut connection = self.connect("postgres").await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(sqlx::raw_sql(create)).await.unwrap();
        self.address(&name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = Command::new("kill")
            .args(["-QUIT", &self.server.id().to_string()])
            .status();
        assert!(stopped.unwrap().success());
        self.server.wait().unwrap();
    }
}
