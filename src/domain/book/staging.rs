//! Trying entries out on the book before anybody signed or acknowledged them, and taking them back.

use std::sync::Arc;

use super::{
    super::{
        amendment::Amendments,
        authentic::Lined,
        canonical::NotCanonical,
        case::Case,
        entry::{Draft, MAX_ENTRY},
        ids::{Digest, KeyId, ProposalId, Seq, Timestamp},
    },
    Book, Closed, Evicted, Illegal,
};

/// An entry that would come next.
#[derive(Debug)]
pub struct Staged {
    /// The entry, its line and its digest.
    pub lined: Lined,
    /// The line that people read.
    pub subject: String,
}

/// Why a draft can't become the next entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// It can't follow what came before.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// No canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// Beyond what is read back.
    #[error("the entry has {0} bytes; 4 MiB is the limit")]
    TooLong(usize),
}

/// What stood in the book before an entry was staged.
#[derive(Debug)]
#[must_use = "a staged entry is not recorded: give this back to `Book::unstage`"]
pub struct Before {
    next: Seq,
    head: Digest,
    time: Timestamp,
    about: Option<(ProposalId, Option<Case>, Option<Closed>)>,
    evicted: Option<Evicted>,
    delegations: usize,
    policy: Digest,
    amendments: Arc<Amendments>,
}

impl Book {
    /// Makes a draft the next entry, for as long as nobody looks; [`Book::unstage`] takes it back.
    pub fn stage(&mut self, draft: Draft, key: KeyId) -> Result<(Staged, Before), StageError> {
        self.admits(&draft)?;
        let entry = self.entry(draft, key);
        let line = entry.line()?;
        if line.len() > MAX_ENTRY {
            return Err(StageError::TooLong(line.len()));
        }
        let digest = Digest::of(line.as_bytes());
        let subject = self.subject(&entry);
        let about = entry
            .proposal
            .map(|id| (id, self.cases.get(&id).cloned(), self.closed.get(&id).cloned()));
        let (next, head, time) = (self.next, self.head, self.time);
        let before = Before {
            next,
            head,
            time,
            about,
            delegations: self.delegations.len(),
            policy: self.policy,
            amendments: Arc::clone(&self.amendments),
            evicted: self.advance(&entry, digest),
        };
        let lined = Lined { entry, line, digest };
        Ok((Staged { lined, subject }, before))
    }

    /// Takes back what was staged last; take several back newest first.
    pub fn unstage(&mut self, before: Before) {
        self.next = before.next;
        self.head = before.head;
        self.time = before.time;
        self.delegations.truncate(before.delegations);
        self.policy = before.policy;
        self.amendments = before.amendments;
        let Some((id, case, closed)) = before.about else {
            return;
        };
        if let Some(staged) = self.cases.remove(&id) {
            let opened = staged.opened.as_ref().map(|opened| opened.pull);
            if case.as_ref().is_none_or(|case| case.opened.is_none())
                && let Some(pull) = opened
            {
                self.pulls.remove(&pull);
            }
            if case.is_none() && closed.is_none() {
                let agent = &staged.proposal.binding.agent;
                let request = (agent.clone(), staged.proposal.idempotency_key.clone());
                self.requests.remove(&request);
                self.nonces
                    .remove(&(agent.clone(), staged.proposal.nonce.clone()));
            }
        }
        if self.closed.remove(&id).is_some() && closed.is_none() {
            self.recent.pop_back();
        }
        if let Some(Evicted { id, case }) = before.evicted
            && let Some(closed) = self.closed.get_mut(&id)
        {
            closed.case = Some(case);
            self.recent.push_front(id);
        }
        self.cases.extend(case.map(|case| (id, case)));
        self.closed.extend(closed.map(|closed| (id, closed)));
    }
}
