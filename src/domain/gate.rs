//! The decision: is this proposal's gate open? Pure and total; everything it looks at is recorded.

use serde::{Deserialize, Serialize};

use super::{
    assess::assess,
    case::{Case, Life},
    ids::{AccountId, BranchName, Digest, ProposalId, Sha, Span, Timestamp},
    observation::{Observation, Pull, PullState, Seen},
    policy::{Policy, Tier},
    review::{self, Review},
};

/// Execution starts within this of the merge. INVARIANT i15.
pub const EXECUTE_WITHIN: Span = Span::seconds(3_600);

/// A rule of the gate, by the id that records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The proposal has not ended another way.
    Life,
    /// The policy in force is the one on the base branch and the one the proposal was received under. INVARIANT i02.
    Policy,
    /// Tier, reasons and check results are the same when assessed again. INVARIANT i14.
    Assessment,
    /// The catalog knows the action as proposed. INVARIANT i10.
    Action,
    /// No check failed. INVARIANT i10.
    Checks,
    /// It can still be approved. INVARIANT i12.
    Expiry,
    /// Its window of validity has begun.
    NotBefore,
    /// It is executed soon after its merge. INVARIANT i15.
    ExecuteWithin,
    /// It is the pull request the bot opened, still open or merged. INVARIANT i25.
    Pull,
    /// The head is the proposal's one commit. INVARIANT i05.
    Head,
    /// Title and body are what the bot wrote. INVARIANT i26.
    Presentation,
    /// The head's commits are the bot's alone. INVARIANT i05, i08.
    Commits,
    /// Every resource has owners who can approve.
    Owners,
    /// Enough people approved. INVARIANT i06, i07, i09.
    Approvals,
    /// Nobody who may object asked for changes.
    ChangesRequested,
    /// The approvers' passkeys. INVARIANT i11.
    StepUp,
    /// The agent, its sponsor, or another party to the proposal. INVARIANT i08.
    SeparationOfDuties,
    /// An approval that was not recorded when it was given, on this head and text. INVARIANT i06.
    NotRecorded,
    /// An account that is not a person of the policy. INVARIANT i07.
    NotAPerson,
    /// A person who owns nothing here, or not any more. INVARIANT i09.
    NotAnOwner,
    /// An approval older than the policy allows. INVARIANT i12.
    TooOld,
}

impl Rule {
    /// The rule's id, as records spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Life => "life",
            Self::Policy => "policy",
            Self::Assessment => "assessment",
            Self::Action => "action",
            Self::Checks => "checks",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::ExecuteWithin => "execute_within",
            Self::Pull => "pull",
            Self::Head => "head",
            Self::Presentation => "presentation",
            Self::Commits => "commits",
            Self::Owners => "owners",
            Self::Approvals => "approvals",
            Self::ChangesRequested => "changes_requested",
            Self::StepUp => "step_up",
            Self::SeparationOfDuties => "separation_of_duties",
            Self::NotRecorded => "not_recorded",
            Self::NotAPerson => "not_a_person",
            Self::NotAnOwner => "not_an_owner",
            Self::TooOld => "too_old",
        }
    }
}

/// How a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// An observation that changes nothing by itself, such as an approval that does not count.
    Noted,
    /// The rule holds.
    Holds,
    /// Not yet; somebody can still satisfy it.
    Missing,
    /// No, and nobody can satisfy it as things stand.
    Blocks,
    /// It could not be looked at. INVARIANT i10.
    Errored,
}

/// One rule and how it stands: ids and counts, no prose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// The rule.
    pub rule: Rule,
    /// How it stands.
    pub standing: Standing,
    /// How many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<u32>,
    /// How many it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<u32>,
    /// Who or what it is about: people, accounts, checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// Who or what could satisfy it: people, teams, times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub could: Vec<String>,
}

impl Because {
    /// A rule and how it stands.
    pub const fn new(rule: Rule, standing: Standing) -> Self {
        Self {
            rule,
            standing,
            have: None,
            need: None,
            who: Vec::new(),
            could: Vec::new(),
        }
    }
    /// Holds, or blocks.
    pub const fn holds_or_blocks(rule: Rule, holds: bool) -> Self {
        Self::new(rule, if holds { Standing::Holds } else { Standing::Blocks })
    }
    /// With who or what it is about.
    #[must_use]
    pub fn who(mut self, who: impl IntoIterator<Item = impl ToString>) -> Self {
        self.who = who.into_iter().map(|who| who.to_string()).collect();
        self
    }
    /// With who or what could satisfy it.
    #[must_use]
    pub fn could(mut self, could: impl IntoIterator<Item = impl ToString>) -> Self {
        self.could = could.into_iter().map(|could| could.to_string()).collect();
        self
    }
    /// With how many there are and how many it takes.
    #[must_use]
    pub const fn count(mut self, have: u32, need: u32) -> Self {
        self.have = Some(have);
        self.need = Some(need);
        self
    }
}

/// The verdict alone, as records carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// May run.
    Open,
    /// Not yet.
    Waiting,
    /// Not as things stand.
    Blocked,
    /// Could not be decided; as shut as blocked.
    Errored,
}
impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Errored => "errored",
        })
    }
}

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

/// The proof that [`decide`] found a gate open. It can't be copied, stored or made any other way:
///
/// ```compile_fail,E0451
/// # fn forge(proposal: countersign::domain::ids::ProposalId) {
/// let forged = countersign::domain::gate::OpenGate { proposal };
/// # }
/// ```
/// ```compile_fail,E0599
/// # fn copy(open: &countersign::domain::gate::OpenGate) {
/// let again = open.clone();
/// # let _: countersign::domain::gate::OpenGate = again;
/// # }
/// ```
/// ```compile_fail,E0277
/// let stored: countersign::domain::gate::OpenGate = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug, Serialize)]
pub struct OpenGate {
    proposal: ProposalId,
    tier: Tier,
    action: Digest,
    policy: Digest,
    at: Timestamp,
    reviewed: Option<ReviewedAt>,
    approvers: Vec<String>,
}

/// Where the approved text stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReviewedAt {
    pub(super) head: Sha,
    pub(super) base_ref: BranchName,
    pub(super) directory: String,
    pub(super) file: Digest,
    pub(super) presentation: Digest,
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
    pub(super) const fn reviewed(&self) -> Option<&ReviewedAt> {
        self.reviewed.as_ref()
    }
}

/// Decides on one case from what was seen and the policy, and from nothing else.
///
/// | rule | low | medium, high |
/// |---|---|---|
/// | life, policy, action, assessment, checks, not before | holds, or no | the same |
/// | expiry, execute within | judged now | judged at the merge, once there is one |
/// | pull, head, presentation, commits | – | holds, or no |
/// | owners, approvals, changes requested, step-up | – | counted |
///
/// One rule that could not be looked at makes the verdict `errored`; else one that blocks makes it `blocked`; else
/// one that is missing makes it `waiting`; only when all hold is it `open`.
pub fn decide(case: &Case, seen: &Observation, policy: &Policy) -> Decision {
    let mut because = alone(case, seen, policy);
    let mut approvers = Vec::new();
    let mut reviewed = None;
    if case.tier() > Tier::Low {
        match &seen.pull {
            Seen::Known(pull) => {
                because.extend(pull_rules(case, seen, pull));
                let count = review::count(&Review {
                    case,
                    seen,
                    policy,
                    pull,
                });
                approvers = count.approvers;
                because.extend(count.because);
                reviewed = where_reviewed(case, pull);
            }
            Seen::Unknown { .. } => because.push(Because::new(Rule::Pull, Standing::Errored)),
        }
        if reviewed.is_none() && !because.iter().any(|one| one.rule == Rule::Pull) {
            because.push(Because::new(Rule::Pull, Standing::Errored));
        }
    }
    let gate = match because.iter().map(|one| one.standing).max() {
        Some(Standing::Errored) | None => Gate::Errored,
        Some(Standing::Blocks) => Gate::Blocked,
        Some(Standing::Missing) => Gate::Waiting,
        Some(Standing::Holds | Standing::Noted) => Gate::Open(OpenGate {
            proposal: case.proposal.id,
            tier: case.tier(),
            action: case.proposal.action_digest(),
            policy: policy.digest(),
            at: seen.at,
            reviewed,
            approvers,
        }),
    };
    Decision { gate, because }
}

/// The rules that need no pull request.
fn alone(case: &Case, seen: &Observation, policy: &Policy) -> Vec<Because> {
    let assessed = assess(&case.proposal, policy);
    let live = match case.life {
        Life::Received => case.tier() == Tier::Low,
        Life::Open | Life::Merged => case.tier() > Tier::Low,
        Life::Started
        | Life::Unknown
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
        Some(base) => {
            let same = *base == policy.digest() && case.policy == policy.digest();
            Because::holds_or_blocks(Rule::Policy, same).who([policy.digest().short()])
        }
    };
    let failed: Vec<&str> = assessed
        .checks
        .iter()
        .filter(|check| check.level > super::checks::Level::Warn)
        .map(|check| check.check.as_str())
        .collect();
    let errored = assessed
        .checks
        .iter()
        .any(|check| check.level == super::checks::Level::Errored);
    let checks = match (failed.is_empty(), errored) {
        (true, _) => Standing::Holds,
        (false, false) => Standing::Blocks,
        (false, true) => Standing::Errored,
    };
    let decided_at = decided_at(seen);
    let valid = case.proposal.binding.valid;
    let run_from = merged_at(seen).map_or(valid.from, |merged| merged.max(valid.from));
    let mut rules = vec![
        Because::holds_or_blocks(Rule::Life, live).who([case.life]),
        policy_rule,
        Because::holds_or_blocks(Rule::Action, assessed.known()),
        Because::holds_or_blocks(Rule::Assessment, assessed == case.assessment),
        Because::new(Rule::Checks, checks).who(failed),
        Because::holds_or_blocks(Rule::Expiry, decided_at < case.proposal.expires_at)
            .could([case.proposal.expires_at]),
    ];
    if merged_at(seen).is_some() || case.tier() == Tier::Low {
        let begun = if seen.at >= valid.from {
            Standing::Holds
        } else {
            Standing::Missing
        };
        rules.push(Because::new(Rule::NotBefore, begun).could([valid.from]));
        let in_time = seen.at <= run_from.plus(EXECUTE_WITHIN) && seen.at < valid.until;
        rules.push(Because::holds_or_blocks(Rule::ExecuteWithin, in_time));
    }
    rules
}

/// The rules about the pull request itself.
fn pull_rules(case: &Case, seen: &Observation, pull: &Pull) -> Vec<Because> {
    let Some(opened) = &case.opened else {
        return vec![Because::new(Rule::Pull, Standing::Blocks)];
    };
    let same = pull.number == opened.pull
        && pull.base_ref == opened.base_ref
        && pull.author == Some(seen.me)
        && !pull.draft;
    let standing = match &pull.state {
        PullState::Open | PullState::Merged { .. } => same,
        PullState::Closed => false,
    };
    let shown = case.presentation == Some(pull.body) && opened.title == pull.title;
    let mut rules = vec![
        Because::holds_or_blocks(Rule::Pull, standing).who([pull.number]),
        Because::holds_or_blocks(Rule::Head, pull.head == opened.head).who([pull.head.short()]),
        Because::holds_or_blocks(Rule::Presentation, shown),
    ];
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
    rules.push(Because::new(Rule::Commits, commits));
    rules
}

fn where_reviewed(case: &Case, pull: &Pull) -> Option<ReviewedAt> {
    let opened = case.opened.as_ref()?;
    Some(ReviewedAt {
        head: opened.head,
        base_ref: pull.base_ref.clone(),
        directory: case.proposal.directory(),
        file: opened.file,
        presentation: case.presentation?,
    })
}

/// When the merge took place, if there was one.
pub(super) fn merged_at(seen: &Observation) -> Option<Timestamp> {
    match &seen.pull.known()?.state {
        PullState::Merged { at, .. } => Some(*at),
        PullState::Open | PullState::Closed => None,
    }
}

/// The moment that approvals and expiry are judged at: the merge, or now.
pub(super) fn decided_at(seen: &Observation) -> Timestamp {
    merged_at(seen).unwrap_or(seen.at)
}

/// Who released the pull request, if it was merged.
pub(super) fn released_by(seen: &Observation) -> Option<AccountId> {
    match &seen.pull.known()?.state {
        PullState::Merged { by, .. } => *by,
        PullState::Open | PullState::Closed => None,
    }
}
