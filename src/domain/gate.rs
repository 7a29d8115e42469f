//! The decision: is this proposal's gate open? Pure and total; everything it looks at is recorded.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;

use super::{
    assess::assess,
    case::{Case, Life},
    exception::{self, Departures},
    ids::{BranchName, Digest, ItemId, ProposalId, Sha, Span, TeamName, Timestamp},
    matter::Matter,
    observation::{Observation, Pull, PullState, Seen},
    policy::{GateRule, Policy, Preview, Tier},
    proposal::{Item, Proposal},
    protection,
    review::{self, Review},
};

pub use super::verdict::{Because, Rule, Standing, Verdict};

/// Execution starts within this of the merge. INVARIANT i15.
pub const EXECUTE_WITHIN: Span = Span::seconds(3_600);

/// Whether the gate is open; open carries the proof.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// May run, as the proof says.
    Open(OpenGate),
    /// Not yet.
    Waiting,
    /// Not as things stand.
    Blocked,
    /// Could not be decided.
    Errored,
}

/// A gate and the rules that gave it.
#[derive(Debug, Serialize)]
pub struct Decision {
    gate: Gate,
    because: Vec<Because>,
}

impl Decision {
    /// The gate.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }
    /// The verdict alone.
    pub const fn verdict(&self) -> Verdict {
        match self.gate {
            Gate::Open(_) => Verdict::Open,
            Gate::Waiting => Verdict::Waiting,
            Gate::Blocked => Verdict::Blocked,
            Gate::Errored => Verdict::Errored,
        }
    }
    /// Every rule that was looked at, in the order of the table in [`decide`].
    pub fn because(&self) -> &[Because] {
        &self.because
    }
    /// The rules that keep the gate shut.
    pub fn against(&self) -> impl Iterator<Item = &Because> {
        self.because
            .iter()
            .filter(|because| because.standing > Standing::Holds)
    }
    /// The proof, when the gate is open.
    pub fn open(self) -> Option<OpenGate> {
        match self.gate {
            Gate::Open(open) => Some(open),
            Gate::Waiting | Gate::Blocked | Gate::Errored => None,
        }
    }
}

/// The proof that [`decide`] found a gate open. It is had from a decision:
///
/// ```
/// use countersign::domain::gate::{Decision, OpenGate};
/// fn proof(decision: Decision) -> Option<OpenGate> {
///     decision.open()
/// }
/// fn cloned<T: Clone>(_: &T) {}
/// fn stored<T: serde::de::DeserializeOwned>() {}
/// fn told(open: &OpenGate) {
///     cloned(&open.proposal());
/// }
/// stored::<countersign::domain::case::Case>();
/// ```
///
/// It can't be made any other way, copied, or read from a store:
///
/// ```compile_fail,E0451
/// fn forged(open: countersign::domain::gate::OpenGate, proposal: countersign::domain::ids::ProposalId) {
///     let forged = countersign::domain::gate::OpenGate { proposal, ..open };
/// }
/// ```
/// ```compile_fail,E0277
/// fn cloned<T: Clone>(_: &T) {}
/// fn told(open: &countersign::domain::gate::OpenGate) {
///     cloned(open);
/// }
/// ```
/// ```compile_fail,E0277
/// fn stored<T: serde::de::DeserializeOwned>() {}
/// stored::<countersign::domain::gate::OpenGate>();
/// ```
#[derive(Debug, Serialize)]
pub struct OpenGate {
    proposal: ProposalId,
    tier: Tier,
    action: Digest,
    policy: Digest,
    at: Timestamp,
    reviewed: Option<Box<ReviewedAt>>,
    approvers: Vec<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    excluded: BTreeSet<ItemId>,
    #[serde(skip)]
    whole: Arc<Proposal>,
}

/// Where the approved text stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReviewedAt {
    pub(super) head: Sha,
    /// Whether it was decided on after its merge, when approvals are judged at the merge and its releaser is known.
    pub(super) merged: Option<MergedAs>,
    pub(super) base_ref: BranchName,
    pub(super) directory: String,
    pub(super) file: Digest,
    pub(super) presentation: Digest,
}

/// The merge that a gate was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct MergedAs {
    /// The commit, when GitHub or the ledger names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha: Option<Sha>,
}

impl OpenGate {
    /// The proposal.
    pub const fn proposal(&self) -> ProposalId {
        self.proposal
    }
    /// Its tier.
    pub const fn tier(&self) -> Tier {
        self.tier
    }
    /// The action digest that was approved.
    pub const fn action(&self) -> Digest {
        self.action
    }
    /// The policy it was decided under.
    pub const fn policy(&self) -> Digest {
        self.policy
    }
    /// When it was decided.
    pub const fn at(&self) -> Timestamp {
        self.at
    }
    /// The head that was approved; none for low tier.
    pub fn head(&self) -> Option<Sha> {
        self.reviewed.as_ref().map(|reviewed| reviewed.head)
    }
    /// The people whose approvals were counted.
    pub fn approvers(&self) -> &[String] {
        &self.approvers
    }
    /// The items that approvers took out of what will run.
    pub const fn excluded(&self) -> &BTreeSet<ItemId> {
        &self.excluded
    }
    pub(super) fn reviewed(&self) -> Option<&ReviewedAt> {
        self.reviewed.as_deref()
    }
    /// The proposal that was decided on, as the ledger received it.
    pub(super) const fn whole(&self) -> &Arc<Proposal> {
        &self.whole
    }
}

/// Decides on one case from what was seen and the policy, and from nothing else.
///
/// | rule | low | medium, high |
/// |---|---|---|
/// | life, policy, action, assessment, not before | holds, or no | the same |
/// | checks | hold, or no | hold, or were departed from, or no |
/// | expiry, execute within | judged now | judged at the merge, once there is one |
/// | clock | told when it is wrong or not known | the same |
/// | pull, head, presentation, commits, preview, dry run, protection | – | holds, or no |
/// | owners, approvals, changes requested, step-up | – | counted |
///
/// One rule that could not be looked at makes the verdict `errored`; else one that blocks makes it `blocked`; else
/// one that is missing makes it `waiting`; only when all hold is it `open`.
pub fn decide(case: &Case, seen: &Observation, policy: &Policy) -> Decision {
    let (mut because, departures) = alone(case, seen, policy);
    let mut approvers = Vec::new();
    let mut reviewed = None;
    if case.tier() > Tier::Low {
        match &seen.pull {
            Seen::Known(pull) => {
                because.extend(pull_rules(case, seen, pull, policy));
                let count = review::count(&Review { case, seen, pull }, policy, departures.granters);
                approvers = count.approvers;
                because.extend(count.because);
                reviewed = where_reviewed(case, pull);
            }
            Seen::Unknown { .. } => because.push(Because::new(Rule::Pull, Standing::Errored)),
        }
    }
    // INVARIANT i10: above low tier nothing opens without a reviewed text and somebody who approved it, whatever
    // the rules above say.
    let proved = case.tier() == Tier::Low || reviewed.is_some() && !approvers.is_empty();
    let gate = match verdict(&because, proved) {
        Verdict::Errored => Gate::Errored,
        Verdict::Blocked => Gate::Blocked,
        Verdict::Waiting => Gate::Waiting,
        Verdict::Open => Gate::Open(OpenGate {
            proposal: case.proposal.id,
            tier: case.tier(),
            action: case.proposal.action_digest(),
            policy: policy.digest(),
            at: seen.at,
            reviewed: reviewed.map(Box::new),
            approvers,
            excluded: case.left_out().cloned().collect(),
            whole: Arc::clone(&case.proposal),
        }),
    };
    Decision { gate, because }
}

/// What the rules give together: the worst of them, and never open without proof. INVARIANT i10.
pub(super) fn verdict(because: &[Because], proved: bool) -> Verdict {
    match because.iter().map(|one| one.standing).max() {
        Some(Standing::Errored) | None => Verdict::Errored,
        Some(Standing::Blocks) => Verdict::Blocked,
        Some(Standing::Missing) => Verdict::Waiting,
        Some(Standing::Holds | Standing::Noted) if !proved => Verdict::Errored,
        Some(Standing::Holds | Standing::Noted) => Verdict::Open,
    }
}

/// The teams whose members an observation must hold for [`decide`] to count approvals. INVARIANT i09.
pub fn teams(case: &Case, policy: &Policy) -> BTreeSet<TeamName> {
    review::teams(case, policy)
}

/// The rules that need no pull request.
fn alone<'p>(case: &Case, seen: &Observation, policy: &'p Policy) -> (Vec<Because>, Departures<'p>) {
    let assessed = assess(&case.proposal.matter(), &case.assessment.totals, policy);
    let live = match case.life {
        Life::Received => case.tier() == Tier::Low,
        Life::Open | Life::Merged => case.tier() > Tier::Low,
        Life::Unknown => case.resumable(),
        Life::Started
        | Life::Executed
        | Life::Refused
        | Life::Errored
        | Life::Undone
        | Life::Partial
        | Life::Voided
        | Life::Denied
        | Life::Expired
        | Life::Cancelled
        | Life::Superseded
        | Life::Bypassed
        | Life::PolicyChanged
        | Life::RefusedAfterMerge => false,
    };
    let policy_rule = match seen.policy.known() {
        None => Because::new(Rule::Policy, Standing::Errored),
        // What strayed on the base branch is told beside what is in force: the one is put right there, the other by
        // proposing anew.
        Some(base) if *base != policy.digest() => Because::new(Rule::Policy, Standing::Blocks)
            .who([policy.digest().short()])
            .could([base.short()]),
        Some(_) => {
            let same = case.policy == policy.digest();
            Because::holds_or_blocks(Rule::Policy, same).who([policy.digest().short()])
        }
    };
    let mut departures = exception::departures_of(case, seen, &assessed, policy);
    let known = assessed.known() && may_propose(&case.proposal.matter(), policy);
    let mut rules = vec![
        Because::holds_or_blocks(Rule::Life, live).who([case.life]),
        policy_rule,
        Because::holds_or_blocks(Rule::Action, known),
        Because::holds_or_blocks(Rule::Assessment, assessed == case.assessment),
    ];
    rules.append(&mut departures.rules);
    rules.extend(excluded(case.left_out(), case.proposal.binding.items.len()));
    rules.extend(times(case, seen));
    rules.extend(freeze(case, seen, policy));
    rules.extend(protection::clock(seen));
    (rules, departures)
}

/// What people stopped waits, apart from what ends that. INVARIANT i22.
fn freeze(case: &Case, seen: &Observation, policy: &Policy) -> Option<Because> {
    let seq = seen.freeze.filter(|_| !thaws(&case.proposal.matter(), policy))?;
    Some(Because::new(Rule::Freeze, Standing::Missing).who([seq]))
}

fn thaws(matter: &Matter<'_>, policy: &Policy) -> bool {
    let action = policy.action(matter.operation);
    action.is_some_and(|action| action.execute().thaws())
}

/// Whether the policy lets this agent propose this action, for this sponsor. What takes its own action back is asked for by
/// a person, and needs no leave of the agent's. INVARIANT i04, i10.
pub(super) fn may_propose(matter: &Matter<'_>, policy: &Policy) -> bool {
    policy.agent(matter.agent).is_some_and(|agent| {
        (matter.rolls_back || agent.may_propose(matter.operation)) && agent.sponsor() == matter.sponsor
    })
}

/// What approvers took out of so many items, and how many are left.
pub(super) fn excluded<'a>(items: impl Iterator<Item = &'a ItemId>, of: usize) -> Option<Because> {
    let items: Vec<&ItemId> = items.collect();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let left = number(of.saturating_sub(items.len()));
    (!items.is_empty()).then(|| {
        Because::new(Rule::Excluded, Standing::Noted)
            .count(left, number(of))
            .who(items)
    })
}

/// The rules about time. A merge counts above low tier only: low tier has none, whatever was seen.
fn times(case: &Case, seen: &Observation) -> Vec<Because> {
    let valid = case.proposal.binding.valid;
    let merged = seen.merged_at().filter(|_| case.tier() > Tier::Low);
    let expires_at = case.proposal.expires_at;
    let fresh = merged.unwrap_or(seen.at) < expires_at;
    let begun = if seen.at >= valid.from {
        Standing::Holds
    } else {
        Standing::Missing
    };
    let mut rules = vec![
        Because::holds_or_blocks(Rule::Expiry, fresh).could([expires_at]),
        Because::new(Rule::NotBefore, begun).could([valid.from]),
    ];
    let begin = match (merged, case.tier()) {
        (Some(merged), _) => Some(merged),
        (None, Tier::Low) => Some(valid.from),
        (None, Tier::Medium | Tier::High) => None,
    };
    if let Some(begin) = begin {
        // A merge later than now was not seen by any clock that can be trusted.
        let ahead = merged.is_some_and(|merged| merged > seen.at);
        let in_time = !ahead && seen.at <= begin.plus(EXECUTE_WITHIN) && seen.at < valid.until;
        rules.push(Because::holds_or_blocks(Rule::ExecuteWithin, in_time));
    }
    rules
}

/// The rules about the pull request itself.
fn pull_rules(case: &Case, seen: &Observation, pull: &Pull, policy: &Policy) -> Vec<Because> {
    let Some(opened) = &case.opened else {
        return vec![Because::new(Rule::Pull, Standing::Blocks)];
    };
    let alive = match (&pull.state, case.life) {
        (PullState::Open, Life::Open) => !pull.draft,
        (PullState::Merged { .. }, Life::Open) => true,
        (PullState::Merged { sha, .. }, Life::Merged | Life::Unknown) => case
            .merged
            .as_ref()
            .is_some_and(|merged| sha.is_none_or(|sha| sha == merged.sha)),
        (PullState::Open | PullState::Closed | PullState::Merged { .. }, _) => false,
    };
    let same = pull.number == opened.pull && pull.author == Some(seen.me) && pull.base_ref == opened.base_ref;
    let shown = case.presentation == Some(pull.body) && opened.title == pull.title;
    let commits = match seen.commits.known() {
        None => Standing::Errored,
        Some(commits) => match commits.as_slice() {
            [only]
                if only.sha == opened.head
                    && only.parents == [opened.base]
                    && only.author == Some(seen.me)
                    && only.committer == Some(seen.me)
                    && only.co_authors.is_empty() =>
            {
                Standing::Holds
            }
            _ => Standing::Blocks,
        },
    };
    let mut rules = vec![
        Because::holds_or_blocks(Rule::Pull, alive && same).who([pull.number]),
        Because::holds_or_blocks(Rule::Head, pull.head == opened.head).who([pull.head.short()]),
        Because::holds_or_blocks(Rule::Presentation, shown),
        Because::new(Rule::Commits, commits),
        protection::rule(seen),
        preview(&case.proposal.matter(), policy.gate(case.tier()), policy),
    ];
    rules.extend(dry_run(&case.proposal, policy));
    rules
}

/// Whether the bot saw for itself what the policy wants seen. INVARIANT i13.
pub(super) fn preview(matter: &Matter<'_>, gate: &GateRule, policy: &Policy) -> Because {
    let unseen: Vec<&str> = match gate.preview() {
        Preview::None => Vec::new(),
        // What a freeze stops stands in the ledger.
        Preview::Required if thaws(matter, policy) => Vec::new(),
        Preview::Required => {
            let unseen = |item: &&Item| !matter.observed.iter().any(|seen| seen.item == item.id);
            let items = matter.items.iter();
            items.filter(unseen).map(|item| item.id.as_str()).collect()
        }
    };
    Because::holds_or_blocks(Rule::Preview, unseen.is_empty()).who(unseen)
}

/// Whether the target said that it would do it, for every item, and what the catalog keeps of that; none where the catalog
/// asks no target. Nobody approves what was not asked, whoever left it out. INVARIANT i10.
fn dry_run(proposal: &Proposal, policy: &Policy) -> Option<Because> {
    let declared = policy.action(&proposal.binding.operation)?.dry_run()?;
    let told = |item: &Item| {
        let asked = proposal.dry_run_for(&item.id);
        asked.is_some_and(|asked| asked.said.keys().eq(declared.keep().keys()))
    };
    let items = proposal.binding.items.iter();
    let untold: Vec<&str> = items
        .filter(|item| !told(item))
        .map(|item| item.id.as_str())
        .collect();
    Some(Because::holds_or_blocks(Rule::DryRun, untold.is_empty()).who(untold))
}

fn where_reviewed(case: &Case, pull: &Pull) -> Option<ReviewedAt> {
    let opened = case.opened.as_ref()?;
    let merged = match &pull.state {
        PullState::Merged { sha, .. } => Some(MergedAs {
            sha: sha.or_else(|| case.merged.as_ref().map(|merged| merged.sha)),
        }),
        PullState::Open | PullState::Closed => None,
    };
    Some(ReviewedAt {
        head: opened.head,
        merged,
        base_ref: opened.base_ref.clone(),
        directory: case.proposal.directory(),
        file: opened.file,
        presentation: case.presentation?,
    })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
