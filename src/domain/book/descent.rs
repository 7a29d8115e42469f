//! What passes from a proposal to the one that takes its place.

use std::collections::BTreeSet;

use super::{
    super::{
        case::{Case, Life},
        ids::{AccountId, ProposalId},
        proposal::Proposal,
    },
    Book, Illegal,
};

impl Book {
    /// What a proposal replaces, while it is known whole.
    pub(super) fn replaced(&self, proposal: &Proposal) -> Option<&Case> {
        let old = proposal.supersedes?;
        self.case(old).or_else(|| self.recent(old))
    }

    /// Whether what a proposal replaces ended without having run, and was not replaced by another one.
    pub(super) fn replaceable(&self, old: ProposalId, new: &Proposal) -> Result<(), Illegal> {
        if self.rolls_back(old).is_some() {
            return Err(Illegal::Persons(old));
        }
        let ended = self.register.closed(old).is_some_and(|closed| {
            let by_this = || self.recent(old).and_then(|case| case.replaced_by) == Some(new.id);
            let may = match closed.life {
                Life::Superseded => by_this(),
                life => !life.ran(),
            };
            may && *closed.agent == new.binding.agent
        });
        if ended {
            Ok(())
        } else {
            Err(Illegal::Replaces(old))
        }
    }

    /// The accounts of everyone who asked for a rollback, changed a proposal, or whatever it descends from: they approve none of it, however
    /// its agent goes on from there. INVARIANT i08.
    pub fn co_writers(&self, proposal: &Proposal) -> BTreeSet<AccountId> {
        let own = proposal.proof.co_writers();
        let before = proposal.supersedes.into_iter();
        own.map(|(_, account)| account)
            .chain(before.flat_map(|old| self.register.co_writers(old)))
            .collect()
    }

    /// Whoever reviewed what a proposal replaces is asked again. What approvers took out of a proposal that a person then
    /// changed stays out, since what runs only ever shrinks.
    pub(super) fn inherit(&self, case: &mut Case) {
        let Some(old) = self.replaced(&case.proposal) else {
            return;
        };
        let (reviewers, excluded) = (old.reviewers().collect(), old.excluded.clone());
        case.reviewed_before = reviewers;
        if !case.proposal.proof.corrections().is_empty() {
            case.excluded = excluded;
        }
    }
}
