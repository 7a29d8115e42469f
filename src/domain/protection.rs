//! What must stand around the gate on GitHub: whether base branch and ledger are strong enough to merge and to execute,
//! what an operator has to change, and by which rulesets. Pure; the adapter gathers. INVARIANT i05, i27, i30, i31.

mod demands;
mod findings;
mod fix;
mod sight;
#[cfg(test)]
mod tests;

pub use demands::{Demands, EVENTS, OF_WORKFLOWS, PERMISSIONS, QUEUE_EVENT, RULE_EVENT};
pub use findings::{Finding, Severity, findings};
pub use fix::{Change, Merging, Ruleset, changes};
pub use sight::{AppSight, BranchSight, ClassicSight, LedgerSight, RepositorySight, RuleSight, Sight};

use super::{
    ids::Span,
    observation::{Observation, Protection, Seen},
    verdict::{Because, Rule, Standing},
};

/// The name of the one check run; it must be required on the base branch, from the app. INVARIANT i27.
pub const CHECK: &str = "countersign";
/// By how much the local clock and GitHub's may differ. INVARIANT i30.
pub const MOST_SKEW: Span = Span::seconds(30);

/// What is missing for a merge or an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// The base branch does not require the check.
    CheckRequired,
    /// Anybody may make the required check. INVARIANT i27.
    CheckBound,
    /// The base branch may be force-pushed.
    BaseForcePush,
    /// The base branch may be deleted.
    BaseDeletion,
    /// Somebody may go around the rules on the base branch's history.
    BaseAround,
    /// The ledger may be force-pushed.
    LedgerForcePush,
    /// The ledger may be deleted.
    LedgerDeletion,
    /// Somebody may go around the rules on the ledger's history.
    LedgerAround,
}

impl Weakness {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::CheckRequired,
        Self::CheckBound,
        Self::BaseForcePush,
        Self::BaseDeletion,
        Self::BaseAround,
        Self::LedgerForcePush,
        Self::LedgerDeletion,
        Self::LedgerAround,
    ];

    /// The id that records carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CheckRequired => "check_required",
            Self::CheckBound => "check_bound",
            Self::BaseForcePush => "base_force_push",
            Self::BaseDeletion => "base_deletion",
            Self::BaseAround => "base_around",
            Self::LedgerForcePush => "ledger_force_push",
            Self::LedgerDeletion => "ledger_deletion",
            Self::LedgerAround => "ledger_around",
        }
    }

    /// The weakness of an id.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == id)
    }

    /// What is the matter, in a few words.
    pub const fn says(self) -> &'static str {
        match self {
            Self::CheckRequired => "the base branch does not require the check `countersign`",
            Self::CheckBound => "any app may make the required check `countersign`",
            Self::BaseForcePush => "the base branch may be force-pushed",
            Self::BaseDeletion => "the base branch may be deleted",
            Self::BaseAround => "somebody may force-push or delete the base branch all the same",
            Self::LedgerForcePush => "the ledger may be force-pushed",
            Self::LedgerDeletion => "the ledger may be deleted",
            Self::LedgerAround => "somebody may force-push or delete the ledger all the same",
        }
    }
}

/// What two branches lack; nothing merges or executes while they lack anything.
pub fn weaknesses(base: &Protection, ledger: &Protection, app: u64) -> Vec<Weakness> {
    let mut ours = base.required_checks.iter().filter(|check| check.context == CHECK);
    let required = ours.clone().next().is_some();
    let bound = ours.any(|check| check.app == Some(app));
    let around = |branch: &Protection| branch.around.as_ref().is_some_and(|around| !around.is_empty());
    let lacks = [
        (!required, Weakness::CheckRequired),
        (required && !bound, Weakness::CheckBound),
        (!base.force_push_refused, Weakness::BaseForcePush),
        (!base.deletion_refused, Weakness::BaseDeletion),
        (around(base), Weakness::BaseAround),
        (!ledger.force_push_refused, Weakness::LedgerForcePush),
        (!ledger.deletion_refused, Weakness::LedgerDeletion),
        (around(ledger), Weakness::LedgerAround),
    ];
    let lacking = lacks.into_iter().filter(|(lacks, _)| *lacks);
    lacking.map(|(_, weakness)| weakness).collect()
}

/// Whether what was seen of base branch and ledger is strong enough. INVARIANT i31.
pub(super) fn rule(seen: &Observation) -> Because {
    match (seen.protection.known(), seen.ledger.known()) {
        (Some(base), Some(ledger)) => {
            let weak = weaknesses(base, ledger, seen.app);
            Because::holds_or_blocks(Rule::Protection, weak.is_empty())
                .who(weak.into_iter().map(Weakness::as_str))
        }
        (None, _) | (_, None) => Because::new(Rule::Protection, Standing::Errored),
    }
}

/// Whether a difference of clocks is small enough.
pub const fn agree(skew: i64) -> bool {
    skew.unsigned_abs() <= MOST_SKEW.millis().unsigned_abs()
}

/// Whether anybody can tell what time it is: without that nothing expires, either. INVARIANT i30.
pub fn clock_is_right(seen: &Observation) -> bool {
    clock(seen).is_none()
}

/// What is wrong about the clocks, if anything: nobody can tell what time it is, which passes once a clock is set.
/// INVARIANT i30.
pub(super) fn clock(seen: &Observation) -> Option<Because> {
    let wrong = Because::new(Rule::Clock, Standing::Errored);
    match &seen.skew {
        Seen::Known(skew) if agree(*skew) => None,
        Seen::Known(skew) => Some(wrong.who([apart(*skew)])),
        Seen::Unknown { .. } => Some(wrong),
    }
}

/// `the local clock is 3601 s ahead of GitHub's`.
pub fn apart(skew: i64) -> String {
    let way = if skew < 0 { "behind" } else { "ahead of" };
    format!(
        "the local clock is {} s {way} GitHub's",
        skew.unsigned_abs() / 1_000
    )
}
