//! Trying entries out on the book before anybody signed or acknowledged them, and taking them back.

use std::sync::Arc;

use super::{
    super::{
        amendment::Amendments,
        authentic::Lined,
        canonical::NotCanonical,
        case::Case,
        entry::{Draft, MAX_ENTRY},
        freeze::Freezes,
        ids::{Digest, KeyId, ProposalId, Seq, Timestamp},
    },
    Book, Evicted, Illegal, Stands,
    register::Noted,
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
    about: Option<About>,
    stood: Stands,
    evicted: Option<Evicted>,
    delegations: usize,
    policy: Digest,
    strong: bool,
    amendments: Arc<Amendments>,
    freezes: Freezes,
}

/// What stood in the book about the entry's proposal.
#[derive(Debug)]
struct About {
    id: ProposalId,
    case: Option<Case>,
    whole: Option<Arc<Case>>,
    noted: Option<Noted>,
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
        let about = entry.proposal.map(|id| About {
            id,
            case: self.cases.get(&id).cloned(),
            whole: self.whole.get(&id).cloned(),
            noted: self.register.note(id),
        });
        let (next, head, time) = (self.next, self.head, self.time);
        let stood = entry
            .proposal
            .map_or(Stands::Nowhere, |id| self.running.stands(id));
        let before = Before {
            next,
            head,
            time,
            about,
            delegations: self.delegations.len(),
            policy: self.policy,
            strong: self.strong,
            amendments: Arc::clone(&self.amendments),
            freezes: self.freezes.clone(),
            stood,
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
        self.policy = before.policy;
        self.strong = before.strong;
        self.amendments = before.amendments;
        self.freezes = before.freezes;
        if self.delegations.len() > before.delegations {
            self.delegations.truncate(before.delegations);
            self.cases.values_mut().for_each(|case| case.delegations.pop());
        }
        let Some(about) = before.about else {
            return;
        };
        // A case that the entry ended is among the recent; one that had ended before did not move.
        let staged = self
            .cases
            .get(&about.id)
            .or_else(|| self.recent(about.id))
            .cloned();
        if let Some(staged) = staged {
            let (agent, totals) = (&staged.proposal.binding.agent, &staged.assessment.totals);
            self.running.put(about.id, agent, totals, before.stood);
        }
        let staged = self.cases.remove(&about.id);
        match about.noted {
            Some(noted) => self.register.put_back(noted),
            None => staged
                .iter()
                .for_each(|staged| self.register.forget(&staged.proposal)),
        }
        if self.whole.remove(&about.id).is_some() && about.whole.is_none() {
            self.recent.pop_back();
        }
        if let Some(Evicted { id, case }) = before.evicted {
            self.whole.insert(id, case);
            self.recent.push_front(id);
        }
        self.cases.extend(about.case.map(|case| (about.id, case)));
        self.whole.extend(about.whole.map(|case| (about.id, case)));
    }
}
