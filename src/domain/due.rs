//! What time alone brings about: reminders, escalation, expiry. Silence never approves. INVARIANT i10, i12.
//!
//! Reminders and escalation count the working hours of those who must approve: they are due when the first of them had
//! that much time to answer, so that nobody is waited for whose colleague was at work. Expiry is a safety limit and
//! runs on the wall's clock.

use std::collections::BTreeSet;

use super::{
    case::{Case, Life},
    entry::{Digests, Draft, Event, Expired, Reminded, Role},
    ids::{Span, Timestamp},
    policy::{Owner, Person, Policy},
};

impl Draft {
    /// A draft about a case, with the case's digests.
    pub fn about(case: &Case, role: Role, event: Event, time: Timestamp) -> Self {
        Self {
            role,
            person: None,
            agent: None,
            time,
            proposal: Some(case.proposal.id),
            digests: Digests::of(case),
            event,
            grouped: false,
        }
    }
}

impl Digests {
    /// The digests of a case.
    pub fn of(case: &Case) -> Self {
        Self {
            action: Some(case.proposal.action_digest()),
            presentation: case.presentation,
            policy: Some(case.policy),
            plan: None,
        }
    }
}

/// The drafts that are due at a time.
pub fn due(case: &Case, policy: &Policy, now: Timestamp) -> Vec<Draft> {
    let draft = |event| Draft::about(case, Role::Gate, event, now);
    match case.life {
        Life::Received | Life::Open if now >= case.proposal.expires_at => {
            vec![draft(Event::Expired(Expired {
                at: case.proposal.expires_at,
            }))]
        }
        Life::Open => {
            let gate = policy.gate(case.tier());
            let Some(opened) = case.opened_at else {
                return Vec::new();
            };
            let since = |span: Span| now >= opened.plus(span) && worked(case, policy, opened, now, span);
            let mut drafts = Vec::new();
            if let Some(span) = gate.remind_after().filter(|span| !case.reminded && since(*span)) {
                drafts.push(draft(Event::Reminded(Reminded { open_for: span })));
            }
            if let Some(span) = gate
                .escalate_after()
                .filter(|span| !case.escalated && since(*span))
            {
                drafts.push(draft(Event::Escalated(Reminded { open_for: span })));
            }
            drafts
        }
        _ => Vec::new(),
    }
}

/// Whether the first of those who must approve has worked for a span since the opening; somebody without a calendar
/// always works, and so it is where nobody is known.
fn worked(case: &Case, policy: &Policy, opened: Timestamp, now: Timestamp, span: Span) -> bool {
    let enough = |person: &&Person| {
        person
            .working_hours()
            .is_none_or(|hours| hours.business_time(opened, now) >= span.millis())
    };
    let people = approvers(case, policy);
    people.is_empty() || people.iter().any(enough)
}

/// Everyone who must approve, or could for their team; the sponsor never may.
fn approvers<'p>(case: &Case, policy: &'p Policy) -> Vec<&'p Person> {
    let binding = &case.proposal.binding;
    let owned = policy.owned(&binding.operation, &binding.items);
    let sets = owned
        .iter()
        .flat_map(|owned| owned.items())
        .flat_map(|item| item.requirements.sets());
    let owners: BTreeSet<&Owner> = sets
        .filter(|set| !set.is_optional())
        .flat_map(|set| set.owners())
        .collect();
    let owns = |person: &Person| {
        owners.iter().any(|owner| match owner {
            Owner::Person(name) => name == person.name(),
            Owner::Team(team) => person.teams().contains(team),
        })
    };
    policy
        .people()
        .filter(|person| *person.name() != binding.sponsor && owns(person))
        .collect()
}

#[cfg(test)]
mod tests;
