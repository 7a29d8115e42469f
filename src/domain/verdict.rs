//! What a decision says: rules by their ids, how each stands, and the verdict. Records carry these.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The catalog knows the action as proposed, and its agent may propose it. INVARIANT i10.
    Action,
    /// No check failed, or only such as somebody who may departed from. INVARIANT i10.
    Checks,
    /// A person departed from a failed check.
    Exception,
    /// An exception that does not count: whoever granted it may not, or not any more. INVARIANT i08, i09.
    NotExcepted,
    /// Approvers took items out of what will run.
    Excluded,
    /// It can still be approved. INVARIANT i12.
    Expiry,
    /// Its window of validity has begun.
    NotBefore,
    /// Nobody stopped executions of this kind. INVARIANT i22.
    Freeze,
    /// It is executed soon after its merge. INVARIANT i15.
    ExecuteWithin,
    /// It is the pull request the bot opened, on its base branch, still open or merged. INVARIANT i25.
    Pull,
    /// The head is the proposal's one commit. INVARIANT i05.
    Head,
    /// Title and body are what the bot wrote. INVARIANT i26.
    Presentation,
    /// The head's commits are the bot's alone. INVARIANT i05, i08.
    Commits,
    /// What the policy wants seen before asking anybody was seen. INVARIANT i13.
    Preview,
    /// The target was asked what it would do, where the catalog says how, and said yes for every item.
    DryRun,
    /// Base branch and ledger are protected as far as it takes. INVARIANT i31.
    Protection,
    /// The local clock and GitHub's agree. INVARIANT i30.
    Clock,
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
    /// The rules that a pull request brings are rules. INVARIANT i02.
    Compiles,
    /// A change of the rules begins at the rules in force. INVARIANT i02.
    UpToDate,
    /// A change of the rules brings nothing that only the bot writes. INVARIANT i25.
    Scope,
    /// What was merged is what was approved, and on top of the rules in force. INVARIANT i02.
    Landed,
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
            Self::Exception => "exception",
            Self::NotExcepted => "not_excepted",
            Self::Excluded => "excluded",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::Freeze => "freeze",
            Self::ExecuteWithin => "execute_within",
            Self::Pull => "pull",
            Self::Head => "head",
            Self::Presentation => "presentation",
            Self::Commits => "commits",
            Self::Preview => "preview",
            Self::DryRun => "dry_run",
            Self::Protection => "protection",
            Self::Clock => "clock",
            Self::Owners => "owners",
            Self::Approvals => "approvals",
            Self::ChangesRequested => "changes_requested",
            Self::StepUp => "step_up",
            Self::SeparationOfDuties => "separation_of_duties",
            Self::NotRecorded => "not_recorded",
            Self::NotAPerson => "not_a_person",
            Self::NotAnOwner => "not_an_owner",
            Self::TooOld => "too_old",
            Self::Compiles => "compiles",
            Self::UpToDate => "up_to_date",
            Self::Scope => "scope",
            Self::Landed => "landed",
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
    /// The section of CODEOWNERS that asks, or the check that was departed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
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
            section: None,
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
    /// With the section that asks, or the check that was departed from.
    #[must_use]
    pub fn section(mut self, section: Option<&str>) -> Self {
        self.section = section.map(Into::into);
        self
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

/// The ids of some rules in one line; one that several lines of a decision are about stands there once.
pub fn named<'a>(because: impl Iterator<Item = &'a Because>) -> String {
    let mut rules: Vec<&str> = because.map(|one| one.rule.as_str()).collect();
    rules.dedup();
    rules.join(", ")
}

/// The verdict alone, as records carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
