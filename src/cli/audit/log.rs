//! Every entry in one line.

use std::{error::Error, io::Write};

use serde_json::json;

use super::{Record, warned};
use crate::domain::{audit::Recorded, book::Book};

/// Prints the log; says whether something on the branch is not part of the record.
pub(super) fn write(out: &mut impl Write, record: &Record, as_json: bool) -> Result<bool, Box<dyn Error>> {
    let mut failed = None;
    let (_, findings) = record.read(|book, recorded| {
        if failed.is_none() {
            failed = line(out, book, recorded, as_json).err();
        }
    })?;
    match failed {
        Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        Some(_) | None => {}
    }
    out.flush()?;
    Ok(warned(findings)?)
}

fn line(
    out: &mut impl Write,
    book: Option<&Book>,
    recorded: &Recorded,
    as_json: bool,
) -> std::io::Result<()> {
    let entry = recorded.entry();
    let subject = book.map(|book| book.subject(entry)).unwrap_or_default();
    if as_json {
        let line = json!({
            "commit": recorded.commit(),
            "digest": recorded.digest(),
            "subject": subject,
            "entry": entry,
        });
        return writeln!(out, "{line}");
    }
    let (seq, time, kind) = (entry.seq, entry.time.for_people(), entry.kind().as_str());
    // Most subjects begin with their kind, which has a column of its own here.
    let after = subject
        .split_once(": ")
        .filter(|(word, _)| word.replace(' ', "_") == kind);
    let told = after.map_or(subject.as_str(), |(_, told)| told);
    writeln!(out, "{seq:>6}  {time}  {kind:<19}  {told}")
}
