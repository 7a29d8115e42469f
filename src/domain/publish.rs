//! What a pull request should show, and the smallest effects that make it so.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    canonical::digest_of,
    case::{Case, Life},
    entry::{Finished, VoidReason},
    gate::Decision,
    ids::{Digest, PersonName, PullNumber, Sha, TeamName},
    policy::{MergeMode, Owned, Owner, Policy},
    verdict::{Because, Rule, Verdict},
};

/// What a pull request shows, as wanted or as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The pull request.
    pub pull: PullNumber,
    /// Whether it is open; a merged one counts as closed.
    pub open: bool,
    /// The digest of its title.
    pub title: Digest,
    /// The digest of its body.
    pub body: Digest,
    /// Its one check run.
    pub check: Option<CheckShown>,
    /// Who is asked for a review; as seen: whether anybody was, see [`Asked`].
    pub asked: Asked,
    /// The outcome comment's fingerprint.
    pub outcome: Option<Digest>,
    /// Whether the bot should merge it now; as seen: whether it is merged.
    pub merged: bool,
}

/// Who is asked for a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nobody, and nobody answered either.
    Nobody,
    /// Somebody was asked or answered already; asking again would only make noise.
    Somebody,
    /// These should be.
    These(BTreeSet<Owner>),
}

/// A check run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckShown {
    /// The head it is for.
    pub head: Sha,
    /// What it concludes.
    pub conclusion: Conclusion,
    /// The digest of what it says.
    pub says: Digest,
}

/// What a check run concludes; never neutral or skipped, which GitHub takes for success. INVARIANT i27.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The gate is open, or the action ran.
    Success,
    /// The gate is shut as things stand.
    Failure,
    /// Somebody can still open it.
    ActionRequired,
}

impl Conclusion {
    /// GitHub's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::ActionRequired => "action_required",
        }
    }
}

/// One thing to do on GitHub; doing it twice changes nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put title and body back. INVARIANT i26.
    RestoreText,
    /// Ask these for a review.
    Ask(BTreeSet<Owner>),
    /// Make or change the check run.
    PutCheck(CheckShown),
    /// Make or change the outcome comment.
    PutOutcome(Digest),
    /// Close the pull request.
    Close,
    /// Merge it with this head expected. INVARIANT i15.
    Merge(Sha),
}

#[derive(Serialize)]
struct CheckSays<'a> {
    life: Life,
    verdict: Verdict,
    because: Vec<&'a Because>,
}

#[derive(Serialize)]
struct OutcomeSays<'a> {
    life: Life,
    refused: &'a Option<String>,
    finished: &'a Option<Finished>,
    voided: &'a Option<VoidReason>,
    merged: Option<Sha>,
}

/// What a case's pull request should show; `None` when it has none, or without canonical form.
pub fn wanted(case: &Case, decision: &Decision, policy: &Policy) -> Option<Published> {
    let opened = case.opened.as_ref()?;
    let verdict = decision.verdict();
    let deciding = matches!(case.life, Life::Open | Life::Merged);
    let because = if deciding {
        decision.because().iter().filter(|one| told(one.rule)).collect()
    } else {
        Vec::new()
    };
    let says = digest_of(&CheckSays {
        life: case.life,
        verdict,
        because,
    })
    .ok()?;
    let says_outcome = OutcomeSays {
        life: case.life,
        refused: &case.refused,
        finished: &case.finished,
        voided: &case.voided,
        merged: case.merged.as_ref().map(|merged| merged.sha),
    };
    let outcome = if matches!(case.life, Life::Received | Life::Open) {
        None
    } else {
        Some(digest_of(&says_outcome).ok()?)
    };
    let automatic = policy.gate(case.tier()).merge() == MergeMode::Auto;
    let to_merge = case.life == Life::Open && verdict == Verdict::Open && automatic;
    Some(Published {
        pull: opened.pull,
        open: case.life == Life::Open && !to_merge,
        title: opened.title,
        body: case.presentation?,
        check: Some(CheckShown {
            head: opened.head,
            conclusion: conclusion(case.life, verdict),
            says,
        }),
        asked: if case.life == Life::Open {
            asked(case, policy)
        } else {
            Asked::Somebody
        },
        outcome,
        merged: to_merge,
    })
}

/// What the check run concludes; whatever is not on its way to success is a failure. INVARIANT i27.
const fn conclusion(life: Life, verdict: Verdict) -> Conclusion {
    match (life, verdict) {
        (Life::Executed | Life::Started, _) | (Life::Open | Life::Merged, Verdict::Open) => {
            Conclusion::Success
        }
        (Life::Open | Life::Merged, Verdict::Waiting) => Conclusion::ActionRequired,
        (Life::Open | Life::Merged, Verdict::Blocked | Verdict::Errored)
        | (
            Life::Received
            | Life::Unknown
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
            | Life::RefusedAfterMerge,
            _,
        ) => Conclusion::Failure,
    }
}

/// The moving clock of an observation is not shown, so that nothing changes while nothing happens.
const fn told(rule: Rule) -> bool {
    !matches!(rule, Rule::Life)
}

fn asked(case: &Case, policy: &Policy) -> Asked {
    let binding = &case.proposal.binding;
    let sponsor = |owner: &&Owner| matches!(owner, Owner::Person(person) if *person == binding.sponsor);
    let owned = policy.owned(binding);
    let owners = owned.iter().flat_map(Owned::owners);
    let owners: BTreeSet<Owner> = owners.filter(|owner| !sponsor(owner)).cloned().collect();
    if owners.is_empty() {
        Asked::Somebody
    } else {
        Asked::These(owners)
    }
}

/// The effects that turn what is seen into what is wanted; none when it is so already.
pub fn reconcile(wanted: &Published, seen: &Published) -> Vec<Effect> {
    let mut effects = Vec::new();
    if seen.open && (wanted.title != seen.title || wanted.body != seen.body) {
        effects.push(Effect::RestoreText);
    }
    if let (Asked::These(owners), Asked::Nobody, true) = (&wanted.asked, &seen.asked, seen.open) {
        effects.push(Effect::Ask(owners.clone()));
    }
    if let Some(check) = &wanted.check
        && wanted.check != seen.check
    {
        effects.push(Effect::PutCheck(check.clone()));
    }
    if let Some(says) = wanted.outcome
        && seen.outcome != Some(says)
    {
        effects.push(Effect::PutOutcome(says));
    }
    match (&wanted.check, wanted.merged && !seen.merged) {
        (Some(check), true) if seen.open => effects.push(Effect::Merge(check.head)),
        _ if seen.open && !wanted.open && !wanted.merged => effects.push(Effect::Close),
        _ => {}
    }
    effects
}

/// People and teams, as GitHub asks for them.
pub fn split(owners: &BTreeSet<Owner>) -> (Vec<&PersonName>, Vec<&TeamName>) {
    let mut people = Vec::new();
    let mut teams = Vec::new();
    for owner in owners {
        match owner {
            Owner::Person(person) => people.push(person),
            Owner::Team(team) => teams.push(team),
        }
    }
    (people, teams)
}

#[cfg(test)]
mod tests;
