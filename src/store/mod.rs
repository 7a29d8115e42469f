//! What the bot keeps beside the ledger: webhooks that wait, claims, data keys, answers, and the nonces that agents used.
//!
//! Everything is in one database: a SQLite file in the data directory, or a PostgreSQL that replicas share. A call that
//! writes returns once what it wrote is on the disk. One process at a time owns the data directory.

mod changes;
mod channels;
mod credential_keys;
mod database;
mod disk;
mod erasures;
mod error;
mod inbox;
mod instances;
mod keys;
mod nonces;
mod outbox;
mod proven;
mod results;
mod writer;

use std::{fs::File, path::Path, sync::Arc};

use secrecy::SecretString;

pub use channels::Channels;
pub use credential_keys::CredentialKeys;
pub use erasures::Erasures;
pub use error::StoreError;
pub use inbox::{Inbox, Lease, Undone, Work};
pub use instances::Instances;
pub use keys::Keys;
pub use nonces::{NonceError, Nonces};
pub use outbox::{Claim, ClaimError, Ended, Epoch, Outbox, Prior, Row};
pub use proven::{Proven, ProvenRules};
pub use results::{Kept, Results};

use database::{Database, Place};
use writer::Writer;

/// A data directory that no other process has while this is held.
#[derive(Debug)]
pub struct Held(File);

impl Held {
    /// Takes a data directory, made when missing. Errors: another process has it.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        disk::private_directory(directory)?;
        disk::lock(directory).map(Self)
    }
}

impl Drop for Held {
    /// Closing the file is not enough: a child process that is being started may hold a copy of it for a moment.
    fn drop(&mut self) {
        if let Err(error) = disk::unlock(&self.0) {
            tracing::warn!(%error, "the directory's lock goes when this process does");
        }
    }
}

/// The open store of one process.
#[derive(Debug)]
pub struct Store {
    database: Arc<Database>,
    writer: Writer,
    channels: Channels,
    erasures: Erasures,
    inbox: Inbox,
    instances: Instances,
    outbox: Outbox,
    keys: Keys,
    nonces: Nonces,
    results: Results,
    machine: String,
    held: Held,
}

impl Store {
    /// Opens the store of a data directory, made when missing, in the database at an address or in a file of the
    /// directory's. Errors: another process has the directory, or the database can't be used.
    pub async fn open(directory: &Path, address: Option<&SecretString>) -> Result<Self, StoreError> {
        let held = Held::take(directory)?;
        let machine = disk::machine(directory)?;
        let database = Arc::new(Database::open(&Place::of(directory, address)?).await?);
        let writer = Writer::start(Arc::clone(&database));
        let both = || (Arc::clone(&database), writer.clone());
        let (inbox, instances, outbox) = (both(), both(), both());
        let (channels, erasures, keys, results) = (both(), both(), both(), both());
        Ok(Self {
            channels: Channels::new(channels.0, channels.1),
            erasures: Erasures::new(erasures.0, erasures.1),
            inbox: Inbox::new(inbox.0, inbox.1),
            instances: Instances::new(instances.0, instances.1),
            outbox: Outbox::new(outbox.0, outbox.1),
            keys: Keys::new(keys.0, keys.1),
            nonces: Nonces::new(writer.clone()),
            results: Results::new(results.0, results.1),
            machine,
            held,
            database,
            writer,
        })
    }

    /// The inbox of a store that another process may have open.
    pub async fn inbox_beside(directory: &Path, address: Option<&SecretString>) -> Result<Inbox, StoreError> {
        let database = Arc::new(Database::open_beside(&Place::of(directory, address)?).await?);
        let writer = Writer::start(Arc::clone(&database));
        Ok(Inbox::new(database, writer))
    }

    /// Writes what waits, closes the database, and lets another process have the directory; nothing may be written here
    /// afterwards. A process that ends lets go too.
    pub async fn release(&self) -> Result<(), StoreError> {
        self.writer.stop().await;
        self.database.close().await;
        disk::unlock(&self.held.0)
    }
    /// A name drawn when the directory was made: processes that share it never run side by side.
    pub fn machine(&self) -> &str {
        &self.machine
    }
    /// How far whoever listens was told.
    pub const fn channels(&self) -> &Channels {
        &self.channels
    }
    /// What destroys keys and answers.
    pub const fn erasures(&self) -> &Erasures {
        &self.erasures
    }
    /// Webhooks that wait, and what is due.
    pub const fn inbox(&self) -> &Inbox {
        &self.inbox
    }
    /// The processes that share the database.
    pub const fn instances(&self) -> &Instances {
        &self.instances
    }
    /// Claims of low-tier executions.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }
    /// Keys of sealed values.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }
    /// Nonces that agents used at the door.
    pub const fn nonces(&self) -> &Nonces {
        &self.nonces
    }
    /// Answers of target systems, sealed.
    pub const fn results(&self) -> &Results {
        &self.results
    }
}
