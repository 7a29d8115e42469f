//! What a pull request should show, and the smallest effects that make it so.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    book::Full,
    canonical::digest_of,
    case::{Case, Life},
    entry::{Finished, VoidReason},
    gate::Decision,
    ids::{AccountId, Digest, PersonName, ProposalId, PullNumber, Sha, TeamName},
    policy::{Account, MergeMode, Owned, Owner, Person, Policy},
    rollback::Undo,
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
    /// Who else is asked since the matter was escalated, and the accounts by which they would answer; as seen: those of
    /// them whom nobody asked and who said nothing yet.
    pub further: BTreeMap<Owner, BTreeSet<AccountId>>,
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
    /// Somebody can still open it, or a limit has room later.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<&'a Full>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lacks: Option<&'a str>,
}

#[derive(Serialize)]
struct OutcomeSays<'a> {
    life: Life,
    refused: &'a Option<String>,
    finished: &'a Option<Finished>,
    voided: &'a Option<VoidReason>,
    merged: Option<Sha>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<ProposalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Undo>,
}

/// What is shown of a case and stands elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// A limit that has no room for it to run: what is approved waits for that, and nobody should merge it meanwhile.
    /// INVARIANT i15.
    pub full: Option<&'a Full>,
    /// What the executor lacks to run it, in words: nobody should merge it meanwhile either. INVARIANT i15.
    pub lacks: Option<&'a str>,
    /// What takes it back.
    pub undo: Option<Undo>,
}

/// What a case's pull request should show; `None` when it has none, or without canonical form.
pub fn wanted(case: &Case, decision: &Decision, policy: &Policy, beside: Beside<'_>) -> Option<Published> {
    let opened = case.opened.as_ref()?;
    let verdict = decision.verdict();
    let approved = case.life == Life::Open && verdict == Verdict::Open;
    let full = beside.full.filter(|_| approved);
    let lacks = beside.lacks.filter(|_| approved);
    let waits = full.is_some() || lacks.is_some();
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
        full,
        lacks,
    })
    .ok()?;
    let says_outcome = OutcomeSays {
        life: case.life,
        refused: &case.refused,
        finished: &case.finished,
        voided: &case.voided,
        merged: case.merged.as_ref().map(|merged| merged.sha),
        replaced_by: case.replaced_by,
        progress: case.progress.filter(|_| case.life == Life::Started),
        undo: beside.undo,
    };
    let outcome = if matches!(case.life, Life::Received | Life::Open) {
        None
    } else {
        Some(digest_of(&says_outcome).ok()?)
    };
    let automatic = policy.gate(case.tier()).merge() == MergeMode::Auto;
    let to_merge = approved && automatic && !waits;
    Some(Published {
        pull: opened.pull,
        open: case.life == Life::Open && !to_merge,
        title: opened.title,
        body: case.presentation?,
        check: Some(CheckShown {
            head: opened.head,
            conclusion: if waits {
                Conclusion::ActionRequired
            } else {
                conclusion(case.life, verdict)
            },
            says,
        }),
        asked: if case.life == Life::Open {
            asked(case, policy)
        } else {
            Asked::Somebody
        },
        further: if case.life == Life::Open && case.escalated {
            further(case, policy)
        } else {
            BTreeMap::new()
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

/// The owners; and, asked without being needed, whom the catalog wants consulted and who reviewed what it replaces.
fn asked(case: &Case, policy: &Policy) -> Asked {
    let mut owners = owners(case, policy);
    if owners.is_empty() {
        return Asked::Somebody;
    }
    let action = policy.action(&case.proposal.binding.operation);
    let consulted = action.into_iter().flat_map(|action| action.raci().consulted());
    let before = case
        .reviewed_before
        .iter()
        .filter_map(|account| policy.person_of(*account));
    let before = before.map(|person| Owner::Person(person.name().clone()));
    let others = consulted.map(Owner::from).chain(before);
    owners.extend(others.filter(|owner| may(case, policy, owner)));
    Asked::These(owners)
}

/// Those of the owners who may approve: all but the sponsor and whoever changed or edited it. INVARIANT i08.
fn owners(case: &Case, policy: &Policy) -> BTreeSet<Owner> {
    let binding = &case.proposal.binding;
    let owned = policy.owned(&binding.operation, &binding.items);
    let owners = owned.iter().flat_map(Owned::owners);
    owners.filter(|owner| may(case, policy, owner)).cloned().collect()
}

fn may(case: &Case, policy: &Policy, owner: &Owner) -> bool {
    let Owner::Person(name) = owner else { return true };
    let hands = || case.co_writers.iter().chain(case.edited.keys());
    let had_a_hand = |person: &Person| hands().any(|account| person.has_account(*account));
    *name != case.proposal.binding.sponsor && !policy.person(name).is_some_and(had_a_hand)
}

/// Whom an escalation asks besides: who stands in for the owners, and who is accountable. They are asked to look after
/// it; what opens the gate stays the same.
fn further(case: &Case, policy: &Policy) -> BTreeMap<Owner, BTreeSet<AccountId>> {
    let owners = owners(case, policy);
    let sponsor = &case.proposal.binding.sponsor;
    let owns = |person: &&Person| person.name() != sponsor && owners.iter().any(|owner| is_of(person, owner));
    let stand_ins = policy.people().filter(owns).flat_map(Person::stand_ins);
    let action = policy.action(&case.proposal.binding.operation);
    let accountable = action.map(|action| Owner::from(action.raci().accountable()));
    let all = stand_ins.cloned().map(Owner::Person).chain(accountable);
    all.filter(|owner| may(case, policy, owner) && !owners.contains(owner))
        .map(|owner| {
            let people = policy.people().filter(|person| is_of(person, &owner));
            let accounts = people.flat_map(Person::accounts).map(Account::id).collect();
            (owner, accounts)
        })
        .collect()
}

fn is_of(person: &Person, owner: &Owner) -> bool {
    match owner {
        Owner::Person(name) => name == person.name(),
        Owner::Team(team) => person.teams().contains(team),
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
    let further: BTreeSet<Owner> = seen
        .further
        .keys()
        .filter(|owner| wanted.further.contains_key(owner))
        .cloned()
        .collect();
    if seen.open && !further.is_empty() {
        effects.push(Effect::Ask(further));
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
