//! One proposal's life, with everybody and every digest in it.

use std::{
    collections::BTreeSet,
    error::Error,
    io::{self, Write},
};

use serde_json::json;

use super::Record;
use crate::domain::{
    audit::Recorded,
    book::Book,
    case::Life,
    entry::{Digests, Event, StepResult},
    ids::ProposalId,
    rollback::Undo,
    source::is_visible,
};

/// Prints the life; says whether something on the branch is not part of the record.
pub(super) fn write(
    out: &mut impl Write,
    record: &Record,
    id: ProposalId,
    as_json: bool,
) -> Result<bool, Box<dyn Error>> {
    let mut entries: Vec<(Recorded, String)> = Vec::new();
    let (book, findings) = record.read(|book, recorded| {
        let entry = recorded.entry();
        if entry.proposal == Some(id) {
            let subject = book.map(|book| book.subject(entry)).unwrap_or_default();
            entries.push((recorded.clone(), subject));
        }
    })?;
    if entries.is_empty() {
        return Err(format!(
            "proposal {id} is not on `{}`; `countersign audit log` lists all",
            record.ledger.branch
        )
        .into());
    }
    let life = book.as_ref().and_then(|book| life(book, id));
    let people: BTreeSet<String> = entries
        .iter()
        .flat_map(|(recorded, _)| people(recorded))
        .collect();
    if as_json {
        let entries: Vec<_> = entries
            .iter()
            .map(|(recorded, subject)| {
                json!({
                    "commit": recorded.commit(),
                    "digest": recorded.digest(),
                    "subject": subject,
                    "entry": recorded.entry(),
                })
            })
            .collect();
        let trace = json!({
            "proposal": id,
            "life": life,
            "rolled_back": book.as_ref().and_then(|book| book.undo(id)),
            "people": people,
            "entries": entries,
            "findings_on_branch": findings,
        });
        serde_json::to_writer_pretty(&mut *out, &trace)?;
        writeln!(out)?;
        return Ok(findings > 0);
    }
    let undo = book.as_ref().and_then(|book| book.undo(id));
    head(out, id, (life, undo), &entries)?;
    for (recorded, subject) in &entries {
        step(out, recorded, subject)?;
    }
    let people: Vec<String> = people.into_iter().collect();
    writeln!(out, "\npeople   {}", people.join(", "))?;
    if findings > 0 {
        writeln!(
            out,
            "\n{findings} more on the branch is not part of the record; run `countersign audit verify`"
        )?;
    }
    Ok(findings > 0)
}

fn life(book: &Book, id: ProposalId) -> Option<Life> {
    let open = book.case(id).map(|case| case.life);
    open.or_else(|| book.closed(id).map(|closed| closed.life))
}

fn head(
    out: &mut impl Write,
    id: ProposalId,
    (life, undo): (Option<Life>, Option<Undo>),
    entries: &[(Recorded, String)],
) -> io::Result<()> {
    writeln!(out, "proposal {id}")?;
    let received = entries
        .iter()
        .find_map(|(recorded, _)| match &recorded.entry().event {
            Event::Received(received) => Some(received),
            _ => None,
        });
    if let Some(received) = received {
        let (proposal, binding) = (&received.proposal, &received.proposal.binding);
        let summary: String = proposal.summary.chars().filter(|c| is_visible(*c)).collect();
        writeln!(out, "what     {summary} ({})", binding.operation)?;
        writeln!(
            out,
            "who      agent {}, sponsor {}",
            binding.agent, binding.sponsor
        )?;
        for one in proposal.proof.corrections() {
            let (by, account, from) = (&one.by, one.account, one.from);
            writeln!(
                out,
                "amended  by {by} (account {account}, gate-attested), from proposal {from}"
            )?;
        }
        if let Some(one) = proposal.proof.rolled_back() {
            let (of, by, account) = (one.of, &one.by, one.account);
            writeln!(
                out,
                "undoes   proposal {of}, as {by} asked (account {account}, gate-attested)"
            )?;
        }
        writeln!(out, "tier     {}", received.assessment.tier)?;
        writeln!(out, "action   {}", proposal.action_digest())?;
    }
    if let Some(life) = life {
        writeln!(out, "now      {life}")?;
    }
    if let Some(Undo { by, life, .. }) = undo {
        writeln!(out, "undone   by proposal {by}, which is {life}")?;
    }
    writeln!(out)
}

fn step(out: &mut impl Write, recorded: &Recorded, subject: &str) -> io::Result<()> {
    let entry = recorded.entry();
    writeln!(out, "{:>6}  {}  {subject}", entry.seq, entry.time)?;
    let mut facts = vec![
        format!("commit {}", recorded.commit()),
        format!("entry {}", recorded.digest()),
        format!("written by {} with {}", entry.actor.role, entry.actor.key),
    ];
    let Digests {
        action: _,
        presentation,
        policy,
        plan,
    } = &entry.digests;
    for (name, digest) in [("report", presentation), ("policy", policy), ("plan", plan)] {
        facts.extend(digest.map(|digest| format!("{name} {digest}")));
    }
    match &entry.event {
        Event::Opened(opened) => facts.push(format!("head {} on {}", opened.head, opened.base)),
        Event::Reviewed(review) => {
            let account = review
                .account
                .map_or_else(|| "deleted".to_owned(), |id| id.to_string());
            facts.push(format!(
                "account {account}, review {}, on head {}",
                review.review, review.head
            ));
        }
        Event::Merged(merged) => facts.push(format!("merge {}", merged.sha)),
        Event::Started(started) => facts.push(format!(
            "instance {}, until {}",
            started.instance, started.deadline
        )),
        Event::Step(took) | Event::Undone(took) => facts.push(settled(&took.result)),
        Event::Finished(finished) => facts.extend(finished.steps.iter().map(settled)),
        _ => {}
    }
    for fact in facts {
        writeln!(out, "        {fact}")?;
    }
    Ok(())
}

fn settled(step: &StepResult) -> String {
    let status = step.status.map(|status| format!(", status {status}"));
    let undoing = if step.undo { "undoing it " } else { "" };
    format!(
        "{}: {undoing}{}{}, request {}",
        step.what(),
        step.outcome,
        status.unwrap_or_default(),
        step.request
    )
}

/// Everybody an entry names: as they act, not as somebody claims.
fn people(recorded: &Recorded) -> Vec<String> {
    let entry = recorded.entry();
    let mut names = Vec::new();
    names.extend(entry.actor.person.as_ref().map(ToString::to_string));
    names.extend(entry.actor.agent.as_ref().map(|agent| format!("agent {agent}")));
    match &entry.event {
        Event::Received(received) => names.push(format!("{} (sponsor)", received.proposal.binding.sponsor)),
        Event::Reviewed(review) if entry.actor.person.is_none() => {
            names.extend(review.login.as_ref().map(|login| format!("@{login}")));
        }
        _ => {}
    }
    names
}
