//! A proposal as its agent's operator reads it.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use serde_json::Value;

use super::{
    Failure,
    failure::DENIED,
    paint::{self, NO, WAITS, YES, row},
};
use crate::{
    domain::{
        assess::TierRule,
        case::Life,
        checks::{CheckResult, Level},
        gate::Verdict,
        source::is_visible,
    },
    service::{Preview, Status},
};

/// Prints JSON for scripts.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    match writeln!(io::stdout(), "{text}") {
        // Whoever read us has read enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The exit code of a proposal that ended.
pub(super) fn code(state: Life) -> ExitCode {
    match state {
        Life::Executed => ExitCode::SUCCESS,
        Life::Errored | Life::Undone | Life::Partial | Life::Unknown => ExitCode::FAILURE,
        Life::Received
        | Life::Open
        | Life::Merged
        | Life::Started
        | Life::Refused
        | Life::Voided
        | Life::Denied
        | Life::Expired
        | Life::Cancelled
        | Life::Superseded
        | Life::Bypassed
        | Life::PolicyChanged
        | Life::RefusedAfterMerge => ExitCode::from(DENIED),
    }
}

/// Everything about it, once.
pub(super) fn status(status: &Status) {
    anstream::println!("{} {}", sign(status), paint::strong(&status.summary));
    row("proposal", status.id);
    row("tier", status.tier);
    row("state", state(status));
    if let Some(url) = &status.url {
        row("review at", paint::link(url));
    }
    if let Some(at) = status.expires_at.filter(|_| status.pull_request.is_some()) {
        row("expires", at.for_people());
    }
    if let Some(reason) = &status.reason {
        row("because", reason);
    }
    for asked in &status.changes_requested {
        let by = asked.by.as_ref().map_or("somebody", |login| login.as_str());
        let reason = asked.reason.as_deref().unwrap_or("(no reason given)");
        row("changes", format_args!("{by}: {reason}"));
    }
    if !status.changes_requested.is_empty() && !status.ended {
        row("next", format_args!("countersign revise {} -f FILE", status.id));
    }
    if let Some(by) = status.replaced_by {
        row("replaced by", by);
    }
    if let Some(by) = &status.amended_by {
        row("amended by", by);
    }
    if let Some(of) = status.rolls_back {
        row("takes back", of);
    }
    if let Some(undo) = &status.rolled_back {
        let life = undo.life.as_str().replace('_', " ");
        row("rollback", format_args!("{}, {life}", undo.by));
    }
    for asked in &status.dry_runs {
        row(
            "dry run",
            format_args!("{}: answered {}", asked.item, asked.status),
        );
        for (name, value) in &asked.said {
            // A target's words are not the terminal's.
            let shown: String = value.to_string().chars().filter(|c| is_visible(*c)).collect();
            row("", format_args!("  {name}: {shown}"));
        }
    }
    for step in &status.steps {
        let how = if step.undo { "undoing it " } else { "" };
        row("result", format_args!("{}: {how}{}", step.what(), step.outcome));
    }
}

/// What it takes to see more of it.
pub(super) fn how_to_follow(status: &Status) {
    row("follow", format_args!("countersign status {}", status.id));
}

/// One change while somebody waits.
pub(super) fn step(now: &Status) {
    anstream::println!("{} {}", sign(now), state(now));
}

/// How it ended, and why.
pub(super) fn end(last: &Status) {
    if let Some(reason) = &last.reason {
        row("because", reason);
    }
}

/// What somebody who waits is told.
pub(super) fn waits_for(status: &Status) -> String {
    match &status.url {
        Some(url) => format!("{}; people review it at {url}", state(status)),
        None => state(status),
    }
}

/// What would become of a proposal.
pub(super) fn preview(preview: &Preview) {
    anstream::println!("{}", paint::strong(&preview.summary));
    let assessment = &preview.assessment;
    let reasons: Vec<String> = assessment
        .reasons
        .iter()
        .map(|reason| rule(&reason.because))
        .collect();
    row(
        "tier",
        format_args!("{} ({})", assessment.tier, reasons.join("; ")),
    );
    match preview.approvals_needed {
        0 => row("approvals", "none: it would run at once"),
        1 => row("approvals", "1 person"),
        many if preview.distinct_teams => row("approvals", format_args!("{many} people of different teams")),
        many => row("approvals", format_args!("{many} people")),
    }
    if preview.approvals_needed > 0 {
        for one in &preview.approvers {
            let owners = if one.owners.is_empty() {
                paint::bad("nobody: no line of CODEOWNERS matches, so nobody can approve")
            } else {
                one.owners.join(", ")
            };
            row("owners", format_args!("{owners} for {}", one.resource));
        }
        row("expires", preview.expires_at.for_people());
    }
    for check in &assessment.checks {
        shown_check(check);
    }
    anstream::println!("{}", paint::soft("nothing was recorded"));
}

fn shown_check(check: &CheckResult) {
    let sign = match check.level {
        Level::Pass => paint::good(YES),
        Level::Warn => paint::warn("!"),
        Level::Deny | Level::Errored => paint::bad(NO),
    };
    row("check", format_args!("{sign} {}", check.check));
    for problem in &check.problems {
        let remedy = match problem.remedy.as_str() {
            "" => String::new(),
            remedy => format!("; {remedy}"),
        };
        row("", format_args!("  {}: {}{remedy}", problem.at, problem.found));
    }
}

fn rule(because: &TierRule) -> String {
    match because {
        TierRule::Rule(number) => format!("rule {number} of tiers.yaml"),
        TierRule::Escalated(number) => format!("condition {number} of the action's `escalate`"),
        TierRule::Claimed(number) => {
            format!("condition {number} of the action's `escalate`, by what the agent claims")
        }
        TierRule::Errored { condition, why } => {
            format!("condition {condition} of the action's `escalate` has no answer: {why}")
        }
        TierRule::Limit(name) => format!("limit `{name}` is over"),
        TierRule::LimitsChanged => "the catalog's limits have changed".to_owned(),
        TierRule::UnknownAction => "the catalog does not know the action".to_owned(),
        TierRule::SchemaChanged => "the catalog's parameters have changed".to_owned(),
        TierRule::Resource => "a parameter can't stand in the resource".to_owned(),
        TierRule::Corrected => "people amended it".to_owned(),
        TierRule::Dispatches => "it has a workflow run, which takes longer than low tier may".to_owned(),
        TierRule::RollsBack => "a person has something taken back".to_owned(),
        TierRule::Thaws => "it ends a freeze".to_owned(),
    }
}

fn sign(status: &Status) -> String {
    match status.state {
        Life::Executed => paint::good(YES),
        state if state.ended() => paint::bad(NO),
        _ => paint::warn(WAITS),
    }
}

fn state(status: &Status) -> String {
    let waiting = match status.gate {
        Some(Verdict::Waiting) => ", waiting for people",
        Some(Verdict::Blocked) => ", blocked",
        Some(Verdict::Errored) => ", something can't be looked at",
        Some(Verdict::Open) | None => "",
    };
    match status.state {
        Life::Received => "received, being opened".to_owned(),
        Life::Open => format!("open{waiting}"),
        Life::Merged => "approved and merged".to_owned(),
        Life::Started => "running".to_owned(),
        Life::Unknown => "unknown: it may or may not have run; a person must settle it".to_owned(),
        other => other.as_str().replace('_', " "),
    }
}
