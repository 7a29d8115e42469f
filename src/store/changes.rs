//! Which rows a statement changed, asked for only where it did not change all.

use std::collections::BTreeSet;

use sqlx::{Any, AnyConnection, AssertSqlSafe, Connection as _, Row as _, any::AnyArguments, query::Query};

use super::database::is_sqlite;

/// A statement and its values.
pub(super) type Bound = Query<'static, Any, AnyArguments>;

/// Runs a statement that is to change a row for each of `some`, no two for one row, and says of which it did. `key` names the
/// row of one by the texts in `columns`.
///
/// SQLite hands over each row from a thread of its own. Nearly always all are changed, and their number says so; else the
/// statement is taken back and made again, so that it tells which.
pub(super) async fn changed<T>(
    connection: &mut AnyConnection,
    (sql, columns): (String, &str),
    bind: impl Fn(Bound) -> Bound,
    (some, key): (&[T], impl Fn(&T) -> Vec<String>),
) -> sqlx::Result<Vec<bool>> {
    let query = |sql: String| bind(sqlx::query(AssertSqlSafe(sql)).persistent(false));
    if is_sqlite(connection) {
        let mut attempt = connection.begin().await?;
        let done = query(sql.clone()).execute(&mut *attempt).await?;
        if usize::try_from(done.rows_affected()) == Ok(some.len()) {
            attempt.commit().await?;
            return Ok(vec![true; some.len()]);
        }
        attempt.rollback().await?;
    }
    let rows = query(format!("{sql} RETURNING {columns}"))
        .fetch_all(connection)
        .await?;
    let texts = rows
        .iter()
        .map(|row| (0..row.len()).map(|at| row.try_get(at)).collect());
    let told: BTreeSet<Vec<String>> = texts.collect::<sqlx::Result<_>>()?;
    Ok(some.iter().map(|one| told.contains(&key(one))).collect())
}
