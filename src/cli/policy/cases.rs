//! `countersign policy test`: the cases of `policies/tests/`, and what they cover.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use miette::miette;
use serde::Serialize;

use super::{FAILED, FINDINGS, Failure, human, load};
use crate::{
    cli::paint,
    domain::{
        policy::{Action, Policy, Tier, cases},
        trial::{self, Coverage, Difference, Outcome, Part},
        verdict::{Because, Verdict},
    },
};

/// What is asked of the cases.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of the policy files
    #[arg(value_name = "DIR", default_value = "policies")]
    policies: PathBuf,
    /// Only cases whose name, action or file contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// An action, tier rule, escalation or check that no case covers makes the exit code 3
    #[arg(long, conflicts_with = "filter")]
    require_coverage: bool,
}

/// Everything, as `--json` writes it.
#[derive(Serialize)]
struct Report<'a> {
    passed: usize,
    failed: usize,
    cases: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<&'a Coverage>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    action: &'a str,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<Verdict>,
    checks: BTreeMap<&'a str, &'static str>,
    differences: &'a [Difference],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<&'a Because>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let files = load::files(&args.policies)?;
    let policy = load::compiled(&args.policies, &files)?;
    let (all, errors) = cases::read(&files, &policy);
    if !errors.is_empty() {
        return Err(load::errors(&errors, &args.policies, &files));
    }
    let wanted = |case: &&cases::Case| {
        let Some(text) = &args.filter else {
            return true;
        };
        [case.name.as_str(), case.propose.action.as_str(), &case.file]
            .iter()
            .any(|part| part.contains(text))
    };
    let outcomes: Vec<Outcome<'_>> = all
        .iter()
        .filter(wanted)
        .map(|case| trial::run(case, &policy))
        .collect();
    if outcomes.is_empty() {
        return Err(Failure::Files(vec![nothing_to_run(args, all.len())]));
    }
    // Some of the cases cover some of the rules: that says nothing.
    let coverage = args.filter.is_none().then(|| Coverage::of(&outcomes, &policy));
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    if args.json {
        let report = Report {
            passed: outcomes.len() - failed,
            failed,
            cases: outcomes.iter().map(line).collect(),
            coverage: coverage.as_ref(),
        };
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    } else {
        tell(&mut out, &outcomes, &policy)?;
        summary(&mut out, outcomes.len(), failed, coverage.as_ref())?;
    }
    out.flush()?;
    let covered = coverage.is_none_or(|coverage| coverage.is_complete());
    Ok(match (failed, covered) {
        (0, true) => ExitCode::SUCCESS,
        (0, false) if args.require_coverage => ExitCode::from(FINDINGS),
        (0, false) => ExitCode::SUCCESS,
        (_, _) => ExitCode::from(FAILED),
    })
}

fn nothing_to_run(args: &Args, all: usize) -> miette::Report {
    let folder = args.policies.join("tests");
    match &args.filter {
        Some(text) if all > 0 => miette!(
            help = "leave `--filter` out to run them all",
            "none of the {all} cases of `{}` has `{}` in its name, action or file",
            folder.display(),
            text.escape_debug()
        ),
        Some(_) | None => miette!(
            help = "write them as in the starter set, which `countersign init --policies-out DIR` makes",
            "there is no case in `{}`",
            folder.display()
        ),
    }
}

fn line<'a>(outcome: &'a Outcome<'a>) -> Line<'a> {
    let (case, judged) = (outcome.case, outcome.judged.as_ref());
    let checks = judged.into_iter().flat_map(|judged| &judged.checks);
    Line {
        name: &case.name,
        file: &case.file,
        line: case.mark.map(|mark| mark.place().line),
        action: case.propose.action.as_str(),
        passed: outcome.passed(),
        tier: judged.map(|judged| judged.tier),
        gate: judged.map(|judged| judged.gate),
        checks: checks
            .map(|result| (result.check.as_str(), trial::word(result.level)))
            .collect(),
        differences: &outcome.differences,
        because: if outcome.passed() {
            Vec::new()
        } else {
            outcome.against().collect()
        },
    }
}

/// The table of cases by action; below a failed one what differs, and the rules that decided.
fn tell(out: &mut impl Write, outcomes: &[Outcome<'_>], policy: &Policy) -> io::Result<()> {
    let width = outcomes
        .iter()
        .map(|outcome| outcome.case.name.chars().count())
        .max();
    let width = width.unwrap_or_default();
    for action in policy.actions() {
        let mine = || {
            let outcomes = outcomes.iter();
            outcomes.filter(|outcome| outcome.case.propose.action == *action.name())
        };
        if mine().next().is_some() {
            writeln!(out, "{}", paint::strong(action.name()))?;
        }
        for outcome in mine() {
            let sign = if outcome.passed() {
                paint::good(paint::YES)
            } else {
                paint::bad(paint::NO)
            };
            let judged = outcome.judged.as_ref();
            let tier = judged.map_or(String::new(), |judged| judged.tier.to_string());
            let gate = judged.map_or(String::new(), |judged| judged.gate.to_string());
            let name = &outcome.case.name;
            writeln!(out, "  {sign} {name:width$}  {tier:6}  {gate}")?;
            differences(out, outcome, action)?;
        }
    }
    Ok(())
}

fn differences(out: &mut impl Write, outcome: &Outcome<'_>, action: &Action) -> io::Result<()> {
    if outcome.passed() {
        return Ok(());
    }
    let case = outcome.case;
    let line = case
        .mark
        .map_or(String::new(), |mark| format!(":{}", mark.place().line));
    writeln!(out, "      {}", paint::soft(format_args!("{}{line}", case.file)))?;
    for Difference {
        what,
        expected,
        found,
    } in &outcome.differences
    {
        writeln!(
            out,
            "      {what}: expected {}, found {}",
            paint::good(expected),
            paint::bad(found)
        )?;
    }
    if let Some(judged) = &outcome.judged {
        for reason in &judged.reasons {
            writeln!(
                out,
                "        {}: {}",
                reason.tier,
                human::reason(&reason.because, Some(action))
            )?;
        }
        for problem in judged.checks.iter().flat_map(|result| {
            result
                .problems
                .iter()
                .map(|problem| format!("check {}: {}", result.check, problem.found))
        }) {
            writeln!(out, "        {problem}")?;
        }
    }
    for because in outcome.against() {
        writeln!(out, "        {}", human::line(because))?;
        if !because.could.is_empty() {
            writeln!(out, "          could: {}", because.could.join(", "))?;
        }
    }
    Ok(())
}

fn summary(out: &mut impl Write, all: usize, failed: usize, coverage: Option<&Coverage>) -> io::Result<()> {
    let failures = if failed > 0 {
        paint::bad(format_args!("{failed} failed"))
    } else {
        "none failed".to_owned()
    };
    writeln!(out, "\n{all} cases, {failures}")?;
    let Some(coverage) = coverage else {
        return Ok(());
    };
    let count = |(name, part): &(&str, &Part)| format!("{} of {} {name}", part.covered, part.all());
    let parts = coverage.parts();
    let counts: Vec<String> = parts.iter().map(count).collect();
    writeln!(out, "covered: {}", counts.join(", "))?;
    for (name, part) in parts.iter().filter(|(_, part)| !part.missing.is_empty()) {
        writeln!(
            out,
            "  {} {name}: {}",
            paint::warn("no case for"),
            part.missing.join(", ")
        )?;
    }
    Ok(())
}
