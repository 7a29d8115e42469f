//! Nonces at the agents' door: what was signed can be shown once, and only within minutes. INVARIANT i24.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{
    changes::{Bound, changed},
    database::Places,
    error::StoreError,
    writer::{ROWS, Together, Writer, Writing},
};
use crate::domain::ids::{AgentName, Nonce, Span, Timestamp};

/// How far an agent's clock may be from ours, either way.
const SKEW: Span = Span::seconds(300);
/// The most nonces of one agent that are remembered at a time; each other process that shares the database may add what it
/// lets in within [`COUNTED_FOR`].
const MAX_PER_AGENT: i64 = 10_000;
/// How long a count holds while there is room, in milliseconds: counting ten thousand for every few requests takes longer
/// than letting them in.
const COUNTED_FOR: i64 = 1_000;

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
    rooms: Arc<Rooms>,
}

/// How many more nonces each agent may show, by when that was counted.
type Rooms = Mutex<BTreeMap<String, Room>>;

#[derive(Debug, Clone, Copy)]
struct Room {
    counted: i64,
    left: i64,
}

impl Room {
    /// Whether it need not be counted anew.
    fn holds(self, now: i64) -> bool {
        self.left > 0 && (0..COUNTED_FOR).contains(&now.saturating_sub(self.counted))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admitted {
    Yes,
    Used,
    TooMany,
}

impl Nonces {
    pub(super) fn new(writer: Writer) -> Self {
        let rooms = Arc::default();
        Self { writer, rooms }
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
        let shown = Shown {
            agent: agent.as_str().to_owned(),
            nonce: nonce.as_str().to_owned(),
            until,
            now: now.millis(),
            rooms: Arc::clone(&self.rooms),
        };
        match self.writer.share_at_the_door(shown).await? {
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

/// A nonce that is shown.
struct Shown {
    agent: String,
    nonce: String,
    until: i64,
    now: i64,
    rooms: Arc<Rooms>,
}

impl Shown {
    fn name(&self) -> (&str, &str) {
        (&self.agent, &self.nonce)
    }
}

impl Together for Shown {
    type Said = Admitted;

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, Admitted> {
        Box::pin(async move {
            let mut room = room(all, connection).await?;
            let (mut firsts, mut said) = (BTreeMap::new(), Vec::with_capacity(all.len()));
            for shown in all {
                let left = room.get_mut(shown.agent.as_str()).map(|room| &mut room.left);
                said.push(match firsts.entry(shown.name()) {
                    Entry::Occupied(_) => Admitted::Used,
                    Entry::Vacant(free) => match left {
                        Some(left) if *left > 0 => {
                            *left -= 1;
                            free.insert(shown);
                            Admitted::Yes
                        }
                        Some(_) | None => Admitted::TooMany,
                    },
                });
            }
            if let Some(first) = all.first() {
                let mut rooms = first.rooms.lock().unwrap_or_else(PoisonError::into_inner);
                // What is full or old is counted anew when it is asked for.
                rooms.retain(|_, known| known.holds(first.now));
                rooms.extend(room.into_iter().map(|(agent, room)| (agent.to_owned(), room)));
            }
            let firsts: Vec<&Self> = firsts.into_values().collect();
            // Another replica may have let it in before.
            let mut known = BTreeSet::new();
            for some in firsts.chunks(ROWS) {
                let new = remember(some, connection).await?;
                let others = some.iter().zip(new).filter(|(_, new)| !new);
                known.extend(others.map(|(shown, _)| shown.name()));
            }
            for (said, shown) in said.iter_mut().zip(all) {
                if *said == Admitted::Yes && known.contains(&shown.name()) {
                    *said = Admitted::Used;
                }
            }
            Ok(said)
        })
    }
}

/// How many more each agent may show.
async fn room<'a>(all: &'a [Shown], connection: &mut AnyConnection) -> sqlx::Result<BTreeMap<&'a str, Room>> {
    let mut room = BTreeMap::new();
    for shown in all {
        if let Entry::Vacant(unknown) = room.entry(shown.agent.as_str()) {
            let known = {
                let rooms = shown.rooms.lock().unwrap_or_else(PoisonError::into_inner);
                rooms.get(&shown.agent).copied()
            };
            if let Some(known) = known.filter(|known| known.holds(shown.now)) {
                unknown.insert(known);
                continue;
            }
            let sql = format!(
                "SELECT COUNT(*) FROM \
                 (SELECT 1 FROM nonces WHERE agent = $1 AND forget_at >= $2 LIMIT {MAX_PER_AGENT}) AS live"
            );
            let count = sqlx::query(AssertSqlSafe(sql)).bind(&shown.agent).bind(shown.now);
            let live: i64 = count.fetch_one(&mut *connection).await?.try_get(0)?;
            unknown.insert(Room {
                counted: shown.now,
                left: MAX_PER_AGENT.saturating_sub(live),
            });
        }
    }
    Ok(room)
}

/// Remembers nonces; whether each was not known, or only from longer ago than counts.
async fn remember(some: &[&Shown], connection: &mut AnyConnection) -> sqlx::Result<Vec<bool>> {
    let mut places = Places::on(connection);
    let sql = format!(
        "INSERT INTO nonces (agent, nonce, forget_at) VALUES {} ON CONFLICT (agent, nonce) \
         DO UPDATE SET forget_at = excluded.forget_at WHERE nonces.forget_at < {}",
        places.rows(some.len(), 3),
        places.next()
    );
    let now = some.iter().map(|shown| shown.now).min();
    let bind = |insert: Bound| {
        let one =
            |insert: Bound, shown: &&Shown| insert.bind(&shown.agent).bind(&shown.nonce).bind(shown.until);
        some.iter().fold(insert, one).bind(now)
    };
    let key = |shown: &&Shown| vec![shown.agent.clone(), shown.nonce.clone()];
    changed(connection, (sql, "agent, nonce"), bind, (some, key)).await
}
