//! Who may approve, who never may, and what the gate needs.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    domain::{
        ids::{BranchName, PersonName},
        policy::{Approvers, MergeMode, Owner, OwnerSet, Policy, StepUp, Tier},
        proposal::Proposal,
    },
    render::markdown::Markdown,
};

#[derive(Serialize)]
pub(super) struct Approval {
    /// `2 approvals from different teams`; nothing for the low tier.
    needs: Option<Markdown>,
    groups: Vec<Group>,
    unowned: Vec<String>,
    never: Markdown,
    notes: Vec<Markdown>,
}

/// Owners of whom some must approve.
#[derive(Serialize)]
struct Group {
    /// `1 approval`; nothing when they are asked without being needed.
    needs: Option<Markdown>,
    /// `finance (alice, bob), treasury (carol)`.
    who: Markdown,
    /// The section of CODEOWNERS.
    section: Option<String>,
}

/// `co_writers` changed it, or what it descends from. INVARIANT i08.
pub(super) fn approval(
    proposal: &Proposal,
    tier: Tier,
    policy: &Policy,
    base: &BranchName,
    co_writers: &BTreeSet<&PersonName>,
) -> Approval {
    let gate = policy.gate(tier);
    let sponsor = &proposal.binding.sponsor;
    let mut parties = co_writers.clone();
    parties.insert(sponsor);
    let owned = policy.owned(&proposal.binding.operation, &proposal.binding.items);
    let unowned = match &owned {
        Some(owned) => owned.unowned(),
        None => vec![proposal.binding.target.resource.clone()],
    };
    let needs = match (tier, gate.from()) {
        (Tier::Low, Approvers::Owners) => None,
        (Tier::Medium | Tier::High, Approvers::Owners) => {
            Some(needs(gate.approvals(), gate.distinct_teams()))
        }
    };
    let mut notes = Vec::new();
    if let Some(span) = gate.approval_valid_for() {
        notes.push(
            Markdown::ours("An approval counts for ")
                .then(&Markdown::span(span))
                .and("."),
        );
    }
    match gate.step_up() {
        Some(StepUp::Passkey) => {
            notes.push(Markdown::ours("Each approver also confirms with a passkey."));
        }
        None => {}
    }
    let branch = Markdown::code(base.as_str());
    match (tier, gate.merge()) {
        (Tier::Low, MergeMode::Auto | MergeMode::Manual) => {}
        (Tier::Medium | Tier::High, MergeMode::Auto) => notes.push(
            Markdown::ours("Once approved, Countersign merges it into ")
                .then(&branch)
                .and(" and runs it, once."),
        ),
        (Tier::Medium | Tier::High, MergeMode::Manual) => notes.push(
            Markdown::ours("Once approved, somebody else merges it into ")
                .then(&branch)
                .and("; then it runs, once."),
        ),
    }
    notes.push(Markdown::ours(
        "Without approval in time it expires and does not run.",
    ));
    Approval {
        groups: if needs.is_some() {
            let sets = owned.iter().flat_map(|owned| owned.needs(gate.approvals()));
            sets.map(|(set, need)| Group {
                needs: (need > 0).then(|| self::needs(need, gate.distinct_teams())),
                who: who(set, &parties, policy),
                section: set.section().map(str::to_owned),
            })
            .collect()
        } else {
            Vec::new()
        },
        unowned: if needs.is_some() { unowned } else { Vec::new() },
        notes: if needs.is_some() { notes } else { Vec::new() },
        needs,
        never: Markdown::prose(sponsor.as_str())
            .and(" (sponsor of ")
            .then(&Markdown::prose(proposal.binding.agent.as_str()))
            .and(")")
            .then(&wrote(co_writers, proposal))
            .and(", bots, and whoever pushes to or merges this pull request"),
    }
}

/// `2 approvals from different teams`.
pub(super) fn needs(approvals: u8, distinct_teams: bool) -> Markdown {
    let count = Markdown::count(u64::from(approvals));
    match (approvals, distinct_teams) {
        (1, _) => count.and(" approval"),
        (_, false) => count.and(" approvals"),
        (_, true) => count.and(" approvals from different teams"),
    }
}

/// `, alice (amended it)`, or who asked for it.
fn wrote(co_writers: &BTreeSet<&PersonName>, proposal: &Proposal) -> Markdown {
    let how = match proposal.proof.rolled_back() {
        Some(_) => " (asked for it)",
        None => " (amended it)",
    };
    let all = co_writers.iter().map(|name| Markdown::prose(name.as_str()));
    all.fold(Markdown::default(), |said, name| {
        said.and(", ").then(&name).and(how)
    })
}

/// `finance (alice, bob), treasury (carol)`, without the parties.
fn who(set: &OwnerSet, parties: &BTreeSet<&PersonName>, policy: &Policy) -> Markdown {
    let mut all = Vec::new();
    for owner in set.owners() {
        match owner {
            Owner::Person(person) if parties.contains(person) => {}
            Owner::Person(person) => all.push(Markdown::prose(person.as_str())),
            Owner::Team(team) => {
                let members = policy
                    .people()
                    .filter(|person| person.teams().contains(team) && !parties.contains(person.name()))
                    .map(|person| Markdown::prose(person.name().as_str()));
                let members = Markdown::joined(members, ", ");
                let members = if members.is_empty() {
                    Markdown::ours("nobody left")
                } else {
                    members
                };
                let team = Markdown::ours("**")
                    .then(&Markdown::prose(team.as_str()))
                    .and("**");
                all.push(team.and(" (").then(&members).and(")"));
            }
        }
    }
    Markdown::joined(all, ", ")
}
