//! What this process carries out now; nobody else can tell what became of it meanwhile. INVARIANT i21.

use std::sync::PoisonError;

use super::Bot;
use crate::domain::ids::ProposalId;

impl Bot {
    /// Says that this process acts on a proposal, until the guard is dropped.
    pub(super) fn acting(&self, id: ProposalId) -> Acting {
        let mut acting = self.inner.acting.lock().unwrap_or_else(PoisonError::into_inner);
        acting.insert(id);
        Acting {
            bot: self.clone(),
            id,
        }
    }

    pub(super) fn acts_on(&self, id: ProposalId) -> bool {
        let acting = self.inner.acting.lock();
        acting.unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

/// This process acts on a proposal as long as this lives; what it began and left without it is not known.
pub(super) struct Acting {
    bot: Bot,
    id: ProposalId,
}

impl Drop for Acting {
    fn drop(&mut self) {
        let acting = self.bot.inner.acting.lock();
        acting.unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
