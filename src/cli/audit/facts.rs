//! The facts of every proposal, as rules are asked about them.

use std::{
    error::Error,
    io::{self, Write},
};

use super::Where;
use crate::{
    domain::{
        book::Book,
        facts::{Facts, Gather},
        ids::Digest,
    },
    ledger::{Step, walk},
};

/// Prints the facts; says whether something on the branch is not part of the record.
pub(super) fn write(
    out: &mut impl Write,
    ledger: &Where,
    genesis: Option<Digest>,
) -> Result<bool, Box<dyn Error>> {
    let mut findings = 0_u64;
    let mut gather = Gather::default();
    let mut written = Ok(());
    let each = |book: Option<&Book>, step: Step<'_>| match (book, step) {
        (Some(book), Step::Recorded(recorded)) if written.is_ok() => {
            let facts = gather.next(book, recorded);
            written = facts.map_or(Ok(()), |facts| line(out, &facts));
        }
        (_, Step::Recorded(_)) => {}
        (_, Step::Found(_)) => findings += 1,
    };
    let walked = walk(&ledger.repo, &ledger.branch, genesis, each, |_, _| {})?;
    written?;
    for facts in walked.book.iter().flat_map(|book| gather.rest(book)) {
        line(out, &facts)?;
    }
    Ok(findings > 0)
}

fn line(out: &mut impl Write, facts: &Facts) -> io::Result<()> {
    serde_json::to_writer(&mut *out, facts)?;
    out.write_all(b"\n")
}
