//! The executions without review that somebody is to look at.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    error::Error,
    io::Write,
};

use serde_json::json;

use super::{Record, Where, warned};
use crate::{
    domain::{
        audit::Recorded,
        entry::Event,
        ids::{Digest, ProposalId},
        policy::{Tier, compile},
        sample::is_chosen,
    },
    ledger::policy_files,
};

/// An execution that nobody approved.
struct Ran {
    entry: Recorded,
    subject: String,
    /// The rules in force when it ended.
    policy: Digest,
}

/// Prints those that are chosen; says whether something is missing, of the record or of the rules.
pub(super) fn write(out: &mut impl Write, record: &Record, as_json: bool) -> Result<bool, Box<dyn Error>> {
    let mut low: BTreeSet<ProposalId> = BTreeSet::new();
    let mut ran = Vec::new();
    let (_, findings) = record.read(|book, recorded| {
        let entry = recorded.entry();
        let (Some(book), Some(id)) = (book, entry.proposal) else {
            return;
        };
        match &entry.event {
            Event::Received(received) if received.assessment.tier == Tier::Low => {
                low.insert(id);
            }
            Event::Finished(_) if low.remove(&id) => ran.push(Ran {
                entry: recorded.clone(),
                subject: book.subject(entry),
                policy: book.policy(),
            }),
            _ => {}
        }
    })?;
    let mut shares: BTreeMap<Digest, Option<u8>> = BTreeMap::new();
    for one in &ran {
        if let Entry::Vacant(unread) = shares.entry(one.policy) {
            unread.insert(share(&record.ledger, one.policy)?);
        }
    }
    let share_of = |one: &Ran| shares.get(&one.policy).copied().flatten();
    let mut chosen = 0_usize;
    for one in &ran {
        // Whose share nobody knows is looked at: too many is better than one too few.
        let share = share_of(one);
        if is_chosen(&one.entry.digest(), share.unwrap_or(100)) {
            chosen += 1;
            line(out, one, share, as_json)?;
        }
    }
    out.flush()?;
    let unknown = ran.iter().filter(|one| share_of(one).is_none()).count();
    let mut told = anstream::stderr();
    if !as_json {
        let what = if ran.len() == 1 { "execution" } else { "executions" };
        writeln!(
            told,
            "{chosen} of {} {what} without review to be looked at",
            ran.len()
        )?;
    }
    if unknown > 0 {
        writeln!(
            told,
            "warning: no branch holds the rules of {unknown} of them, so all of those are; fetch the base branch"
        )?;
    }
    Ok(warned(findings)? || unknown > 0)
}

/// Of a hundred, so many are looked at, as rules say that some branch of the repository holds.
fn share(ledger: &Where, policy: Digest) -> Result<Option<u8>, Box<dyn Error>> {
    let files = policy_files(&ledger.repo, &ledger.branch, policy)?;
    let policy = files.and_then(|files| compile(&files).ok());
    Ok(policy.map(|policy| policy.gate(Tier::Low).sample_review()))
}

fn line(out: &mut impl Write, one: &Ran, share: Option<u8>, as_json: bool) -> std::io::Result<()> {
    let entry = one.entry.entry();
    if as_json {
        let line = json!({
            "proposal": entry.proposal,
            "seq": entry.seq,
            "time": entry.time,
            "digest": one.entry.digest(),
            "policy": one.policy,
            "sample_review": share,
            "subject": one.subject,
        });
        return writeln!(out, "{line}");
    }
    let id = entry.proposal.map(|id| id.to_string()).unwrap_or_default();
    writeln!(
        out,
        "{:>6}  {}  {id}  {}",
        entry.seq,
        entry.time.for_people(),
        one.subject
    )
}
