//! Every entry in one line.

use std::{error::Error, io::Write};

use serde_json::json;

use super::Where;
use crate::{
    domain::{audit::Recorded, book::Book, ids::Digest},
    ledger::{Step, walk},
};

/// Prints the log; says whether something on the branch is not part of the record.
pub(super) fn write(
    out: &mut impl Write,
    ledger: &Where,
    genesis: Option<Digest>,
    as_json: bool,
) -> Result<bool, Box<dyn Error>> {
    let mut findings = 0_u64;
    let mut failed = None;
    let each = |book: Option<&Book>, step: Step<'_>| match step {
        Step::Recorded(recorded) => {
            if failed.is_none() {
                failed = line(out, book, recorded, as_json).err();
            }
        }
        Step::Found(_) => findings += 1,
    };
    walk(&ledger.repo, &ledger.branch, genesis, each, |_, _| {})?;
    match failed {
        Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        Some(_) | None => {}
    }
    if findings > 0 {
        out.flush()?;
        writeln!(
            anstream::stderr(),
            "warning: {findings} more on the branch is not part of the record; run `countersign audit verify`"
        )?;
    }
    Ok(findings > 0)
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
