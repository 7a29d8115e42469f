//! Why the store can't be used, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::database::Dialect;

/// Why the store can't be used. Nothing that ended in one was promised to anybody.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory.
    #[error("`{0}` is held by another process; stop it, or give this one a data directory of its own")]
    Locked(PathBuf),
    /// The operating system said no.
    #[error("can't {what} `{path}`: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A secret that others can read.
    #[error("others can read `{0}`, which holds private keys; run `chmod 600` on it, and make new ones")]
    Open(PathBuf),
    /// Something that this program did not write so.
    #[error("`{place}` is damaged: {why}; put it back from a backup, or move it away")]
    Damaged {
        /// The file, or the table and the row.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// An address that leads to no database; it is not repeated, because it may hold a password.
    #[error("the database's address can't be read: {0}; give `postgres://USER@HOST/NAME` or `sqlite:FILE`")]
    Address(String),
    /// No database file where one is looked for.
    #[error("there is no database at `{0}`; `countersign serve` makes one")]
    Missing(PathBuf),
    /// Nobody answers.
    #[error("the database can't be reached: {0}; check that it runs and that its address is right")]
    Unreachable(String),
    /// No room.
    #[error("the database has no room: {0}; make room on its disk")]
    Full(String),
    /// No right to write.
    #[error("the database can't be written to: {0}; give this user the right to, or end its read-only mode")]
    ReadOnly(String),
    /// Somebody else writes and does not end.
    #[error("the database is held by another program: {0}; end that program's transaction")]
    Busy(String),
    /// Made by a program to come.
    #[error("the database has version {found}, and this program knows {known}; start the newer program")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Made by an older program, and not to be changed by this command.
    #[error(
        "the database has version {found}, and this program needs {known}; start `countersign serve` once"
    )]
    Older {
        /// Its version.
        found: i64,
        /// The one this program needs.
        known: i64,
    },
    /// More comes than the disk takes.
    #[error("more waits to be written than the database takes; send it again a little later")]
    Overloaded,
    /// The process is ending.
    #[error("the store is closed; ask the process that is running now")]
    Closed,
    /// Anything else.
    #[error("the database refused: {0}; its own log says more")]
    Refused(String),
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

pub(super) fn damaged(place: impl ToString, why: impl ToString) -> StoreError {
    StoreError::Damaged {
        place: place.to_string(),
        why: why.to_string(),
    }
}

/// Whether the same statement could succeed alone: it was refused for what it says, not for where it was said.
pub(super) fn may_pass_alone(dialect: Dialect, error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_)) && matches!(of(dialect, error), StoreError::Refused(_))
}

/// What a database's error means to an operator. SQLite: primary result codes; PostgreSQL: SQLSTATE, appendix A.
pub(super) fn of(dialect: Dialect, error: &sqlx::Error) -> StoreError {
    let said = error.to_string();
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            match dialect {
                Dialect::Sqlite => match code.parse::<i64>().unwrap_or_default() & 0xff {
                    5 | 6 => StoreError::Busy(said),
                    8 => StoreError::ReadOnly(said),
                    10 | 13 => StoreError::Full(said),
                    14 => StoreError::Unreachable(said),
                    11 | 26 => damaged("the database", said),
                    _ => StoreError::Refused(said),
                },
                Dialect::Postgres => match code.as_ref() {
                    "25006" => StoreError::ReadOnly(said),
                    "53100" | "53200" => StoreError::Full(said),
                    "55P03" | "57014" => StoreError::Busy(said),
                    "53300" | "57P01" | "57P02" | "57P03" | "28000" | "28P01" | "3D000" => {
                        StoreError::Unreachable(said)
                    }
                    code if code.starts_with("08") => StoreError::Unreachable(said),
                    _ => StoreError::Refused(said),
                },
            }
        }
        sqlx::Error::PoolClosed => StoreError::Closed,
        sqlx::Error::Configuration(_) => StoreError::Address(said),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => StoreError::Unreachable(said),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => damaged("the database", said),
        _ => StoreError::Refused(said),
    }
}
