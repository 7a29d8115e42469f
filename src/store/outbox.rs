//! The lock of low tier: a row on the disk before the act, so that whatever happens nothing runs twice. INVARIANT i16.

mod prior;
mod writes;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};

use super::{
    database::Database,
    error::{StoreError, damaged},
    writer::Writer,
};
use crate::domain::{
    canonical::{NotCanonical, canonical_text, digest_of},
    entry::{ClaimedBy, Digests, Draft, Event, Finished, Received, Started, Unknown},
    ids::{AgentName, Digest, IdError, IdempotencyKey, Nonce, ProposalId, Timestamp},
    warrant::OutboxRow,
};
use prior::Asked;
use writes::{Claimed, End, NewRow, Recorded};

/// Claims of low-tier executions that the ledger may not hold yet, of every process that shares the database.
#[derive(Debug)]
pub struct Outbox {
    database: Arc<Database>,
    writer: Writer,
}

/// Which rules a claim was prepared under: how often they had been about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(i64);

/// What is known before anything is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prior {
    /// The rules that it would be prepared under, when they are looked at later than this.
    pub epoch: Epoch,
    /// The proposal that claimed with the agent's key.
    pub proposal: Option<ProposalId>,
    /// Whether one claimed with its nonce.
    pub nonce: bool,
}

/// A claim that was written to disk by this process; it is given once for one agent's idempotency key.
#[derive(Debug)]
pub struct Claim {
    name: Digest,
    row: OutboxRow,
    written: Written,
}

impl Claim {
    /// What [`crate::domain::warrant::ExecutionPlan::claim_low`] takes.
    pub const fn row(&self) -> &OutboxRow {
        &self.row
    }
}

/// Why there is no claim.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It was claimed before: it ran, runs, or may have run.
    #[error("proposal {0} was claimed before; it never runs twice")]
    Already(ProposalId),
    /// Not what a low-tier execution begins with.
    #[error("only a low-tier `started` entry with its plan can be claimed in the outbox")]
    NotStarted,
    /// The rules are about to change, or changed, since it was prepared.
    #[error("the rules changed just now; send it again")]
    OtherRules,
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// It can't be written, so it may not run.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a claimed execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Known.
    Finished(Finished),
    /// Nobody can tell.
    Unknown(Unknown),
}

/// A claim as it stands on the disk: everything that the ledger still has to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    name: Digest,
    written: Written,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    at: Timestamp,
    digests: Digests,
    received: Received,
    started: Started,
}

impl Row {
    /// The claim's name in the outbox.
    pub const fn name(&self) -> Digest {
        self.name
    }
    /// When it was claimed.
    pub const fn at(&self) -> Timestamp {
        self.written.at
    }
    /// The body of its `received` entry, with the proposal.
    pub const fn received(&self) -> &Received {
        &self.written.received
    }
    /// The body of its `started` entry.
    pub const fn started(&self) -> &Started {
        &self.written.started
    }
    /// The digests of its `started` entry.
    pub const fn digests(&self) -> &Digests {
        &self.written.digests
    }
    /// How it ended; `None` when the process died before it could tell, so that it is unknown.
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }
}

/// The name of a claim: there is one for one agent's key.
fn name_of(agent: &AgentName, key: &IdempotencyKey) -> Result<Digest, NotCanonical> {
    #[derive(Serialize)]
    struct Name<'a> {
        agent: &'a str,
        idempotency_key: &'a str,
    }
    digest_of(&Name {
        agent: agent.as_str(),
        idempotency_key: key.as_str(),
    })
}

impl Outbox {
    pub(super) fn new(database: Arc<Database>, writer: Writer) -> Self {
        Self { database, writer }
    }

    /// The epoch of the rules, to be read before they are.
    pub async fn epoch(&self) -> Result<Epoch, StoreError> {
        let mut connection = self.database.read().await?;
        self.database.said(read_epoch(&mut connection, "").await)
    }

    /// Begins another epoch: from here on nobody claims what was prepared in an earlier one. INVARIANT i02.
    pub async fn end_epoch(&self) -> Result<(), StoreError> {
        let ended = self.writer.write(|connection| {
            Box::pin(async move {
                sqlx::query("UPDATE rules SET epoch = epoch + 1")
                    .execute(connection)
                    .await
                    .map(drop)
            })
        });
        ended.await
    }

    /// Claims an execution, with all that the ledger will be told of it. On the disk before this returns.
    pub async fn claim(
        &self,
        received: &Received,
        started: &Draft,
        epoch: Epoch,
    ) -> Result<Claim, ClaimError> {
        let proposal = &received.proposal;
        let (Event::Started(body), Some(plan)) = (&started.event, started.digests.plan) else {
            return Err(ClaimError::NotStarted);
        };
        if body.claim != ClaimedBy::Outbox || started.proposal != Some(proposal.id) {
            return Err(ClaimError::NotStarted);
        }
        let (agent, key) = (&proposal.binding.agent, &proposal.idempotency_key);
        let name = name_of(agent, key)?;
        let written = Written {
            at: started.time,
            received: received.clone(),
            started: body.clone(),
            digests: started.digests.clone(),
        };
        let texts = [
            name.to_string(),
            proposal.id.to_string(),
            agent.as_str().to_owned(),
            key.as_str().to_owned(),
            proposal.nonce.as_str().to_owned(),
            body.instance.to_string(),
            // Like the ledger, which is to hold all of it: what it could not hold is not claimed.
            canonical_text(&written)?,
        ];
        let claimed = self.writer.share_at_the_door(NewRow {
            epoch,
            at: started.time.millis(),
            texts,
            shared: self.database.dialect().shared(),
        });
        match claimed.await? {
            Claimed::OtherRules => return Err(ClaimError::OtherRules),
            Claimed::Already => return Err(ClaimError::Already(proposal.id)),
            Claimed::Now => {}
        }
        let row = OutboxRow {
            proposal: proposal.id,
            plan,
            instance: body.instance.clone(),
        };
        Ok(Claim { name, row, written })
    }

    /// Writes how what was claimed here ended; the first word stands. The row, to be recorded; none where it was.
    pub async fn finish(&self, claim: Claim, ended: Ended) -> Result<Option<Row>, ClaimError> {
        if !self.end(claim.name, &ended).await? {
            return Ok(self.row(claim.row.proposal).await?);
        }
        Ok(Some(Row {
            name: claim.name,
            written: claim.written,
            ended: Some(ended),
        }))
    }

    /// Writes how a claimed execution ended; the first word stands. Whether this was it.
    pub async fn end(&self, name: Digest, ended: &Ended) -> Result<bool, ClaimError> {
        let (name, ended) = (name.to_string(), canonical_text(ended)?);
        Ok(self.writer.share(End { name, ended }).await?)
    }

    /// Every claim that the ledger is not known to hold, oldest first.
    pub async fn rows(&self) -> Result<Vec<Row>, StoreError> {
        self.select(sqlx::query(
            "SELECT name, claim, ended FROM outbox ORDER BY claimed_at, name",
        ))
        .await
    }

    /// The claim of a proposal.
    pub async fn row(&self, proposal: ProposalId) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query("SELECT name, claim, ended FROM outbox WHERE proposal = $1");
        Ok(self.select(query.bind(proposal.to_string())).await?.pop())
    }

    async fn select(
        &self,
        query: sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.database.read().await?;
        let rows = self.database.said(query.fetch_all(&mut *connection).await)?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    fn read(&self, row: &AnyRow) -> Result<Row, StoreError> {
        let column = |name| self.database.said(row.try_get::<String, _>(name));
        let name = column("name")?;
        let wrong = |why: String| damaged(format!("outbox, {name}"), why);
        let written = serde_json::from_str(&column("claim")?).map_err(|error| wrong(error.to_string()))?;
        let ended: Option<String> = self.database.said(row.try_get("ended"))?;
        let ended = ended.map(|ended| serde_json::from_str(&ended)).transpose();
        Ok(Row {
            name: name.parse().map_err(|error: IdError| wrong(error.to_string()))?,
            written,
            ended: ended.map_err(|error| wrong(error.to_string()))?,
        })
    }

    /// What claims are known of an agent's key and nonce, and the epoch of the rules, in one look.
    pub async fn before(
        &self,
        agent: &AgentName,
        key: Option<&IdempotencyKey>,
        nonce: &Nonce,
    ) -> Result<Prior, ClaimError> {
        let name = key.map(|key| name_of(agent, key)).transpose()?;
        let asked = Asked {
            name: name.map(|name| name.to_string()).unwrap_or_default(),
            agent: agent.as_str().to_owned(),
            nonce: nonce.as_str().to_owned(),
        };
        let known = self.writer.share_at_the_door(asked).await?;
        let parse = |id: String| {
            let wrong = |error: IdError| damaged(format!("outbox, {id}"), error);
            id.parse().map_err(wrong)
        };
        Ok(Prior {
            epoch: known.epoch,
            proposal: known.proposal.map(parse).transpose()?,
            nonce: known.nonce,
        })
    }

    /// Forgets a claim once the ledger holds its end; from then on the ledger's own record keeps it from running again.
    pub async fn recorded(&self, name: Digest) -> Result<(), StoreError> {
        self.writer.share(Recorded(name.to_string())).await
    }
}

/// The epoch of the rules; `locked` is how their row is read where nobody may change it meanwhile.
async fn read_epoch(connection: &mut AnyConnection, locked: &'static str) -> sqlx::Result<Epoch> {
    let now = AssertSqlSafe(format!("SELECT epoch FROM rules{locked}"));
    let row = sqlx::query(now).fetch_one(connection).await?;
    row.try_get("epoch").map(Epoch)
}
