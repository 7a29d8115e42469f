//! Nonces at the agents' door: what was signed can be shown once, and only within minutes. INVARIANT i24.

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{error::StoreError, writer::Writer};
use crate::domain::ids::{AgentName, Nonce, Span, Timestamp};

/// How far an agent's clock may be from ours, either way.
const SKEW: Span = Span::seconds(300);
/// The most nonces of one agent that are remembered at a time.
const MAX_PER_AGENT: i64 = 10_000;

/// Why a signed request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// Signed too long ago, or in the future.
    #[error("the request was signed at {signed}, more than {SKEW} from {now}; set the clock and sign again")]
    Skew {
        /// When it was signed.
        signed: Timestamp,
        /// When it came.
        now: Timestamp,
    },
    /// Shown before.
    #[error("the nonce `{0}` was used before; draw a new one for every request")]
    Used(Nonce),
    /// Too many at a time.
    #[error("agent `{0}` sent more than {MAX_PER_AGENT} requests in ten minutes; wait and try again")]
    TooMany(AgentName),
    /// It can't be remembered, so it can't be let in.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers the nonces that agents used, for as long as what they signed could be shown again.
#[derive(Debug)]
pub struct Nonces {
    writer: Writer,
}

enum Admitted {
    Yes,
    Used,
    TooMany,
}

impl Nonces {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer }
    }

    /// Lets a nonce in once, at whatever process it is shown; it is on the disk before this returns.
    pub async fn admit(
        &self,
        agent: &AgentName,
        nonce: &Nonce,
        signed: Timestamp,
        now: Timestamp,
    ) -> Result<(), NonceError> {
        if signed.since(now).unsigned_abs() > SKEW.millis().unsigned_abs() {
            return Err(NonceError::Skew { signed, now });
        }
        // After this moment its own time keeps it out.
        let until = signed.plus(SKEW).millis();
        let (of, shown, at) = (agent.as_str().to_owned(), nonce.as_str().to_owned(), now.millis());
        let admitted = self
            .writer
            .at_the_door(move |connection| Box::pin(admit(connection, of.clone(), shown.clone(), until, at)));
        match admitted.await? {
            Admitted::Yes => Ok(()),
            Admitted::Used => Err(NonceError::Used(nonce.clone())),
            Admitted::TooMany => Err(NonceError::TooMany(agent.clone())),
        }
    }

    /// Forgets nonces that their own time keeps out.
    pub async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let now = now.millis();
        let pruned = self.writer.write(move |connection| {
            Box::pin(async move {
                let prune = sqlx::query("DELETE FROM nonces WHERE forget_at < $1").bind(now);
                prune.execute(connection).await.map(drop)
            })
        });
        pruned.await
    }
}

async fn admit(
    connection: &mut AnyConnection,
    agent: String,
    nonce: String,
    until: i64,
    now: i64,
) -> sqlx::Result<Admitted> {
    let known = sqlx::query("SELECT nonce FROM nonces WHERE agent = $1 AND nonce = $2 AND forget_at >= $3");
    let known = known.bind(&agent).bind(&nonce).bind(now);
    if known.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(Admitted::Used);
    }
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM nonces WHERE agent = $1 AND forget_at >= $2 LIMIT {MAX_PER_AGENT}) AS live"
    );
    let count = sqlx::query(AssertSqlSafe(sql)).bind(&agent).bind(now);
    if count.fetch_one(&mut *connection).await?.try_get::<i64, _>(0)? >= MAX_PER_AGENT {
        return Ok(Admitted::TooMany);
    }
    // Another replica may have let it in since it was looked for.
    let remember = sqlx::query(
        "INSERT INTO nonces (agent, nonce, forget_at) VALUES ($1, $2, $3) ON CONFLICT (agent, nonce) \
         DO UPDATE SET forget_at = excluded.forget_at WHERE nonces.forget_at < $4 RETURNING nonce",
    );
    let remember = remember.bind(agent).bind(nonce).bind(until).bind(now);
    match remember.fetch_optional(connection).await? {
        Some(_) => Ok(Admitted::Yes),
        None => Ok(Admitted::Used),
    }
}
