//! The check run: what is still missing, by name, and what to do next.

use serde::Serialize;

use super::{
    RenderError,
    command::words,
    engine::{Page, fill},
    markdown::Markdown,
    outcome::headline,
    plain::plain,
    room::within_limit,
    rules::{mark, name, says, worst_first},
};
use crate::domain::{
    book::Full,
    case::{Case, Life},
    gate::{Because, Decision, Rule, Verdict},
    money::amount,
    policy::{Limit, Measure, MergeMode, Policy},
    publish::Beside,
};

/// How many rules and next steps are listed; the second when the first exceeds what GitHub takes.
const ROOM: [(usize, usize); 2] = [(500, 50), (30, 5)];

/// What a check run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckText {
    /// One line, as in `Waiting: 1 of 2 approvals`.
    pub title: String,
    /// Markdown: the next step, and every rule.
    pub summary: String,
}

#[derive(Serialize)]
struct CheckPage {
    summary: String,
    next: Vec<Markdown>,
    rules: Vec<RuleLine>,
    more: usize,
    commands: Option<Markdown>,
}

impl Page for CheckPage {
    const NAME: &'static str = "check.md";
}

#[derive(Serialize)]
struct RuleLine {
    name: &'static str,
    mark: Markdown,
    says: Markdown,
}

/// What the check run of a case says: the next step by name, and how every rule stands.
///
/// `beside` is a limit that has no room for what is approved, or what its executor lacks.
pub fn check(
    case: &Case,
    decision: &Decision,
    policy: &Policy,
    beside: Beside<'_>,
) -> Result<CheckText, RenderError> {
    let approved = case.life == Life::Open && decision.verdict() == Verdict::Open;
    let beside = Some(beside).filter(|_| approved).unwrap_or_default();
    let live = matches!(case.life, Life::Open | Life::Merged);
    let told = decision
        .because()
        .iter()
        .filter(|one| live && one.rule != Rule::Life);
    let rules = worst_first(told);
    let line = |one: &&Because| RuleLine {
        name: name(one.rule),
        mark: Markdown::ours(mark(one.standing)),
        says: says(one, case, policy),
    };
    let summary = within_limit(ROOM, |(listed, steps)| {
        fill(&CheckPage {
            summary: plain(&case.proposal.summary),
            next: match (beside.full, beside.lacks) {
                (Some(full), _) => vec![no_room(full, case, policy)],
                (None, Some(lacks)) => vec![no_executor(lacks)],
                (None, None) => next(case, decision, policy).into_iter().take(steps).collect(),
            },
            rules: rules.iter().take(listed).map(line).collect(),
            more: rules.len().saturating_sub(listed),
            commands: commands(case),
        })
    })?;
    Ok(CheckText {
        title: match (beside.full, beside.lacks) {
            (Some(_), _) => "Approved, waiting: no room in a limit".to_owned(),
            (None, Some(_)) => "Approved, waiting: it could not run".to_owned(),
            (None, None) => title(case, decision),
        },
        summary,
    })
}

/// What owners may write below the pull request besides reviewing it.
fn commands(case: &Case) -> Option<Markdown> {
    let batch = case.life == Life::Open && case.left_in().nth(1).is_some();
    batch.then(|| {
        Markdown::ours("An owner who may approve leaves items out with a comment: ")
            .then(&Markdown::code("/exclude 3,7 why"))
            .and(". Nothing else changes, and approvals stay.")
    })
}

fn title(case: &Case, decision: &Decision) -> String {
    if !matches!(case.life, Life::Open | Life::Merged) {
        return headline(case.life).to_owned();
    }
    let worst = decision.against().map(|one| one.standing).max();
    let against = decision.against().find(|one| Some(one.standing) == worst);
    match (decision.verdict(), against) {
        (Verdict::Open, _) => "Approved".to_owned(),
        (Verdict::Waiting, Some(one)) => match (one.have, one.need) {
            (Some(have), Some(need)) => {
                format!(
                    "Waiting: {have} of {need} approval{}",
                    if need == 1 { "" } else { "s" }
                )
            }
            (Some(_) | None, Some(_) | None) => format!("Waiting: {}", name(one.rule).to_lowercase()),
        },
        (Verdict::Blocked, Some(one)) => format!("Blocked: {}", name(one.rule).to_lowercase()),
        (Verdict::Errored, Some(one)) => format!("Can't tell yet: {}", name(one.rule).to_lowercase()),
        (Verdict::Waiting, None) => "Waiting".to_owned(),
        (Verdict::Blocked, None) => "Blocked".to_owned(),
        (Verdict::Errored, None) => "Can't tell yet".to_owned(),
    }
}

/// What keeps the executor from running what is approved.
fn no_executor(lacks: &str) -> Markdown {
    Markdown::ours("Approved, and it could not run as things stand: ")
        .then(&words(lacks))
        .and(". It is merged once whoever operates Countersign put that right.")
}

/// Which limit what is approved waits for, what it holds, and until when.
fn no_room(full: &Full, case: &Case, policy: &Policy) -> Markdown {
    let action = policy.action(&case.proposal.binding.operation);
    let mut limits = action.into_iter().flat_map(|action| action.limits());
    let currency = limits.find(|limit| limit.name() == full.limit).and_then(currency);
    let much = |number: i64| match currency {
        Some(currency) => Markdown::prose(&amount(number, currency)),
        None => Markdown::prose(&number.to_string()),
    };
    let text = Markdown::ours("Approved, and limit ")
        .then(&Markdown::code(&full.limit))
        .and(" has no room yet: ")
        .then(&much(full.ran))
        .and(" of ")
        .then(&much(full.max))
        .and(" ran within ")
        .then(&Markdown::span(full.per))
        .and(", and this adds ")
        .then(&much(full.adds));
    match full.frees_at {
        Some(at) => text
            .and(". The window frees room at ")
            .then(&Markdown::time(at))
            .and("; Countersign looks again then, while the approvals count"),
        None if full.adds > full.max => text.and(". It never has room for that; the agent asks for less"),
        None => text.and("; Countersign looks again while the approvals count"),
    }
    .and(". Merged before then, it does not run.")
}

fn currency(limit: &Limit) -> Option<&str> {
    match limit.measure() {
        Measure::Budget { currency, .. } => currency.as_ref().map(|(_, code)| code.as_str()),
        Measure::Rate => None,
    }
}

/// What to do next; the worst first.
fn next(case: &Case, decision: &Decision, policy: &Policy) -> Vec<Markdown> {
    match case.life {
        Life::Open | Life::Merged => {}
        Life::Received
        | Life::Started
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
        | Life::RefusedAfterMerge => return vec![Markdown::ours(headline(case.life)).and(".")],
    }
    if decision.verdict() == Verdict::Open {
        let merge = policy.gate(case.tier()).merge();
        return vec![match (case.life, merge) {
            (Life::Merged, _) => Markdown::ours("Approved and merged; it runs next."),
            (_, MergeMode::Auto) => Markdown::ours("Approved. Countersign merges it now and runs it."),
            (_, MergeMode::Manual) => {
                Markdown::ours("Approved. Somebody who did not approve merges it; then it runs.")
            }
        }];
    }
    let worst = decision.against().map(|one| one.standing).max();
    decision
        .against()
        .filter(|one| Some(one.standing) == worst)
        .map(|one| {
            Markdown::ours(name(one.rule))
                .and(": ")
                .then(&says(one, case, policy))
                .and(".")
        })
        .collect()
}
