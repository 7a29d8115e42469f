//! One set of queries for two databases: a SQLite file of this machine's, or a PostgreSQL that replicas share.

use std::{path::Path, str::FromStr as _, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _, Row as _, Transaction,
    any::{Any, AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
};

use super::{
    disk::{open_private, set_private},
    error::{self, StoreError, damaged},
};

/// The SQLite file in the data directory.
pub(super) const FILE: &str = "countersign.db";

/// How long anybody waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections that read beside the one that writes.
const READERS: u32 = 4;

/// Every version of the tables, from the first.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_begin.sql"),
    include_str!("migrations/0002_outbox_by_name.sql"),
];

/// Replicas that start together change the tables one after the other. PostgreSQL: a number of our own.
const MIGRATING: &str = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(4922180071); END $$";

/// Which SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// What follows a `SELECT` of a row that others may have locked, and that is passed over then.
    pub(super) const fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
    /// What follows a `SELECT` of a row that nobody may change until this transaction ends.
    pub(super) const fn shared(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR SHARE",
        }
    }
    const fn begin(self) -> &'static str {
        match self {
            // The right to write is waited for at the beginning; in the middle it would be refused.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }
    const fn serial(self) -> &'static str {
        match self {
            Self::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Self::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        }
    }
    const fn prepared(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &[
                "PRAGMA busy_timeout = 5000",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA secure_delete = ON",
                "PRAGMA temp_store = MEMORY",
                "PRAGMA journal_size_limit = 67108864",
                // 16 MiB: the longer the log, the less often a page that changes all the time is copied back.
                "PRAGMA wal_autocheckpoint = 4096",
            ],
            Self::Postgres => &[
                "SET lock_timeout = '5s'",
                "SET statement_timeout = '30s'",
                "SET idle_in_transaction_session_timeout = '30s'",
                // A commit that is answered is on the disk, whatever the server's own setting.
                "SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'",
            ],
        }
    }
}

/// Where the database is.
#[derive(Debug)]
pub(super) struct Place {
    options: AnyConnectOptions,
    dialect: Dialect,
    file: Option<std::path::PathBuf>,
}

impl Place {
    /// The place that an address names, or the file in a data directory.
    pub(super) fn of(directory: &Path, address: Option<&SecretString>) -> Result<Self, StoreError> {
        let Some(address) = address else {
            return Self::of_file(&directory.join(FILE));
        };
        let address = address.expose_secret();
        if let Some(path) = address.strip_prefix("sqlite:") {
            return Self::of_file(Path::new(path.strip_prefix("//").unwrap_or(path)));
        }
        if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
            return Err(StoreError::Address("it names no kind of database".into()));
        }
        // The parser's words may repeat the address.
        let options = AnyConnectOptions::from_str(address)
            .map_err(|_| StoreError::Address("it is not a URL".into()))?;
        Ok(Self {
            options,
            dialect: Dialect::Postgres,
            file: None,
        })
    }

    fn of_file(path: &Path) -> Result<Self, StoreError> {
        let unfit = |why: &str| StoreError::Address(format!("`{}` {why}", path.display()));
        let path = std::path::absolute(path).map_err(|error| unfit(&error.to_string()))?;
        let url = url::Url::from_file_path(&path).map_err(|()| unfit("is no file's path"))?;
        let options = AnyConnectOptions::from_str(&format!("sqlite://{}?mode=rw", url.path()))
            .map_err(|error| unfit(&error.to_string()))?;
        Ok(Self {
            options,
            dialect: Dialect::Sqlite,
            file: Some(path),
        })
    }
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    dialect: Dialect,
    /// One connection: SQLite has one writer, and in PostgreSQL one transaction takes everything that waits.
    writer: AnyPool,
    readers: AnyPool,
}

impl Database {
    /// Opens a database and brings its tables to this program's version; a file is made when missing.
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        if let Some(file) = &place.file {
            // SQLite gives its other files the same rights. One that is there is not opened: closing it again would let go
            // of what other connections of this process hold.
            if file.exists() {
                set_private(file)?;
            } else {
                open_private(file)?;
            }
        }
        let database = Self::connect(place).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Opens a database that another process may be working with, and changes no table.
    pub(super) async fn open_beside(place: &Place) -> Result<Self, StoreError> {
        if let Some(file) = place.file.as_ref().filter(|file| !file.exists()) {
            return Err(StoreError::Missing(file.clone()));
        }
        let database = Self::connect(place).await?;
        let found = {
            let mut connection = database.read().await?;
            database.said(version(&mut connection).await)?
        };
        match found.cmp(&KNOWN) {
            std::cmp::Ordering::Less => Err(StoreError::Older { found, known: KNOWN }),
            std::cmp::Ordering::Greater => Err(StoreError::Newer { found, known: KNOWN }),
            std::cmp::Ordering::Equal => Ok(database),
        }
    }

    async fn connect(place: &Place) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = place.dialect;
        let pool = |most| {
            AnyPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(PATIENCE)
                .idle_timeout(None)
                // A file does not go away between two calls, as a server may.
                .test_before_acquire(dialect == Dialect::Postgres)
                .max_lifetime(None)
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        for statement in dialect.prepared() {
                            connection.execute(*statement).await?;
                        }
                        Ok(())
                    })
                })
        };
        let options = sqlx::ConnectOptions::disable_statement_logging(place.options.clone());
        let failed = |error| error::of(dialect, &error);
        Ok(Self {
            dialect,
            writer: pool(1).connect_with(options.clone()).await.map_err(failed)?,
            readers: pool(READERS).connect_lazy_with(options),
        })
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.said(self.writer.acquire().await)?;
        let mut transaction = self.said(self.begin(&mut connection).await)?;
        if self.dialect == Dialect::Postgres {
            self.said(transaction.execute(MIGRATING).await)?;
        }
        let made = transaction.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)");
        self.said(made.await)?;
        let found = self.said(version(&mut transaction).await)?;
        let done = usize::try_from(found).map_err(|_| damaged("schema_version", "it is negative"))?;
        let Some(missing) = MIGRATIONS.get(done..) else {
            return Err(StoreError::Newer { found, known: KNOWN });
        };
        for migration in missing {
            let sql = migration.replace("@SERIAL@", self.dialect.serial());
            self.said(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await)?;
        }
        if !missing.is_empty() {
            self.said(transaction.execute("DELETE FROM schema_version").await)?;
            let set = sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(KNOWN);
            self.said(set.execute(&mut *transaction).await)?;
        }
        self.said(transaction.commit().await)
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The connection that writes.
    pub(super) async fn write(&self) -> sqlx::Result<PoolConnection<Any>> {
        self.writer.acquire().await
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin<'c>(
        &self,
        connection: &'c mut PoolConnection<Any>,
    ) -> sqlx::Result<Transaction<'c, Any>> {
        connection.begin_with(self.dialect.begin()).await
    }

    /// A connection to read with.
    pub(super) async fn read(&self) -> Result<PoolConnection<Any>, StoreError> {
        self.said(self.readers.acquire().await)
    }

    /// A database's word, as the store's.
    pub(super) fn said<T>(&self, result: sqlx::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| error::of(self.dialect, &error))
    }

    /// Takes what was deleted out of the files too: SQLite writes zeros over it and empties its log, PostgreSQL clears the
    /// table's pages. What a log archive, a file system or a backup keeps is the operator's to destroy. INVARIANT i29.
    pub(super) async fn forget(&self, table: &'static str) -> Result<(), StoreError> {
        let mut connection = self.said(self.writer.acquire().await)?;
        match self.dialect {
            Dialect::Sqlite => {
                let emptied = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await;
                let busy: i64 = self
                    .said(emptied.and_then(|row| row.try_get::<i32, _>(0)))?
                    .into();
                if busy == 0 {
                    Ok(())
                } else {
                    Err(StoreError::Busy(
                        "what was erased may still be read from its log until others have ended".into(),
                    ))
                }
            }
            Dialect::Postgres => {
                let sql = AssertSqlSafe(format!("VACUUM {table}"));
                self.said(connection.execute(sqlx::raw_sql(sql)).await).map(drop)
            }
        }
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The newest version of the tables.
const KNOWN: i64 = MIGRATIONS.len() as i64;

async fn version(connection: &mut AnyConnection) -> sqlx::Result<i64> {
    let row = connection
        .fetch_one("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .await?;
    row.try_get("version")
}

/// Whether a connection is to a SQLite file.
pub(super) fn is_sqlite(connection: &AnyConnection) -> bool {
    connection.backend_name() == "SQLite"
}

/// Places for values in a statement, in the order in which they are bound. PostgreSQL numbers them; SQLite would look through
/// all the numbers for each.
#[derive(Debug)]
pub(super) struct Places {
    numbered: bool,
    given: usize,
}

impl Places {
    pub(super) fn on(connection: &AnyConnection) -> Self {
        Self {
            numbered: !is_sqlite(connection),
            given: 0,
        }
    }
    /// A place for one value.
    pub(super) fn next(&mut self) -> String {
        let mut text = String::new();
        self.give(&mut text);
        text
    }
    /// `($1,$2),($3,$4)`: places for some rows of so many columns.
    pub(super) fn rows(&mut self, rows: usize, columns: usize) -> String {
        let mut text = String::with_capacity(rows * (columns + 1) * 4);
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ",(" });
            for column in 0..columns {
                if column > 0 {
                    text.push(',');
                }
                self.give(&mut text);
            }
            text.push(')');
        }
        text
    }
    fn give(&mut self, text: &mut String) {
        self.given += 1;
        if self.numbered {
            text.push('$');
            text.push_str(&self.given.to_string());
        } else {
            text.push('?');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_places_of_their_own() {
        let places = |numbered| {
            let mut places = Places { numbered, given: 0 };
            (places.rows(2, 3), places.next())
        };
        let both = |rows: &str, next: &str| (rows.to_owned(), next.to_owned());
        assert_eq!(places(true), both("($1,$2,$3),($4,$5,$6)", "$7"));
        assert_eq!(places(false), both("(?,?,?),(?,?,?)", "?"));
    }

    #[test]
    fn an_address_names_its_database_and_its_password_is_never_told() {
        let directory = Path::new("/data");
        let of = |address: &str| Place::of(directory, Some(&SecretString::from(address)));
        assert_eq!(
            Place::of(directory, None).unwrap().file.unwrap(),
            directory.join(FILE)
        );
        assert_eq!(
            of("sqlite:/a b/c?d.db").unwrap().file.unwrap(),
            Path::new("/a b/c?d.db")
        );
        assert_eq!(of("sqlite:///a.db").unwrap().file.unwrap(), Path::new("/a.db"));
        assert_eq!(of("postgres://u@h/d").unwrap().dialect, Dialect::Postgres);
        for wrong in [
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h:port/d",
            "hunter2",
        ] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
