//! The outcome comment, edited in place: what became of a proposal, item by item.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
    plain::plain,
    room::{shortened, within_limit},
    words,
};
use crate::domain::{
    case::{Case, Life},
    entry::{Outcome, StepResult, VoidReason},
    ids::Login,
    policy::{Action, Party, Policy},
};

/// How many items are listed, those that did not run first, and the room of a note in characters; the ledger has it
/// all. The second when the first exceeds what GitHub takes.
const ROOM: [(usize, usize); 2] = [(500, 300), (50, 150)];

#[derive(Serialize)]
struct OutcomePage {
    headline: &'static str,
    summary: String,
    what: Markdown,
    reason: Option<String>,
    steps: Vec<StepLine>,
    more: u64,
    statuses: bool,
    notes: bool,
    taking_back: Option<Markdown>,
    key: Option<String>,
    merge: Option<String>,
    /// Who hears of it, as the catalog says.
    informed: Option<Markdown>,
}

impl Page for OutcomePage {
    const NAME: &'static str = "outcome.md";
}

#[derive(Serialize)]
struct StepLine {
    item: String,
    outcome: Markdown,
    status: Option<String>,
    note: Option<Markdown>,
}

/// What became of a case.
pub fn outcome(case: &Case, policy: &Policy) -> Result<String, RenderError> {
    within_limit(ROOM, |(listed, note)| fill(&page(case, policy, listed, note)))
}

fn page(case: &Case, policy: &Policy, listed: usize, note: usize) -> OutcomePage {
    let mut steps: Vec<&StepResult> = case.results().iter().collect();
    let more = steps.len().saturating_sub(listed);
    if more > 0 {
        steps.sort_by_key(|step| step.outcome == Outcome::Executed);
        steps.truncate(listed);
    }
    let ran = matches!(case.life, Life::Executed | Life::Partial);
    let action = policy.action(&case.proposal.binding.operation);
    let unsettled = matches!(case.life, Life::Unknown | Life::Errored | Life::Partial);
    let reason = case.refused.as_deref().filter(|reason| !reason.trim().is_empty());
    let mut lines: Vec<StepLine> = steps.iter().map(|step| step_line(step, note)).collect();
    lines.extend(excluded(case, policy, note).take(listed.saturating_sub(lines.len())));
    let notes = lines.iter().any(|line| line.note.is_some());
    OutcomePage {
        headline: headline(case.life),
        summary: plain(&case.proposal.summary),
        what: replaced(case).unwrap_or_else(|| what(case)),
        reason: reason.map(|reason| shortened(reason, 2 * note)),
        steps: lines,
        more: u64::try_from(more).unwrap_or(u64::MAX),
        statuses: steps.iter().any(|step| step.status.is_some()),
        notes,
        taking_back: ran.then(|| words::taking_back(action)),
        key: case
            .started
            .as_ref()
            .filter(|_| unsettled)
            .map(|started| started.idempotency_key.clone()),
        merge: case.merged.as_ref().map(|merged| merged.sha.short()),
        informed: action.and_then(|action| informed(action, policy)),
    }
}

/// Mentions of everyone whom the catalog wants informed; nothing when that is nobody. A team is named where nobody
/// knows its organization.
fn informed(action: &Action, policy: &Policy) -> Option<Markdown> {
    let parties = action.raci().informed().iter();
    let organization: Option<Login> = policy.owners().organization().and_then(|name| name.parse().ok());
    let mention = |party: &Party| match (party, &organization) {
        (Party::Person(name), _) => {
            let account = policy.person(name).and_then(|person| person.accounts().first());
            account.map_or_else(
                || Markdown::prose(name.as_str()),
                |account| Markdown::mention(account.login()),
            )
        }
        (Party::Team(team), Some(organization)) => Markdown::mention_team(organization, team),
        (Party::Team(team), None) => Markdown::prose(team.as_str()),
    };
    let all = Markdown::joined(parties.map(mention), ", ");
    (!all.is_empty()).then_some(all)
}

/// What approvers took out of what ran, and why.
fn excluded(case: &Case, policy: &Policy, room: usize) -> impl Iterator<Item = StepLine> {
    let all = case.excluded.iter().filter(|_| case.started.is_some());
    all.flat_map(move |excluded| {
        let by = policy.person_of(excluded.heard.account);
        let by = by.map_or_else(|| excluded.heard.account.to_string(), |by| by.name().to_string());
        let note = Markdown::prose(&by)
            .and(": ")
            .then(&Markdown::code(&shortened(&excluded.reason, room)));
        excluded.items.iter().map(move |item| StepLine {
            item: item.to_string(),
            outcome: Markdown::ours("excluded"),
            status: None,
            note: Some(note.clone()),
        })
    })
}

fn step_line(step: &StepResult, room: usize) -> StepLine {
    StepLine {
        item: match &step.step {
            Some(name) => format!("{}, {name}", step.item),
            None => step.item.to_string(),
        },
        outcome: Markdown::ours(match step.outcome {
            Outcome::Executed if step.undo => "undone",
            Outcome::Refused | Outcome::Errored if step.undo => "**not undone**",
            Outcome::Executed => "ran",
            Outcome::Refused => "**refused**",
            Outcome::Errored => "**failed**",
            Outcome::Undone => "**failed, undone**",
            Outcome::Partial => "**ran in part**",
        }),
        status: step.status.map(|status| status.to_string()),
        note: step
            .note
            .as_deref()
            .map(|note| Markdown::code(&shortened(note, room))),
    }
}

/// What became of it, in a few words.
pub(super) const fn headline(life: Life) -> &'static str {
    match life {
        Life::Received => "Received",
        Life::Open => "Open for approval",
        Life::Merged => "Approved and merged, runs next",
        Life::Started => "Running now",
        Life::Unknown => "Unknown: it may or may not have run",
        Life::Executed => "Done: it ran",
        Life::Refused => "Not done: the target system refused it",
        Life::Errored => "Failed",
        Life::Undone => "Failed, and undone",
        Life::Partial => "Done in part",
        Life::Voided => "Void: it did not run",
        Life::Denied => "Denied: it did not run",
        Life::Expired => "Expired: it did not run",
        Life::Cancelled => "Cancelled: it did not run",
        Life::Superseded => "Replaced: it did not run",
        Life::Bypassed => "Merged around the gate: it did not run",
        Life::PolicyChanged => "The rules changed: it did not run",
        Life::RefusedAfterMerge => "Refused after the merge: it did not run",
    }
}

/// What took its place.
fn replaced(case: &Case) -> Option<Markdown> {
    let by = Markdown::code(&case.replaced_by?.to_string());
    Some(
        Markdown::ours("Proposal ")
            .then(&by)
            .and(" takes its place, in a pull request of its own."),
    )
}

/// What that means, and the next step.
fn what(case: &Case) -> Markdown {
    Markdown::ours(match case.life {
        Life::Received | Life::Open => "Nothing ran so far.",
        Life::Merged => "Nothing ran so far; Countersign looks once more and starts it.",
        Life::Started => "This comment changes when it ends.",
        Life::Unknown => {
            "It was started and nobody heard how it ended. It is never tried again by itself: look in the target system, \
             then settle it."
        }
        Life::Executed => "It ran once, exactly as approved.",
        Life::Refused => "Nothing changed. The agent may correct it and propose it anew.",
        Life::Errored => {
            "Something may have happened: look in the target system before anybody proposes it anew."
        }
        Life::Undone => "What had run was undone. The agent may propose it anew.",
        Life::Partial => "Some items ran and some did not. The agent may propose the others anew.",
        Life::Voided => match case.voided {
            Some(VoidReason::ForeignHead) => {
                "Somebody else moved the branch, so that it is not what was proposed. The agent may propose it anew."
            }
            Some(VoidReason::ForeignBase) => {
                "Somebody pointed the pull request at another branch. The agent may propose it anew."
            }
            Some(VoidReason::Changed) => {
                "What was observed has changed since it was proposed; it must be proposed again."
            }
            Some(VoidReason::Gone) => {
                "The pull request or its branch is gone. The agent may propose it anew."
            }
            Some(VoidReason::Rules) => {
                "Other rules came into force before it was merged. The agent may propose it anew."
            }
            None => "It is not what was proposed any more. The agent may propose it anew.",
        },
        Life::Denied => "Somebody closed it without a merge. That was a no.",
        Life::Expired => {
            "Nobody approved it in time. That is neither a yes nor a no; the agent may propose it anew."
        }
        Life::Cancelled => "Its agent took it back.",
        Life::Superseded => "A later proposal takes its place.",
        Life::Bypassed => {
            "It was merged without the approvals it needs. It will not run, and this was recorded as an incident."
        }
        Life::PolicyChanged => {
            "The rules in force are not the ones it was approved under. It will not run; the agent may propose it anew."
        }
        Life::RefusedAfterMerge => {
            "The last look before the start said no. It will not run; the agent may propose it anew."
        }
    })
}
