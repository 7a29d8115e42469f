//! What GitHub shows of the ledger, as a witness against it. The bot's checks say how far the ledger was when they were
//! written, and nobody else can write them; a ledger that lacks what they name was rolled back or rewritten, even when
//! this machine's memory of it is gone, or as old. INVARIANT i18.

use super::{Bot, NotNow};
use crate::{
    domain::{
        extent::Extent,
        ids::{BranchName, Digest},
        observation::{PullState, Seen},
        proposal::is_proposals,
    },
    github::{self, GitHub, PullBrief, Seeing},
    ledger::LedgerError,
};

/// Pull requests whose checks are asked when this machine has no memory of the ledger: the proposals that something
/// happened to last.
const ASKED: usize = 30;

/// What GitHub shows of a ledger, to a machine that has no memory of it.
///
/// # Errors
/// When GitHub does not answer: without it nothing tells whether the ledger is whole.
pub(super) async fn shown_of(github: &GitHub, genesis: Digest) -> Result<Vec<Extent>, github::Error> {
    let pulls = github.updated_lately().await?;
    let ours = |pull: &&PullBrief| {
        let branch = pull.head_ref.as_ref().map(BranchName::as_str);
        pull.same_repo && branch.is_some_and(is_proposals)
    };
    let mut extents = Vec::new();
    for pull in pulls.iter().filter(ours).take(ASKED) {
        extents.extend(github.extent_on(pull.head).await?);
    }
    extents.retain(|extent| extent.is_of(genesis));
    Ok(extents)
}

impl Bot {
    /// Whether the ledger has got back what it was found to lack: what one pull request contradicts is no ledger for any
    /// other.
    pub(super) async fn whole(&self) -> Result<(), LedgerError> {
        match self.ledger().lost() {
            Some(lost) if !self.ledger().holds(&lost).await? => Err(lost.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the ledger holds what a pull request shows of it. What is merged is not gone on with while that is not
    /// known.
    pub(super) async fn confirmed(&self, seeing: &Seeing) -> Result<(), NotNow> {
        self.whole().await?;
        let extent = match seeing.extent() {
            Seen::Known(None) => return Ok(()),
            Seen::Known(Some(extent)) => extent,
            Seen::Unknown { because } => {
                return match seeing.pull().state {
                    PullState::Merged { .. } => Err(NotNow::Other(format!(
                        "what the check says of the ledger can't be read: {because}"
                    ))),
                    PullState::Open | PullState::Closed => Ok(()),
                };
            }
        };
        let (genesis, pull) = (
            self.ledger().read(|book| book.genesis_digest()),
            seeing.pull().number,
        );
        if !extent.is_of(genesis) || self.ledger().holds(extent).await? {
            return Ok(());
        }
        let error = LedgerError::from(extent.clone());
        tracing::error!(%pull, %error, "nothing opens, merges or runs");
        metrics::counter!("countersign_ledger_contradicted_total").increment(1);
        Err(error.into())
    }
}
