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
    receive::undone_until,
    rollback::Undo,
};

/// How many items are listed, those that did not run first, and the room of a note in characters; the ledger has it
/// all. The second when the first exceeds what GitHub takes.
const ROOM: [(usize, usize); 2] = [(500, 300), (50, 150)];

#[derive(Serialize)]
struct OutcomePage {
    headline: &'static str,
    /// Which call of how many was made last, while it runs.
    progress: Option<Markdown>,
    summary: String,
    what: Markdown,
    reason: Option<String>,
    steps: Vec<StepLine>,
    more: u64,
    statuses: bool,
    notes: bool,
    /// Whom and what it touched, as it was found right before it ran.
    affected: Option<Markdown>,
    /// What it takes back.
    rolls_back: Option<String>,
    /// What takes it back, and where that stands.
    undo: Option<Markdown>,
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

/// What became of a case; `undo` is what takes it back.
pub fn outcome(case: &Case, policy: &Policy, undo: Option<Undo>) -> Result<String, RenderError> {
    within_limit(ROOM, |(listed, note)| {
        fill(&page(case, policy, undo, (listed, note)))
    })
}

fn page(case: &Case, policy: &Policy, undo: Option<Undo>, (listed, note): (usize, usize)) -> OutcomePage {
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
        progress: case
            .progress
            .filter(|_| case.life == Life::Started)
            .map(|(number, of)| {
                Markdown::ours("Step ")
                    .then(&Markdown::count(u64::from(number)))
                    .and(" of ")
                    .then(&Markdown::count(u64::from(of)))
                    .and(" is taken.")
            }),
        summary: plain(&case.proposal.summary),
        what: replaced(case).unwrap_or_else(|| what(case)),
        reason: reason.map(|reason| shortened(reason, 2 * note)),
        steps: lines,
        more: u64::try_from(more).unwrap_or(u64::MAX),
        statuses: steps.iter().any(|step| step.status.is_some()),
        notes,
        affected: ran.then(|| affected(case)).flatten(),
        rolls_back: case.proposal.binding.rolls_back.map(|id| id.to_string()),
        undo: undo.map(undone),
        taking_back: (ran && !undo.is_some_and(|undo| undo.stands())).then(|| taking_back(case, action)),
        key: case
            .started
            .as_ref()
            .filter(|_| unsettled)
            .map(|started| started.idempotency_key.clone()),
        merge: case.merged.as_ref().map(|merged| merged.sha.short()),
        informed: action.and_then(|action| informed(action, policy)),
    }
}

/// How it can be taken back, and until when.
fn taking_back(case: &Case, action: Option<&Action>) -> Markdown {
    let by = action.and_then(|action| action.undoing().map(|(by, _)| (action, by)));
    let Some((action, by)) = by else {
        return words::taking_back(action);
    };
    let until = case.ran_at.and_then(|at| undone_until(action, at));
    let until = until.map_or_else(Markdown::default, |until| {
        Markdown::ours(", until ").then(&Markdown::time(until))
    });
    Markdown::ours("To take it back, comment ")
        .then(&Markdown::code("/rollback"))
        .and(" and why below")
        .then(&until)
        .and(": that makes a proposal of ")
        .then(&Markdown::code(by.as_str()))
        .and(", which others approve.")
}

/// What takes it back, and where that stands.
fn undone(undo: Undo) -> Markdown {
    let by = match undo.pull {
        Some(pull) => Markdown::pull(pull)
            .and(", proposal ")
            .then(&Markdown::code(&undo.by.to_string())),
        None => Markdown::ours("proposal ").then(&Markdown::code(&undo.by.to_string())),
    };
    let stands = match undo.life {
        Life::Executed => "**Rolled back** by ",
        Life::Partial => "**Rolled back in part** by ",
        life if life.ended() => "**Not rolled back**: it was to be, by ",
        _ => "To be **rolled back** by ",
    };
    Markdown::ours(stands)
        .then(&by)
        .and(", which is ")
        .then(&Markdown::prose(&undo.life.as_str().replace('_', " ")))
        .and(".")
}

/// Whom and what it touched: the sum over all items that were left in, as far as it was found.
fn affected(case: &Case) -> Option<Markdown> {
    let not_run = case.not_run();
    let seen = case.proposal.observed.iter();
    let ran = seen.filter(|seen| !not_run.contains(&seen.item));
    let counts: Vec<u64> = ran.filter_map(|seen| seen.facts.affected.count).collect();
    let sum = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    (!counts.is_empty()).then(|| match sum {
        1 => Markdown::ours("It affected 1 record."),
        _ => Markdown::ours("It affected ")
            .then(&Markdown::count(sum))
            .and(" records."),
    })
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
