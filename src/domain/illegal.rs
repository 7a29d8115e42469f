//! Why something can't be recorded now.

use serde::Serialize;

use super::{
    amendment::NotAmended,
    case::Life,
    correction::NotCorrected,
    delegation::NotDelegated,
    entry::{Kind, Role},
    erasure::NotErased,
    exception::NotGranted,
    exclusion::NotExcluded,
    ids::{AgentName, BranchName, ItemId, ProposalId, PullNumber, Seq},
    rollback::NotRolledBack,
};

/// Open proposals one agent may have at a time. INVARIANT i24.
pub const MAX_PENDING: usize = 100;

/// Why something can't be recorded now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Illegal {
    /// A second beginning.
    #[error("the ledger has begun already")]
    SecondGenesis,
    /// No such proposal.
    #[error("{} is not on this ledger", .0.map_or_else(|| "an entry without a proposal".to_owned(), |id| format!("proposal {id}")))]
    NoCase(Option<ProposalId>),
    /// Not from where the proposal stands.
    #[error("`{kind}` can't follow: proposal {proposal} is {life}")]
    Life {
        /// The proposal.
        proposal: ProposalId,
        /// Where it stands.
        life: Life,
        /// What was to be recorded.
        kind: Kind,
    },
    /// The id, nonce or idempotency key was used before.
    #[error("`{what}` was used before, by proposal {by}")]
    Used {
        /// Which of them.
        what: &'static str,
        /// By which proposal.
        by: ProposalId,
    },
    /// What is to be replaced may still run, or ran, or was replaced by another one.
    #[error(
        "proposal {0} can't be replaced: it runs, ran, or was replaced before; propose anew without `supersedes`"
    )]
    Replaces(ProposalId),
    /// Too many open proposals of one agent.
    #[error(
        "agent `{agent}` has {MAX_PENDING} proposals waiting already; wait for some to end, or cancel some"
    )]
    Pending {
        /// The agent.
        agent: AgentName,
    },
    /// A limit was not counted as the ledger stands. INVARIANT i17.
    #[error("limit `{0}` was counted before others were recorded; count again")]
    Totals(String),
    /// A limit has no room for what is about to run. INVARIANT i20.
    #[error("limit `{0}` is over; nothing more of it runs until its window moved on")]
    Limit(String),
    /// The pull request belongs to another proposal.
    #[error("pull request {pull} belongs to proposal {by}")]
    Pull {
        /// The pull request.
        pull: PullNumber,
        /// Its proposal.
        by: ProposalId,
    },
    /// Opened on another branch than the one the ledger protects.
    #[error("`{0}` is not the base branch that the ledger began with")]
    Base(BranchName),
    /// The entry's digests are not the proposal's.
    #[error("the {0} digest is not the proposal's")]
    Digest(&'static str),
    /// The lock is not the one the tier demands. INVARIANT i16.
    #[error("the claim is not the one that the proposal's tier demands")]
    Claim,
    /// Attempts are counted, so that two can't be made at a time. INVARIANT i16.
    #[error("attempt {0} does not follow the last one")]
    Attempt(u32),
    /// A person stopped executions. INVARIANT i22.
    #[error("executions are frozen by entry {0}; they go on once a proposal of the high tier thaws it")]
    Frozen(Seq),
    /// What is to be thawed does not hold, or is not what was approved to be.
    #[error("entry {0} is no freeze that this may end")]
    NoFreeze(Seq),
    /// It must be a person's own word.
    #[error("this takes a person of people.yaml")]
    Nobody,
    /// The instance is not the one that started.
    #[error("the execution was started by another instance")]
    Instance,
    /// Not a delegation that could hold.
    #[error(transparent)]
    Delegation(#[from] NotDelegated),
    /// Not a change of the rules that could come into force. INVARIANT i02.
    #[error(transparent)]
    Amendment(#[from] NotAmended),
    /// Not an exception that could hold.
    #[error(transparent)]
    Exception(Box<NotGranted>),
    /// Not an exclusion that could hold.
    #[error(transparent)]
    Exclusion(Box<NotExcluded>),
    /// Not what a person's changes of the replaced proposal give.
    #[error(transparent)]
    Correction(Box<NotCorrected>),
    /// Not what takes back what ran.
    #[error(transparent)]
    Rollback(Box<NotRolledBack>),
    /// What a person has taken back is theirs, and not replaced by its agent.
    #[error("proposal {0} takes something back as a person asked; propose anew without `supersedes`")]
    Persons(ProposalId),
    /// Not an erasure that could hold.
    #[error(transparent)]
    Erasure(Box<NotErased>),
    /// What is to run, or ran, is not what approvers left in.
    #[error("the items are not those that approvers left in")]
    Items,
    /// An item that approvers excluded is told to have run.
    #[error("item `{0}` was excluded by an approver and can't have been run")]
    Excluded(ItemId),
    /// The role may not write this kind.
    #[error("{role} may not write `{kind}`")]
    Role {
        /// The role.
        role: Role,
        /// The kind.
        kind: Kind,
    },
}

impl From<NotGranted> for Illegal {
    fn from(why: NotGranted) -> Self {
        Self::Exception(Box::new(why))
    }
}
impl From<NotCorrected> for Illegal {
    fn from(why: NotCorrected) -> Self {
        Self::Correction(Box::new(why))
    }
}
impl From<NotErased> for Illegal {
    fn from(why: NotErased) -> Self {
        Self::Erasure(Box::new(why))
    }
}
impl From<NotRolledBack> for Illegal {
    fn from(why: NotRolledBack) -> Self {
        Self::Rollback(Box::new(why))
    }
}
impl From<NotExcluded> for Illegal {
    fn from(why: NotExcluded) -> Self {
        Self::Exclusion(Box::new(why))
    }
}
