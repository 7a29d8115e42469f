//! `countersign policy owners`: who owns a path, and by which line.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use serde::Serialize;

use super::{FINDINGS, Failure, load};
use crate::domain::policy::Owners;

/// One answer, as `--json` writes it.
#[derive(Serialize)]
struct Answer<'a> {
    path: &'a str,
    /// As written in the file; empty when nobody owns the path.
    owners: Vec<String>,
    /// The last line that matches, counted from 1; missing when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

pub(super) fn run(file: &Path, json: bool, paths: &[String]) -> Result<ExitCode, Failure> {
    let text = load::text(file)?;
    let owners = Owners::parse_alone(&text).map_err(|errors| {
        let reports = errors.iter().map(|error| load::in_file(error, file, &text));
        Failure::Files(reports.collect())
    })?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut unowned = false;
    for path in paths {
        let (line, named) = owners
            .matching(path)
            .map_or((None, Vec::new()), |(line, named)| (Some(line), named));
        unowned |= named.is_empty();
        let answer = Answer {
            path,
            owners: named,
            line,
        };
        if json {
            serde_json::to_writer(&mut out, &answer).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        } else {
            tell(&mut out, &answer, file, &text)?;
        }
    }
    out.flush()?;
    Ok(if unowned {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

fn tell(out: &mut impl Write, answer: &Answer<'_>, file: &Path, text: &str) -> io::Result<()> {
    let path = answer.path.escape_debug();
    let Some(line) = answer.line else {
        return writeln!(out, "{path}: nobody, no line of {} matches", file.display());
    };
    let written = usize::try_from(line)
        .ok()
        .and_then(|line| text.lines().nth(line.saturating_sub(1)));
    let written = written.unwrap_or_default().trim();
    let who = match answer.owners.as_slice() {
        [] => "nobody, the line clears its owners".to_owned(),
        owners => owners.join(" "),
    };
    writeln!(out, "{path}: {who}\n    {}:{line}: {written}", file.display())
}
