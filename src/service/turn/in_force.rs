//! Whether anything may open now: the rules in force are those of the base branch, the clocks agree, the ledger is whole.

use std::sync::Arc;

use super::{Bot, NotNow};
use crate::{
    domain::{
        ids::Digest,
        observation::Seen,
        policy::{Policy, compile, policy_digest},
    },
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

    /// The policy that the ledger says is in force. Whether the base branch holds it too is looked at before anything is
    /// recorded or runs: see [`Self::holds_still`].
    pub(super) async fn recorded_policy(&self) -> Result<Arc<Policy>, NotInForce> {
        if let Some(wrong) = self.wrong_clock().await {
            return Err(NotInForce::Clock(wrong));
        }
        self.whole().await.map_err(NotInForce::Ledger)?;
        let known = self.policy_known().await;
        known.map_err(|error| NotInForce::Unknown(error.to_string()))
    }

    /// Errors unless the policy that something was prepared under is in force now. INVARIANT i02.
    pub(super) async fn holds_still(&self, policy: &Policy) -> Result<(), Problem> {
        if self.in_force().await?.digest() == policy.digest() {
            return Ok(());
        }
        Err(Problem::unavailable("the rules changed just now; send it again"))
    }

    /// The digest of `policies/` on the protected base, looked up after this was asked.
    pub(super) async fn policy_on_base(&self) -> Seen<Digest> {
        let bot = self.clone();
        let look = move || {
            let bot = bot.clone();
            async move { bot.look_at_rules().await }
        };
        let seen = self.inner.base.ask(look).await;
        seen.unwrap_or_else(|| Seen::unknown("the look at the base branch broke off"))
    }

    async fn look_at_rules(&self) -> Seen<Digest> {
        let base = self.ledger().read(|book| book.genesis().base.clone());
        match self.mirror().policy_files(&base).await {
            Ok((_, files)) => {
                let digest = policy_digest(&files);
                if self.known().is_none_or(|known| known.digest() != digest)
                    && digest == self.ledger().read(|book| book.policy())
                {
                    match compile(&files) {
                        Ok(policy) => self.keep(policy),
                        Err(errors) => return Seen::unknown(format!("{} errors in policies/", errors.len())),
                    }
                }
                Seen::Known(digest)
            }
            Err(error) => Seen::unknown(error.to_string()),
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
