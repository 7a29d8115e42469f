//! The check run: what is still missing, by name, and what to do next.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
    outcome::headline,
    plain::plain,
    room::within_limit,
    rules::{mark, name, says, worst_first},
};
use crate::domain::{
    case::{Case, Life},
    gate::{Because, Decision, Rule, Verdict},
    policy::{MergeMode, Policy},
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
pub fn check(case: &Case, decision: &Decision, policy: &Policy) -> Result<CheckText, RenderError> {
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
            next: next(case, decision, policy).into_iter().take(steps).collect(),
            rules: rules.iter().take(listed).map(line).collect(),
            more: rules.len().saturating_sub(listed),
            commands: commands(case),
        })
    })?;
    Ok(CheckText {
        title: title(case, decision),
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
