//! What time alone brings about: reminders, escalation, expiry. Silence never approves. INVARIANT i10, i12.

use super::{
    case::{Case, Life},
    entry::{Digests, Draft, Event, Expired, Reminded, Role},
    ids::{Span, Timestamp},
    policy::Policy,
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
            digests: Digests {
                action: Some(case.proposal.action_digest()),
                presentation: case.presentation,
                policy: Some(case.policy),
                plan: None,
            },
            event,
            grouped: false,
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
            let since = |span: Span| now >= opened.plus(span);
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
