//! A decision as a tree: what holds, what is missing, and what would satisfy it.

use std::io::{self, Write};

use crate::domain::{
    assess::TierRule,
    case::Case,
    checks::{CheckResult, Level, text::hazard},
    facts::Judged,
    gate::{Because, Decision, Rule, Standing},
    policy::Action,
};

/// Writes the decision on a recorded case.
pub(super) fn decided(out: &mut impl Write, case: &Case, decision: &Decision) -> io::Result<()> {
    let summary: String = case
        .proposal
        .summary
        .chars()
        .map(|c| {
            if hazard(c).is_some() || c == '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    writeln!(
        out,
        "{} {}: {summary}, {} tier",
        case.proposal.id,
        decision.verdict(),
        case.tier()
    )?;
    tree(out, decision.because(), &case.assessment.checks)
}

/// Writes the answer to facts.
pub(super) fn judged(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    writeln!(out, "{}, {} tier", judged.gate, judged.tier)?;
    tree(out, &judged.because, &judged.checks)
}

/// Writes one rule on a line of its own.
pub(super) fn rule(out: &mut impl Write, sign: char, because: &Because) -> io::Result<()> {
    writeln!(out, "{sign} {} {}", standing(because.standing), line(because))
}

fn tree(out: &mut impl Write, rules: &[Because], checks: &[CheckResult]) -> io::Result<()> {
    for (because, place) in rules.iter().zip(1..) {
        let (branch, trunk) = if place == rules.len() {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        writeln!(out, "{branch} {} {}", standing(because.standing), line(because))?;
        if because.standing > Standing::Holds && !because.could.is_empty() {
            writeln!(out, "{trunk}   could: {}", because.could.join(", "))?;
        }
        if because.rule == Rule::Checks {
            findings(out, trunk, checks)?;
        }
    }
    Ok(())
}

/// What checks found, and what would satisfy them.
fn findings(out: &mut impl Write, trunk: &str, checks: &[CheckResult]) -> io::Result<()> {
    for check in checks {
        for problem in check
            .problems
            .iter()
            .filter(|problem| problem.level > Level::Pass)
        {
            let (name, at, found) = (&check.check, &problem.at, &problem.found);
            writeln!(out, "{trunk}   {name} at {at}: {found}; {}", problem.remedy)?;
        }
    }
    Ok(())
}

/// Why a proposal of an action has a tier.
pub(super) fn reason(because: &TierRule, action: Option<&Action>) -> String {
    let condition = |number: usize| {
        let written = action.and_then(|action| action.escalate().get(number.checked_sub(1)?));
        let words = written.map_or_else(String::new, |written| format!(": {}", written.because()));
        format!("condition {number} of `escalate`{words}")
    };
    match because {
        TierRule::Rule(number) => format!("rule {number} of tiers.yaml"),
        TierRule::Escalated(number) => condition(*number),
        TierRule::Claimed(number) => format!("{} (by what the agent itself says)", condition(*number)),
        TierRule::Errored {
            condition: number,
            why,
        } => format!("{} has no answer: {why}", condition(*number)),
        TierRule::Limit(name) => format!("limit `{name}` is over"),
        TierRule::LimitsChanged => "its limits are not those of the catalog any more".into(),
        TierRule::UnknownAction => "the catalog does not know the action".into(),
        TierRule::SchemaChanged => "the catalog's parameters have changed".into(),
        TierRule::Resource => "a parameter can't stand in the resource".into(),
        TierRule::Corrected => "people amended it".into(),
        TierRule::Dispatches => "it has a workflow run, which takes longer than low tier may".into(),
        TierRule::RollsBack => "a person has something taken back".into(),
        TierRule::Thaws => "it ends a freeze".into(),
    }
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Noted => "noted  ",
        Standing::Holds => "holds  ",
        Standing::Missing => "missing",
        Standing::Blocks => "blocks ",
        Standing::Errored => "unknown",
    }
}

/// A rule and what it is about, without how it stands.
pub(super) fn line(because: &Because) -> String {
    let excepted = because.standing == Standing::Holds && !because.who.is_empty();
    let mut line = match because.rule {
        Rule::Checks if excepted => "every other check passed; departed from",
        rule => about(rule),
    }
    .to_owned();
    if let (Some(have), Some(need)) = (because.have, because.need) {
        line.push_str(&format!(", {have} of {need}"));
    }
    if !because.who.is_empty() {
        line.push_str(&format!(": {}", because.who.join(", ")));
    }
    line
}

/// What a rule is about, to be read after how it stands.
const fn about(rule: Rule) -> &'static str {
    match rule {
        Rule::Life => "the proposal has not ended",
        Rule::Policy => "the policy in force is the one it was received under",
        Rule::Assessment => "tier and checks are as recorded",
        Rule::Action => "the catalog knows the action, and its agent may propose it",
        Rule::Checks => "every check passed",
        Rule::Exception => "an exception from a check",
        Rule::NotExcepted => "an exception by somebody who may not grant it, or not any more",
        Rule::Excluded => "items that run, without those excluded",
        Rule::Expiry => "it can still be approved",
        Rule::NotBefore => "its window has begun",
        Rule::Freeze => "nobody stopped executions",
        Rule::ExecuteWithin => "it runs soon after its merge",
        Rule::Pull => "the pull request is the one that was opened, on its base branch",
        Rule::Head => "the head is the proposal's commit",
        Rule::Presentation => "title and text are as the bot wrote them",
        Rule::Commits => "its commits are the bot's alone",
        Rule::Preview => "the bot saw what is affected",
        Rule::DryRun => "the target said that it would do it",
        Rule::Protection => "base branch and ledger are protected",
        Rule::Clock => "the local clock and GitHub's agree",
        Rule::Owners => "every resource has owners",
        Rule::Approvals => "approvals by owners",
        Rule::ChangesRequested => "nobody asks for changes",
        Rule::StepUp => "the approvers' passkeys",
        Rule::SeparationOfDuties => "an approval by a party to the proposal",
        Rule::NotRecorded => "an approval not recorded when it was given, or not on this text",
        Rule::NotAPerson => "an account that is no person of the policy",
        Rule::NotAnOwner => "an approval by somebody who does not own it, or not any more",
        Rule::TooOld => "an approval that is too old",
        Rule::Compiles => "the new rules are rules",
        Rule::UpToDate => "the change begins at the rules in force",
        Rule::Scope => "nothing that only the bot writes changes",
        Rule::Landed => "what was merged is what was approved",
    }
}
