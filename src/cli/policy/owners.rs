//! `countersign policy owners`: who owns a path, and by which lines.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use serde::Serialize;

use super::{FINDINGS, Failure, load};
use crate::domain::policy::{Owners, Said};

/// One answer, as `--json` writes it.
#[derive(Serialize)]
struct Answer<'a> {
    path: &'a str,
    /// Whether somebody has to approve; else nothing may run.
    owned: bool,
    /// What each section says, in the order of the sections.
    sets: Vec<Set<'a>>,
}

#[derive(Serialize)]
struct Set<'a> {
    /// Missing before any heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    /// The line that decides, counted from 1.
    line: u32,
    /// Missing where the gate of the tier says how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<u8>,
    optional: bool,
    excluded: bool,
    /// As written; empty when the line clears or excludes.
    owners: Vec<&'a str>,
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
        let sets = owners.matching(path).into_iter().map(set);
        let mut answer = Answer {
            path,
            owned: false,
            sets: sets.collect(),
        };
        let needed = |set: &Set<'_>| !set.optional && !set.owners.is_empty();
        answer.owned = answer.sets.iter().any(needed);
        unowned |= !answer.owned;
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

fn set(said: Said<'_>) -> Set<'_> {
    Set {
        section: said.section,
        line: said.line,
        approvals: said.need,
        optional: said.optional,
        excluded: said.excluded,
        owners: said.owners,
    }
}

fn tell(out: &mut impl Write, answer: &Answer<'_>, file: &Path, text: &str) -> io::Result<()> {
    let path = answer.path.escape_debug();
    let file = file.display();
    if answer.sets.is_empty() {
        return writeln!(out, "{path}: nobody, no line of {file} matches");
    }
    // One line is told as one; sections are told below the path.
    if let [only] = answer.sets.as_slice()
        && only.section.is_none()
    {
        write!(out, "{path}: {}", who(only))?;
    } else {
        write!(out, "{path}: ")?;
        let needed = answer
            .sets
            .iter()
            .filter(|set| !set.optional && !set.owners.is_empty());
        match needed.count() {
            0 => write!(out, "nobody has to approve")?,
            1 => write!(out, "1 section must approve")?,
            count => write!(out, "{count} sections must approve, each on its own")?,
        }
        for set in &answer.sets {
            let name = set.section.unwrap_or("no section");
            write!(out, "\n  {name}: {}", who(set))?;
            written(out, set, &file, text)?;
        }
        return writeln!(out);
    }
    for set in &answer.sets {
        written(out, set, &file, text)?;
    }
    writeln!(out)
}

/// The line as it stands in the file.
fn written(out: &mut impl Write, set: &Set<'_>, file: &impl std::fmt::Display, text: &str) -> io::Result<()> {
    let line = usize::try_from(set.line).ok();
    let line = line.and_then(|line| text.lines().nth(line.saturating_sub(1)));
    let line = line.unwrap_or_default().trim();
    write!(out, "\n    {file}:{}: {line}", set.line)
}

fn who(set: &Set<'_>) -> String {
    if set.excluded {
        return "nobody, the line excludes the path".to_owned();
    }
    let owners = set.owners.join(" ");
    match (owners.is_empty(), set.optional, set.approvals) {
        (true, _, _) => "nobody, the line clears its owners".to_owned(),
        (false, true, _) => format!("{owners} (optional)"),
        (false, false, None) => owners,
        (false, false, Some(1)) => format!("{owners} (1 approval)"),
        (false, false, Some(count)) => format!("{owners} ({count} approvals)"),
    }
}
