//! The line that people read in `git log ledger`.

use super::{
    entry::{Edited, EditedPart, Enacted, Entry, Event, Outcome, Reviewed, Under, Watched},
    ids::ItemId,
    observation::ReviewState,
    policy::Tier,
    source::is_visible,
};

/// The longest subject, in characters.
const MAX: usize = 160;

/// An entry in one line of visible characters; `about` is the proposal's summary and tier.
pub(super) fn subject(entry: &Entry, about: Option<(&str, Tier)>) -> String {
    let what = about.map_or_else(
        || {
            entry
                .proposal
                .map_or_else(|| "the ledger".to_owned(), |id| format!("proposal {id}"))
        },
        |(summary, _)| summary.to_owned(),
    );
    let text = match &entry.event {
        Event::Genesis(genesis) => format!("genesis: the ledger of {} begins", genesis.repository),
        Event::Policy(enacted) => enacted_line(entry, enacted),
        Event::Received(received) => {
            let proposal = &received.proposal;
            let (tier, agent) = (received.assessment.tier, &proposal.binding.agent);
            let amended = proposal.proof.corrections().last();
            let amended = amended.map_or_else(String::new, |last| format!(", amended by {}", last.by));
            let rolled = proposal.proof.rolled_back();
            let rolled = rolled.map_or_else(String::new, |one| {
                format!(", takes {} back for {}", one.of, one.by)
            });
            format!(
                "received: {}, from {agent}, {tier} tier{amended}{rolled}",
                proposal.summary
            )
        }
        Event::Opened(opened) => format!("opened: {what}, as pull request {}", opened.pull),
        Event::Reviewed(review) => reviewed(entry, review, &what),
        Event::Exception(said) => {
            let why = said.reason.as_ref();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!("exception: {what}, from {}{}{why}", said.check, by(entry))
        }
        Event::Withdrawn(said) => {
            let why = said.reason.as_ref();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!(
                "withdrawn: the exception from {} of {what}{}{why}",
                said.check,
                by(entry)
            )
        }
        Event::Excluded(said) => {
            let items: Vec<&str> = said.items.iter().map(ItemId::as_str).collect();
            let (items, of) = (
                items.join(", "),
                if said.items.len() == 1 { "item" } else { "items" },
            );
            format!("excluded: {of} {items} of {what}{}: {}", by(entry), said.reason)
        }
        Event::Edited(said) => edited_line(entry, said, &what),
        Event::Observed(observed) => {
            let when = match observed.when {
                super::entry::When::Verdict => "",
                super::entry::When::Merge => " at the merge",
                super::entry::When::Start => " right before the act",
            };
            format!("observed: {what}, gate {}{when}", observed.gate)
        }
        Event::Delegated(said) => match &said.stand_in {
            Some(stand_in) => {
                let (owner, until) = (&said.owner, said.until.for_people());
                format!("delegated: {owner} to {stand_in}, until {until}")
            }
            None => format!("delegated: {} to nobody any more", said.owner),
        },
        Event::Reminded(_) => format!("reminded: {what}"),
        Event::Escalated(_) => format!("escalated: {what}"),
        Event::Voided(voided) => {
            let reason = match voided.because {
                super::entry::VoidReason::ForeignHead => "somebody else moved its branch",
                super::entry::VoidReason::ForeignBase => "somebody moved it to another base",
                super::entry::VoidReason::Changed => "what was observed has changed",
                super::entry::VoidReason::Gone => "its pull request is gone",
                super::entry::VoidReason::Rules => "the rules changed; propose it anew",
            };
            format!("voided: {what}, {reason}")
        }
        Event::Denied(_) => format!("denied: {what}{}", by(entry)),
        Event::Expired(_) => format!("expired: {what}"),
        Event::Cancelled(_) => format!("cancelled: {what}{}", by(entry)),
        Event::Superseded(superseded) => format!("superseded: {what}, by {}", superseded.by),
        Event::Merged(merged) => format!("merged: {what}, as {}{}", merged.sha.short(), by(entry)),
        Event::Bypassed(_) => format!(
            "bypassed: {what}, merged around the gate{}; not executed",
            by(entry)
        ),
        Event::PolicyChanged(_) => format!("policy changed: {what}; not executed"),
        Event::RefusedAfterMerge(refusal) => format!("refused after merge: {what}, {}", refusal.reason),
        Event::Started(started) => format!("started: {what}, attempt {}", started.attempt),
        Event::Step(took) => {
            let (done, of) = took.progress;
            let (about, outcome) = (took.result.what(), took.result.outcome);
            format!("step {done} of {of}: {what}, {about} {outcome}")
        }
        Event::Undone(took) => {
            let undone = took.result.outcome == Outcome::Executed;
            let how = if undone { "undone" } else { "could not be undone" };
            format!("{how}: {what}, {}", took.result.what())
        }
        Event::Finished(finished) => {
            let word = match finished.outcome {
                Outcome::Executed => "executed",
                Outcome::Refused => "refused by the target",
                Outcome::Errored => "failed",
                Outcome::Undone => "failed and undone",
                Outcome::Partial => "executed in part",
            };
            format!("{word}: {what}")
        }
        Event::Unknown(_) => format!("unknown: {what}, it may or may not have run; a person must settle it"),
        Event::Erased(said) => format!("erased: {what}{}: {}", by(entry), said.reason),
        Event::Resolved(resolved) => format!("resolved: {what}, {}{}", resolved.found, by(entry)),
        Event::Frozen(frozen) => format!("frozen: {}{}, {}", frozen.what, by(entry), frozen.reason),
        Event::Thawed(thawed) => format!("thawed: what entry {} had frozen may run again", thawed.freeze),
        Event::Incident(incident) => format!("incident: {}", incident.what),
        Event::Protection(watched) => protection_line(watched),
    };
    let one_line: String = text
        .chars()
        .map(|c| if is_visible(c) { c } else { ' ' })
        .take(MAX)
        .collect();
    one_line.trim_end().to_owned()
}

/// `policy: 1a2b3c -> 4d5e6f, approved by alice (finance), bob (treasury), merged by erin`.
fn enacted_line(entry: &Entry, enacted: &Enacted) -> String {
    let old = enacted
        .approvers
        .iter()
        .filter(|approver| approver.under == Under::Old);
    let approvers: Vec<String> = old
        .map(|approver| format!("{} ({})", approver.person, approver.requirement))
        .collect();
    let me = enacted.observation.me;
    let released = match (&entry.actor.person, enacted.merged.by) {
        (_, Some(account)) if account == me => ", merged by the gate".to_owned(),
        (Some(person), _) => format!(", merged by {person}"),
        (None, Some(account)) => format!(", merged by account {account}"),
        (None, None) => String::new(),
    };
    let (old, new) = (enacted.old.short(), enacted.new.short());
    format!(
        "policy: {old} -> {new}, approved by {}{released}",
        approvers.join(", ")
    )
}

/// `edited: title and text of Pay acme-ltd 12,500.00 EUR, by dave`.
fn edited_line(entry: &Entry, said: &Edited, what: &str) -> String {
    let parts: Vec<String> = said.parts.iter().map(EditedPart::to_string).collect();
    let parts = match parts.is_empty() {
        true => "something".to_owned(),
        false => parts.join(" and "),
    };
    let who = match &entry.actor.person {
        Some(person) => person.to_string(),
        None => format!("account {}", said.account),
    };
    format!("edited: {parts} of {what}, by {who}")
}

/// `protection: too weak, nothing merges or runs: base_force_push, ledger_deletion`.
fn protection_line(watched: &Watched) -> String {
    if watched.strong() {
        "protection: base branch and ledger are strong enough".to_owned()
    } else if watched.weak.is_empty() {
        "protection: could not be read, nothing merges or runs".to_owned()
    } else {
        let weak = watched.weak.join(", ");
        format!("protection: too weak, nothing merges or runs: {weak}")
    }
}

fn by(entry: &Entry) -> String {
    let person = entry.actor.person.as_ref().map(ToString::to_string);
    let who = person.or_else(|| entry.actor.agent.as_ref().map(ToString::to_string));
    who.map_or_else(String::new, |who| format!(", by {who}"))
}

fn reviewed(entry: &Entry, review: &Reviewed, what: &str) -> String {
    let what = match review.pull {
        Some(pull) => format!("rules of pull request {pull}"),
        None => what.to_owned(),
    };
    let word = match review.decision {
        ReviewState::Approved => "approved",
        ReviewState::ChangesRequested => "changes requested",
        ReviewState::Commented => "commented",
        ReviewState::Dismissed => "dismissed",
        ReviewState::Edited => "edited",
    };
    let login = || {
        review
            .login
            .as_ref()
            .map_or_else(|| "a deleted account".to_owned(), ToString::to_string)
    };
    let who = entry
        .actor
        .person
        .as_ref()
        .map_or_else(login, ToString::to_string);
    let team = review
        .requirement
        .as_ref()
        .map_or_else(String::new, |team| format!(" ({team})"));
    let progress = match (review.decision, review.progress) {
        (ReviewState::Approved, Some((have, need))) if review.requirement.is_some() => {
            format!(", {have} of {need}")
        }
        (ReviewState::Approved, _) => ", does not count".to_owned(),
        (
            ReviewState::ChangesRequested
            | ReviewState::Commented
            | ReviewState::Dismissed
            | ReviewState::Edited,
            _,
        ) => String::new(),
    };
    format!("{word}: {what}, by {who}{team}{progress}")
}
