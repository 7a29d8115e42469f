//! Signs in the record that are for people to judge.

use std::{error::Error, io::Write};

use serde_json::json;

use super::{Record, warned};
use crate::domain::collusion::Signs;

/// Prints them; says whether there are any, or something on the branch is not part of the record.
pub(super) fn write(out: &mut impl Write, record: &Record, as_json: bool) -> Result<bool, Box<dyn Error>> {
    let mut signs = Signs::default();
    let (_, findings) = record.read(|_, recorded| signs.take(recorded.entry()))?;
    let pairs = signs.pairs();
    for pair in &pairs {
        if as_json {
            let line = json!({ "sign": "only_each_other", "people": pair.people, "approved": pair.approved });
            writeln!(out, "{line}")?;
        } else {
            let ([one, other], [by_one, by_other]) = (&pair.people, pair.approved);
            writeln!(
                out,
                "{one} and {other} only ever approved for each other: {by_one} proposals of {other}'s agents by {one}, \
                 {by_other} of {one}'s by {other}; have somebody else approve for both"
            )?;
        }
    }
    if pairs.is_empty() && !as_json {
        writeln!(out, "no two people only ever approve for each other")?;
    }
    out.flush()?;
    Ok(warned(findings)? || !pairs.is_empty())
}
