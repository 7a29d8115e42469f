//! `report.md`: everything an approver reads, and the pull request's body verbatim. INVARIANT i26.

mod approval;
mod dry_run;
mod origin;
mod parameters;
mod seen;
mod since;

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
    plain::plain,
    title::label,
    words,
};
use crate::domain::{
    assess::Assessment,
    checks::{CheckResult, Level, Problem, text},
    ids::{AccountId, BranchName, PersonName, PullNumber},
    policy::{Person, Policy, Tier},
    proposal::Proposal,
};

/// The longest body of a pull request, in characters.
pub const MAX_BODY: usize = 65_536;
/// The first line's room.
const LABEL: usize = 76;

/// The check that looks for text that deceives.
const TEXT: &str = "text";

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportFacts<'a> {
    /// The proposal.
    pub proposal: &'a Proposal,
    /// Its tier and what the checks found.
    pub assessment: &'a Assessment,
    /// The rules it is proposed under.
    pub policy: &'a Policy,
    /// The branch it would be merged into.
    pub base: &'a BranchName,
    /// What it replaces.
    pub replaces: Option<Replaced<'a>>,
    /// The pull request of what it takes back, if that had one.
    pub taken_back: Option<PullNumber>,
}

/// A proposal that another one takes the place of.
#[derive(Debug, Clone, Copy)]
pub struct Replaced<'a> {
    /// The proposal.
    pub proposal: &'a Proposal,
    /// Its pull request, if it had one.
    pub pull: Option<PullNumber>,
    /// The accounts of whoever changed it or its descent by a comment, and so approves nothing of it. INVARIANT i08.
    pub co_writers: &'a BTreeSet<AccountId>,
}

#[derive(Serialize)]
struct ReportPage {
    label: String,
    in_full: Option<String>,
    tier: &'static str,
    tier_word: String,
    low: bool,
    why: Markdown,
    deadline: Markdown,
    not_before: Option<Markdown>,
    since: Option<since::Since>,
    /// What it takes back, and for whom.
    taken_back: Option<Markdown>,
    action: String,
    purpose: Option<String>,
    system: String,
    resources: Vec<String>,
    parameters: parameters::Parameters,
    seen: seen::SeenFacts,
    dry_run: Option<dry_run::Answer>,
    checks: Vec<CheckLine>,
    approval: approval::Approval,
    taking_back: Markdown,
    origin: origin::Origin,
    said: origin::Said,
    action_digest: String,
    policy_digest: String,
    proposal: String,
}

impl Page for ReportPage {
    const NAME: &'static str = "report.md";
}

#[derive(Serialize)]
struct CheckLine {
    name: String,
    result: &'static str,
    problems: Vec<ProblemLine>,
}

#[derive(Serialize)]
struct ProblemLine {
    at: Option<String>,
    found: String,
    remedy: Option<String>,
}

/// The report: facts first, the agent's own words last, fenced and labelled.
///
/// The same facts always give the same bytes. Errors: a text longer than [`MAX_BODY`]; it is never cut.
pub fn report(facts: &ReportFacts<'_>) -> Result<String, RenderError> {
    let ReportFacts {
        proposal,
        assessment,
        policy,
        base,
        replaces,
        taken_back,
    } = facts;
    let binding = &proposal.binding;
    let action = policy.action(&binding.operation);
    let own = proposal.proof.co_writers().map(|(_, account)| account);
    let co_writers = replaces.iter().flat_map(|old| old.co_writers);
    let co_writers: BTreeSet<&PersonName> = co_writers
        .copied()
        .chain(own)
        .filter_map(|account| policy.person_of(account))
        .map(Person::name)
        .collect();
    let label = label(proposal, LABEL);
    let summary = plain(&proposal.summary);
    let page = ReportPage {
        in_full: (!label.starts_with(&summary)).then_some(summary),
        label,
        tier: words::tier(assessment.tier),
        tier_word: assessment.tier.to_string(),
        low: assessment.tier == Tier::Low,
        why: words::why(proposal, assessment, policy),
        deadline: Markdown::time(proposal.expires_at),
        not_before: (binding.valid.from > proposal.created_at).then(|| Markdown::time(binding.valid.from)),
        since: replaces.as_ref().map(|old| since::since(old, proposal)),
        taken_back: proposal
            .proof
            .rolled_back()
            .map(|rolled| origin::taken_back(rolled, *taken_back)),
        action: binding.operation.to_string(),
        purpose: action.map(|action| action.summary().to_owned()),
        system: binding.target.system.clone(),
        resources: resources(proposal, policy),
        parameters: parameters::parameters(proposal),
        seen: seen::seen(proposal, action),
        dry_run: dry_run::answer(proposal, action),
        checks: checks(proposal, assessment),
        approval: approval::approval(proposal, assessment.tier, policy, base, &co_writers),
        taking_back: words::taking_back(action),
        origin: origin::origin(proposal),
        said: origin::said(proposal),
        action_digest: proposal.action_digest().to_string(),
        policy_digest: policy.digest().to_string(),
        proposal: proposal.id.to_string(),
    };
    let text = fill(&page)?;
    let have = text.chars().count();
    if have > MAX_BODY {
        return Err(RenderError::TooLong {
            what: "report.md",
            have,
            max: MAX_BODY,
        });
    }
    Ok(text)
}

/// The resource of each item, each once.
fn resources(proposal: &Proposal, policy: &Policy) -> Vec<String> {
    let binding = &proposal.binding;
    let action = policy.action(&binding.operation);
    let mut all: Vec<String> = Vec::new();
    for item in &binding.items {
        let path = action.and_then(|action| action.resource().path(&item.parameters).ok());
        let path = path.unwrap_or_else(|| binding.target.resource.clone());
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

/// Every check's result. Text that deceives is flagged even where the catalog does not ask for the check.
fn checks(proposal: &Proposal, assessment: &Assessment) -> Vec<CheckLine> {
    let mut lines: Vec<CheckLine> = assessment.checks.iter().map(check_line).collect();
    if !assessment.checks.iter().any(|check| check.check.as_str() == TEXT) {
        let problems = text::deceiving(&proposal.matter());
        if !problems.is_empty() {
            lines.push(CheckLine {
                name: TEXT.to_owned(),
                result: "look closely (the catalog does not require this check)",
                problems: problems.iter().map(problem_line).collect(),
            });
        }
    }
    lines
}

fn problem_line(problem: &Problem) -> ProblemLine {
    ProblemLine {
        at: (!problem.at.is_empty()).then(|| problem.at.clone()),
        found: problem.found.clone(),
        remedy: (!problem.remedy.is_empty()).then(|| problem.remedy.clone()),
    }
}

fn check_line(check: &CheckResult) -> CheckLine {
    CheckLine {
        name: check.check.to_string(),
        result: level(check.level),
        problems: check.problems.iter().map(problem_line).collect(),
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Pass => "passed",
        Level::Warn => "look closely",
        Level::Deny => "failed, keeps the gate shut",
        Level::Errored => "could not run, keeps the gate shut",
    }
}
