//! Whether anything may open now: the rules in force are those of the base branch, the clocks agree, the ledger is whole.

use std::sync::Arc;

use super::{Bot, NotNow};
use crate::{
    domain::{observation::Seen, policy::Policy},
    ledger::LedgerError,
    service::problem::Problem,
};

impl Bot {
    /// The policy in force, when the base branch holds it too; otherwise nothing opens. INVARIANT i02.
    pub(in crate::service) async fn in_force(&self) -> Result<Arc<Policy>, NotInForce> {
        if let Some(wrong) = self.wrong_clock().await {
            return Err(NotInForce::Clock(wrong));
        }
        self.whole().await.map_err(NotInForce::Ledger)?;
        let active = self.ledger().read(|book| book.policy());
        match self.policy_on_base().await {
            Seen::Known(base) if base == active => {
                self.note_stray(None);
                self.known()
                    .filter(|known| known.digest() == active)
                    .ok_or(NotInForce::Unknown("it does not compile".into()))
            }
            Seen::Known(_) => Err(NotInForce::Changed(self.why_stray().await)),
            Seen::Unknown { because } => Err(NotInForce::Unknown(because)),
        }
    }
}

/// Why nothing opens now. INVARIANT i02.
#[derive(Debug, thiserror::Error)]
pub enum NotInForce {
    /// The base branch holds another policy.
    #[error("{0}")]
    Changed(String),
    /// It can't be read.
    #[error("the policy in force can't be read: {0}")]
    Unknown(String),
    /// The ledger is not what it was. INVARIANT i18.
    #[error("ledger: {0}")]
    Ledger(LedgerError),
    /// Nobody can tell what time it is. INVARIANT i30.
    #[error("{0}; nothing opens, merges or runs until the clock of this machine is right")]
    Clock(String),
}

impl From<NotInForce> for Problem {
    fn from(error: NotInForce) -> Self {
        Self::unavailable(error.to_string())
    }
}
impl From<NotInForce> for NotNow {
    fn from(error: NotInForce) -> Self {
        Self::Other(error.to_string())
    }
}
