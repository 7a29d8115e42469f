//! A verification as an auditor reads it: what was proved, what was not, and what was found.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{
    domain::{
        audit::{Finding, Flaw},
        ids::BranchName,
    },
    ledger::Report,
};

/// Findings that are shown to people; `--json` gives more.
const SHOWN: usize = 20;

pub(super) fn write_json(out: &mut impl Write, report: &Report, took: Duration) -> io::Result<()> {
    #[derive(Serialize)]
    struct Json<'a> {
        sound: bool,
        #[serde(flatten)]
        report: &'a Report,
        milliseconds: u128,
    }
    let json = Json {
        sound: report.sound(),
        report,
        milliseconds: took.as_millis(),
    };
    serde_json::to_writer_pretty(&mut *out, &json)?;
    writeln!(out)
}

pub(super) fn write_for_people(
    out: &mut impl Write,
    report: &Report,
    branch: &BranchName,
    took: Duration,
) -> io::Result<()> {
    let (good, bad) = (colour(AnsiColor::Green), colour(AnsiColor::Red));
    if report.sound() {
        writeln!(
            out,
            "{good}sound{good:#}: everything on `{branch}` is part of the record"
        )?;
    } else {
        let n = count(u64::try_from(report.findings.len()).unwrap_or(u64::MAX) + report.more_findings);
        writeln!(out, "{bad}not sound{bad:#}: {n} on `{branch}`, listed below")?;
    }
    writeln!(out)?;
    let seconds = took.as_secs_f64();
    row(
        out,
        "entries",
        &format!(
            "{} in {} commits, read in {seconds:.2} s",
            thousands(report.entries),
            thousands(report.commits)
        ),
    )?;
    if let (Some(first), Some(last)) = (report.first, report.last) {
        row(
            out,
            "written",
            &format!("{} to {}", first.for_people(), last.for_people()),
        )?;
    }
    let kinds: Vec<String> = report
        .kinds
        .iter()
        .map(|(kind, n)| format!("{} {kind}", thousands(*n)))
        .collect();
    row(out, "kinds", &kinds.join(", "))?;
    row(out, "genesis", &report.genesis.to_string())?;
    if let Some(head) = report.head {
        row(out, "head", &head.to_string())?;
    }
    row(out, "commit", &report.tip.to_string())?;
    if report.sound() {
        proved(out, report, good)?;
    } else {
        findings(out, report, bad)?;
    }
    Ok(())
}

fn proved(out: &mut impl Write, report: &Report, good: Style) -> io::Result<()> {
    writeln!(out, "\nproved")?;
    let mut held = vec![
        "it begins with the entry whose digest you gave".to_owned(),
        "every entry is signed by a key of this ledger, in a role that may write it".to_owned(),
        "every entry names the digest of the one before: none was edited, dropped, inserted or re-ordered"
            .to_owned(),
        "every entry may follow what came before it".to_owned(),
    ];
    held.extend(
        report
            .checkpoint
            .map(|size| format!("the {} entries of the checkpoint are all there", thousands(size))),
    );
    for line in held {
        writeln!(out, "  {good}+{good:#} {line}")?;
    }
    writeln!(out, "not proved")?;
    match report.checkpoint {
        None => writeln!(
            out,
            "  - that nothing was cut off at its end: give a checkpoint kept elsewhere (`--checkpoint FILE`)"
        )?,
        Some(size) if size < report.entries => writeln!(
            out,
            "  - that nothing was cut off after the checkpoint's {} entries: take checkpoints often",
            thousands(size)
        )?,
        Some(_) => {}
    }
    writeln!(
        out,
        "  - that the target systems did what was recorded: compare with their own records"
    )
}

fn findings(out: &mut impl Write, report: &Report, bad: Style) -> io::Result<()> {
    writeln!(out, "\nfound")?;
    for finding in report.findings.iter().take(SHOWN) {
        let commit = finding
            .commit
            .map_or_else(|| "ledger".to_owned(), |commit| format!("commit {commit}"));
        let seq = finding
            .seq
            .map_or_else(String::new, |seq| format!(", position {seq}"));
        writeln!(out, "  {bad}x{bad:#} {commit}{seq}: {}", finding.flaw)?;
        writeln!(out, "    {}", meaning(finding))?;
    }
    let hidden = report.findings.len().saturating_sub(SHOWN);
    let hidden = u64::try_from(hidden).unwrap_or(u64::MAX) + report.more_findings;
    if hidden > 0 {
        writeln!(
            out,
            "  and {} more; after a gap in the chain nothing later can be part of it, so look at the first",
            thousands(hidden)
        )?;
    }
    Ok(())
}

/// What a finding means for somebody who relies on the ledger.
const fn meaning(finding: &Finding) -> &'static str {
    match &finding.flaw {
        Flaw::Signature => "somebody changed the commit after it was signed; it is not part of the record",
        Flaw::Unsigned | Flaw::ForeignKey(_) => {
            "somebody without a key of this ledger wrote to the branch; it changed nothing"
        }
        Flaw::Role { .. } => {
            "a key was used for what its role may not do; it changed nothing, but ask who holds it"
        }
        Flaw::Sequence { .. } | Flaw::Previous => {
            "entries are missing, doubled or swapped in front of it; find a clone from before and compare"
        }
        Flaw::Parent => "the branch was merged or rewritten here; find a clone from before and compare",
        Flaw::Tree => {
            "the files beside the ledger were changed; do not check signatures with its `allowed_signers`"
        }
        Flaw::Commit(_) | Flaw::Entry(_) | Flaw::Message(_) => {
            "the gate did not write this commit as it writes them; it changed nothing"
        }
        Flaw::Time => "the clock that wrote it ran backwards; it changed nothing",
        Flaw::Semantics(_) => "a newer program wrote it; read the ledger with that one",
        Flaw::Illegal(_) => "a key of the ledger recorded something that may not happen; it changed nothing",
        Flaw::Genesis { .. } => {
            "this is another ledger, or its first entry was changed; nothing on it can be trusted"
        }
        Flaw::Checkpoint { .. } => {
            "entries that were there when the checkpoint was taken are gone or changed"
        }
        Flaw::Empty => "there is nothing to prove",
    }
}

fn row(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{name:<9}{value}")
}

fn colour(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(colour.into()))
}

fn count(n: u64) -> String {
    match n {
        1 => "1 finding".to_owned(),
        n => format!("{} findings", thousands(n)),
    }
}

/// `12,500`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1_000, 12_500, 1_234_567].map(thousands),
            ["0", "999", "1,000", "12,500", "1,234,567"]
        );
    }
}
