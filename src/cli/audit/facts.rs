//! The facts of every proposal, as rules are asked about them.

use std::{
    error::Error,
    io::{self, Write},
};

use super::{Record, warned};
use crate::domain::facts::{Facts, Gather};

/// Prints the facts; says whether something on the branch is not part of the record.
pub(super) fn write(out: &mut impl Write, record: &Record) -> Result<bool, Box<dyn Error>> {
    let mut gather = Gather::default();
    let mut written = Ok(());
    let (book, findings) = record.read(|book, recorded| {
        if let (Some(book), Ok(())) = (book, &written) {
            let facts = gather.next(book, recorded);
            written = facts.map_or(Ok(()), |facts| line(out, &facts));
        }
    })?;
    written?;
    for facts in book.iter().flat_map(|book| gather.rest(book)) {
        line(out, &facts)?;
    }
    out.flush()?;
    Ok(warned(findings)?)
}

fn line(out: &mut impl Write, facts: &Facts) -> io::Result<()> {
    serde_json::to_writer(&mut *out, facts)?;
    out.write_all(b"\n")
}
