//! `countersign policy lint`: what is wrong in policy files, where it stands.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use super::{FINDINGS, Failure, load};
use crate::domain::{
    policy::lint::{Finding, Severity, lint},
    source::SourceFile,
};

/// Columns of a report; the same on every machine, since it is read in logs too.
const WIDTH: usize = 110;

/// All findings, as `--json` writes them.
#[derive(Serialize)]
struct Report<'a> {
    errors: usize,
    warnings: usize,
    findings: &'a [Finding],
}

pub(super) fn run(folder: &Path, json: bool, strict: bool) -> Result<ExitCode, Failure> {
    let files = load::files(folder)?;
    let findings = lint(&files);
    let errors = findings
        .iter()
        .filter(|one| one.severity() == Severity::Error)
        .count();
    let report = Report {
        errors,
        warnings: findings.len() - errors,
        findings: &findings,
    };
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    if json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    } else {
        tell(&mut out, &report, folder, &files)?;
    }
    out.flush()?;
    Ok(if errors > 0 || strict && !findings.is_empty() {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

fn tell(out: &mut impl Write, report: &Report<'_>, folder: &Path, files: &[SourceFile]) -> io::Result<()> {
    // Painted here, and stripped by the stream where nobody looks.
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_links(false)
        .with_width(WIDTH);
    for finding in report.findings {
        let mut text = String::new();
        let shown = load::in_lint(finding, folder, files);
        handler
            .render_report(&mut text, shown.as_ref())
            .map_err(io::Error::other)?;
        writeln!(out, "{text}")?;
    }
    let (errors, warnings) = (report.errors, report.warnings);
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    writeln!(
        out,
        "{}: {}, {}",
        folder.display(),
        count(errors, "error"),
        count(warnings, "warning")
    )
}
