//! Commit messages, so that `git log` tells who asked for what and who approved it.

use std::collections::BTreeSet;

use super::plain::{plain, shorten};
use crate::domain::{
    case::Case,
    gate::{Decision, Gate, Rule},
    ids::PersonName,
    proposal::Proposal,
};

/// The longest first line, in characters.
const SUBJECT: usize = 72;

/// The message of the proposal's one commit.
pub fn commit_message(proposal: &Proposal) -> String {
    let binding = &proposal.binding;
    format!(
        "{}\n\n{}Proposed by {} for {}{}.\n\nProposal-Id: {}\n{}Action-Digest: {}\n",
        subject("Propose: ", &proposal.summary, ""),
        whole("Propose: ", &proposal.summary, ""),
        binding.agent,
        binding.sponsor,
        amended(proposal),
        proposal.id,
        amenders(proposal),
        proposal.action_digest(),
    )
}

/// `, amended by alice (gate-attested)`, or what it takes back and for whom.
fn amended(proposal: &Proposal) -> String {
    if let Some(rolled) = proposal.proof.rolled_back() {
        return format!(
            ", to take back {} as {} asks (gate-attested)",
            rolled.of, rolled.by
        );
    }
    let names: Vec<&str> = co_writers(proposal).map(PersonName::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(", amended by {} (gate-attested)", names.join(", ")),
    }
}

/// A trailer for everybody who asked for it or changed it; no `Co-authored-by`, which would make them authors of the gate's own commit.
fn amenders(proposal: &Proposal) -> String {
    if let Some(rolled) = proposal.proof.rolled_back() {
        return format!("Rolls-Back: {}\nRequested-By: {}\n", rolled.of, rolled.by);
    }
    co_writers(proposal)
        .map(|name| format!("Amended-By: {name}\n"))
        .collect()
}

fn co_writers(proposal: &Proposal) -> impl Iterator<Item = &PersonName> {
    let names: BTreeSet<&PersonName> = proposal
        .proof
        .corrections()
        .iter()
        .map(|correction| &correction.by)
        .collect();
    names.into_iter()
}

/// The first line of the merge commit: what was approved, and by whom.
pub fn merge_title(case: &Case, decision: &Decision) -> String {
    subject("Approve: ", &case.proposal.summary, &by(decision))
}

/// The rest of the merge commit's message.
pub fn merge_message(case: &Case, decision: &Decision) -> String {
    let proposal = &case.proposal;
    let approved: String = approvers(decision)
        .iter()
        .map(|name| format!("Approved-By: {}\n", plain(name)))
        .collect();
    format!(
        "{}Proposed by {} for {}{}, {} risk.\n\nProposal-Id: {}\n{}{approved}Action-Digest: {}\n",
        whole("Approve: ", &proposal.summary, &by(decision)),
        proposal.binding.agent,
        proposal.binding.sponsor,
        amended(proposal),
        case.tier(),
        proposal.id,
        amenders(proposal),
        proposal.action_digest(),
    )
}

fn subject(start: &str, summary: &str, end: &str) -> String {
    let taken = start.chars().count() + end.chars().count();
    let room = SUBJECT.saturating_sub(taken).max(SUBJECT / 3);
    format!("{start}{}{end}", shorten(&plain(summary), room))
}

/// The summary in full, when the first line could not hold it.
fn whole(start: &str, summary: &str, end: &str) -> String {
    let summary = plain(summary);
    if subject(start, &summary, end).contains(&summary) {
        String::new()
    } else {
        format!("In full: {summary}\n\n")
    }
}

fn by(decision: &Decision) -> String {
    match approvers(decision).as_slice() {
        [] => String::new(),
        [one] => format!(" ({one})"),
        [one, two] => format!(" ({one}, {two})"),
        [one, two, more @ ..] => format!(" ({one}, {two} and {} more)", more.len()),
    }
}

/// The people whose approvals count.
fn approvers(decision: &Decision) -> Vec<String> {
    if let Gate::Open(open) = decision.gate() {
        return open.approvers().to_vec();
    }
    let counted = decision
        .because()
        .iter()
        .filter(|one| one.rule == Rule::Approvals);
    let mut names: Vec<String> = Vec::new();
    for name in counted.flat_map(|one| &one.who) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
