//! The fold of the ledger: every case, and what may be recorded next.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

mod begin;
mod descent;
mod executing;
mod register;
mod room;
mod running;
mod snapshot;
mod staging;
#[cfg(test)]
mod tests;

pub use begin::{BeginError, first_key, genesis_entry};
pub use register::Closed;
pub use room::Full;
pub use snapshot::{Place, Restored, SnapshotKey, Unfit, Unsealed, WrittenDown};
pub use staging::{Before, StageError, Staged};

use executing::freezable;
use register::Register;
use running::{Running, Stands};

use super::{
    amendment::Amendments,
    audit::{Authentic, Finding, Flaw, Recorded},
    case::{Case, Life},
    correction,
    delegation::{self, Delegations, NotDelegated},
    entry::{Actor, Draft, Entry, Event, Genesis, Role, SEMANTICS},
    erasure, exception, exclusion,
    freeze::Freezes,
    ids::{
        AgentName, CommentId, Digest, IdempotencyKey, KeyId, Nonce, PersonName, ProposalId, PullNumber, Seq,
        Timestamp,
    },
    keys::Keys,
    matter::Matter,
    policy::{Policy, Tier},
    proposal::Proposal,
    rollback::{self, Ended, Undo},
    subject::subject,
    totals::{Count, SoFar, Totals},
};

/// Ended cases that are kept whole, so that their pull requests can still be made to show the end.
pub const RECENT: usize = 256;

pub use super::illegal::{Illegal, MAX_PENDING};

/// Everything the ledger says, folded up to its head.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    genesis: Genesis,
    genesis_digest: Digest,
    next: Seq,
    head: Digest,
    time: Timestamp,
    keys: Keys,
    policy: Digest,
    cases: BTreeMap<ProposalId, Case>,
    register: Register,
    running: Running,
    /// The [`RECENT`] that ended last, oldest first, and their cases.
    recent: VecDeque<ProposalId>,
    whole: BTreeMap<ProposalId, Arc<Case>>,
    delegations: Delegations,
    amendments: Arc<Amendments>,
    /// Whether base branch and ledger were strong enough when that was noted last.
    strong: bool,
    freezes: Freezes,
}

impl Book {
    /// Begins with the entry whose digest the operator keeps. INVARIANT i01.
    pub fn begin(first: Authentic, genesis: Digest) -> Result<(Self, Recorded), Finding> {
        let flaw = |flaw| Finding {
            commit: Some(first.commit),
            seq: Some(first.entry.seq),
            flaw,
        };
        if first.digest != genesis {
            return Err(flaw(Flaw::Genesis {
                expected: genesis,
                found: first.digest,
            }));
        }
        let Event::Genesis(body) = &first.entry.event else {
            return Err(flaw(Flaw::Genesis {
                expected: genesis,
                found: first.digest,
            }));
        };
        let keys = Keys::of(&body.keys).map_err(|error| flaw(Flaw::Entry(error.to_string())))?;
        if first.entry.seq != Seq(0) || first.entry.previous.is_some() {
            return Err(flaw(Flaw::Sequence {
                expected: Seq(0),
                found: first.entry.seq,
            }));
        }
        if first.entry.semantics > SEMANTICS {
            return Err(flaw(Flaw::Semantics(first.entry.semantics)));
        }
        check_role(&keys, &first)?;
        let book = Self {
            genesis: body.clone(),
            genesis_digest: genesis,
            next: Seq(1),
            head: first.digest,
            time: first.entry.time,
            keys,
            policy: body.policy,
            cases: BTreeMap::new(),
            register: Register::default(),
            running: Running::default(),
            recent: VecDeque::new(),
            whole: BTreeMap::new(),
            delegations: Delegations::default(),
            amendments: Arc::default(),
            strong: true,
            freezes: Freezes::default(),
        };
        let recorded = Recorded {
            commit: first.commit,
            digest: first.digest,
            entry: first.entry,
        };
        Ok((book, recorded))
    }

    /// The entry that a draft becomes when it is appended now, by a role's key.
    pub fn entry(&self, draft: Draft, key: KeyId) -> Entry {
        Entry {
            seq: self.next,
            previous: Some(self.head),
            time: draft.time.max(self.time),
            semantics: SEMANTICS,
            actor: Actor {
                role: draft.role,
                key,
                person: draft.person,
                agent: draft.agent,
            },
            proposal: draft.proposal,
            digests: draft.digests,
            event: draft.event,
        }
    }

    /// Whether a draft could be recorded now. Whoever appends asks again after losing a race. INVARIANT i17.
    pub fn admits(&self, draft: &Draft) -> Result<(), Illegal> {
        let kind = draft.event.kind();
        if !kind.written_by(draft.role) {
            return Err(Illegal::Role {
                role: draft.role,
                kind,
            });
        }
        self.legal(
            draft.proposal,
            draft.person.as_ref(),
            &draft.event,
            &draft.digests,
            draft.time.max(self.time),
        )
    }

    fn legal(
        &self,
        proposal: Option<ProposalId>,
        person: Option<&PersonName>,
        event: &Event,
        digests: &super::entry::Digests,
        time: Timestamp,
    ) -> Result<(), Illegal> {
        if let Some(admissible) = self.amendments.admissible(self.policy, proposal, event, digests) {
            return Ok(admissible?);
        }
        match event {
            Event::Genesis(_) => return Err(Illegal::SecondGenesis),
            Event::Incident(_) | Event::Protection(_) if proposal.is_none() => return Ok(()),
            Event::Frozen(_) => return freezable(proposal, person),
            Event::Delegated(_) if proposal.is_some() => return Err(NotDelegated::AboutAProposal.into()),
            Event::Delegated(said) => return Ok(delegation::admissible(said, person, self.time)?),
            Event::Received(received) => return self.receivable(proposal, person, received, digests),
            _ => {}
        }
        let no = || Illegal::NoCase(proposal);
        let id = proposal.ok_or_else(no)?;
        let closed = self.register.closed(id);
        if let (Event::Bypassed(_) | Event::Incident(_), Some(closed)) = (event, &closed) {
            let before_a_merge = matches!(
                closed.life,
                Life::Voided | Life::Denied | Life::Expired | Life::Cancelled | Life::Superseded
            );
            return if matches!(event, Event::Incident(_)) || before_a_merge {
                Ok(())
            } else {
                Err(Illegal::Life {
                    proposal: id,
                    life: closed.life,
                    kind: event.kind(),
                })
            };
        }
        if let (Event::Erased(_), Some(closed)) = (event, &closed) {
            return Ok(erasure::admissible(id, closed.erased, person)?);
        }
        if let Some(closed) = closed {
            return Err(Illegal::Life {
                proposal: id,
                life: closed.life,
                kind: event.kind(),
            });
        }
        let case = self.cases.get(&id).ok_or_else(no)?;
        if !case.allows(event) {
            return Err(Illegal::Life {
                proposal: id,
                life: case.life,
                kind: event.kind(),
            });
        }
        if digests
            .action
            .is_some_and(|action| action != case.proposal.action_digest())
        {
            return Err(Illegal::Digest("action"));
        }
        match event {
            Event::Opened(opened) => {
                if digests.presentation.is_none() {
                    return Err(Illegal::Digest("presentation"));
                }
                if opened.base_ref != self.genesis.base {
                    return Err(Illegal::Base(opened.base_ref.clone()));
                }
                match self.by_pull(opened.pull) {
                    Some(by) => Err(Illegal::Pull {
                        pull: opened.pull,
                        by,
                    }),
                    None => Ok(()),
                }
            }
            Event::Exception(said) => Ok(exception::admissible(case, said, digests, person)?),
            Event::Withdrawn(said) => Ok(exception::retractable(case, said, person)?),
            Event::Excluded(said) => Ok(exclusion::admissible(case, said, person)?),
            _ => self.executing(case, person, event, digests, time),
        }
    }

    fn receivable(
        &self,
        id: Option<ProposalId>,
        person: Option<&PersonName>,
        received: &super::entry::Received,
        digests: &super::entry::Digests,
    ) -> Result<(), Illegal> {
        let proposal = &received.proposal;
        if id != Some(proposal.id) {
            return Err(Illegal::NoCase(id));
        }
        if digests.action != Some(proposal.action_digest()) {
            return Err(Illegal::Digest("action"));
        }
        if digests.policy != Some(self.policy) {
            return Err(Illegal::Digest("policy"));
        }
        let agent = &proposal.binding.agent;
        let used = |what, by: Option<ProposalId>| by.map_or(Ok(()), |by| Err(Illegal::Used { what, by }));
        used("idempotency_key", self.request(agent, &proposal.idempotency_key))?;
        used("nonce", self.register.by_nonce(agent, &proposal.nonce))?;
        used("id", self.knows(proposal.id).then_some(proposal.id))?;
        correction::admissible(received, self.replaced(proposal), person)?;
        let taken_back = proposal.binding.rolls_back.and_then(|id| self.ended(id));
        rollback::admissible(received, taken_back, person)?;
        // Low tier is received with its end, after the act: it waits for nobody, and must not stay unrecorded.
        if received.assessment.tier == Tier::Low {
            return Ok(());
        }
        if let Some(old) = proposal.supersedes {
            self.replaceable(old, proposal)?;
        }
        let pending = self
            .cases
            .values()
            .filter(|case| case.proposal.binding.agent == *agent)
            .count();
        // What an agent has waiting keeps nobody from taking back what it did.
        if pending >= MAX_PENDING && proposal.binding.rolls_back.is_none() {
            return Err(Illegal::Pending { agent: agent.clone() });
        }
        // Whoever lost a race counts again. More than the book holds may be counted: what ended since, and what runs
        // from the outbox and is not recorded yet. INVARIANT i17, i20.
        let (matter, counted) = (proposal.matter(), &received.assessment.totals);
        let short = |count: &&Count| !count.so_far().covers(self.holds(count, &matter, None, matter.at));
        match counted.iter().find(short) {
            Some(count) => Err(Illegal::Totals(count.limit().to_owned())),
            None => Ok(()),
        }
    }

    /// What the limits of an action count for a proposal, as of its time. What waits and would be replaced by it is not
    /// counted: its reservation moves. INVARIANT i05.
    pub fn totals(&self, proposal: &Proposal, policy: &Policy) -> Totals {
        let waits = |id: &ProposalId| {
            let case = self.case(*id);
            case.is_some_and(|case| matches!(case.life, Life::Received | Life::Open))
        };
        let (matter, apart) = (proposal.matter(), proposal.supersedes.filter(waits));
        Totals::of(&matter, policy).counted(|count| self.holds(count, &matter, apart, matter.at))
    }

    fn holds(&self, count: &Count, matter: &Matter<'_>, apart: Option<ProposalId>, now: Timestamp) -> SoFar {
        self.running.so_far(count, matter.agent, apart, now)
    }

    /// Takes the next authentic entry into the record, or says why it is not part of it.
    pub fn apply(&mut self, next: Authentic) -> Result<Recorded, Finding> {
        let entry = &next.entry;
        let flaw = |flaw| Finding {
            commit: Some(next.commit),
            seq: Some(entry.seq),
            flaw,
        };
        check_role(&self.keys, &next)?;
        if entry.semantics > SEMANTICS {
            return Err(flaw(Flaw::Semantics(entry.semantics)));
        }
        if entry.seq != self.next {
            return Err(flaw(Flaw::Sequence {
                expected: self.next,
                found: entry.seq,
            }));
        }
        if entry.previous != Some(self.head) {
            return Err(flaw(Flaw::Previous));
        }
        if entry.time < self.time {
            return Err(flaw(Flaw::Time));
        }
        let person = entry.actor.person.as_ref();
        self.legal(entry.proposal, person, &entry.event, &entry.digests, entry.time)
            .map_err(|illegal| flaw(Flaw::Illegal(Box::new(illegal))))?;
        if entry.semantics == SEMANTICS
            && next
                .subject
                .as_deref()
                .is_some_and(|said| said != self.subject(entry))
        {
            return Err(flaw(Flaw::Message("subject")));
        }
        self.advance(entry, next.digest);
        self.running.forget(self.time);
        Ok(Recorded {
            commit: next.commit,
            digest: next.digest,
            entry: next.entry,
        })
    }

    fn advance(&mut self, entry: &Entry, digest: Digest) -> Option<Evicted> {
        if let Event::Delegated(said) = &entry.event {
            self.delegations.record(entry.time, said.clone());
            for case in self.cases.values_mut() {
                case.delegations.record(entry.time, said.clone());
            }
        }
        if Amendments::concerns(&entry.event) {
            Arc::make_mut(&mut self.amendments).record(entry);
        }
        match &entry.event {
            Event::Policy(enacted) => self.policy = enacted.new,
            Event::Protection(watched) => self.strong = watched.strong(),
            Event::Frozen(frozen) => {
                let by = entry.actor.person.clone();
                self.freezes.extend(by.map(|by| (entry.seq, by, frozen.clone())));
            }
            Event::Thawed(thawed) => self.freezes.thaw(thawed.freeze),
            _ => {}
        }
        let evicted = self.follow(entry);
        self.next = Seq(self.next.0.saturating_add(1));
        self.head = digest;
        self.time = entry.time;
        evicted
    }

    fn follow(&mut self, entry: &Entry) -> Option<Evicted> {
        let id = entry.proposal?;
        if let Event::Received(received) = &entry.event {
            let proposal = &received.proposal;
            let co_writers = self.co_writers(proposal);
            self.register
                .receive(proposal, received.assessment.tier, &co_writers);
            let mut case = Case::received(
                Arc::clone(proposal),
                received.assessment.clone(),
                self.policy,
                entry.seq,
            );
            case.delegations = self.delegations.open_at(entry.time);
            case.co_writers = co_writers;
            self.inherit(&mut case);
            self.running.follow(id, &case, entry.time);
            self.cases.insert(id, case);
            return None;
        }
        let Some(case) = self.cases.get_mut(&id) else {
            match &entry.event {
                Event::Bypassed(refusal) => self.register.bypass(id, &refusal.reason),
                Event::Erased(said) => self.register.erase(id, said.comment),
                _ => {}
            }
            if let Some(case) = self.whole.get_mut(&id) {
                Arc::make_mut(case).follow(&entry.event, &entry.digests, entry.time, entry.seq);
            }
            return None;
        };
        case.follow(&entry.event, &entry.digests, entry.time, entry.seq);
        self.register.follow(case);
        self.running.follow(id, case, entry.time);
        if case.life.ended() {
            self.whole
                .extend(self.cases.remove(&id).map(|case| (id, Arc::new(case))));
            self.recent.push_back(id);
            return self.evict();
        }
        None
    }

    /// Lets go of the oldest whole case beyond [`RECENT`].
    fn evict(&mut self) -> Option<Evicted> {
        if self.recent.len() <= RECENT {
            return None;
        }
        let id = self.recent.pop_front()?;
        let case = self.whole.remove(&id)?;
        Some(Evicted { id, case })
    }

    /// The line that people read for an entry, as it would stand next.
    pub fn subject(&self, entry: &Entry) -> String {
        let id = entry.proposal;
        let about = id.and_then(|id| {
            let open = self
                .cases
                .get(&id)
                .map(|case| (case.proposal.summary.as_str(), case.tier()));
            open.or_else(|| {
                self.register
                    .closed(id)
                    .map(|closed| (closed.summary, closed.tier))
            })
        });
        subject(entry, about)
    }

    /// How the ledger began.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }
    /// The digest everything hangs on. INVARIANT i01.
    pub const fn genesis_digest(&self) -> Digest {
        self.genesis_digest
    }
    /// How many entries are recorded.
    pub const fn size(&self) -> u64 {
        self.next.0
    }
    /// SHA-256 of the newest entry's bytes.
    pub const fn head(&self) -> Digest {
        self.head
    }
    /// The newest entry's time.
    pub const fn time(&self) -> Timestamp {
        self.time
    }
    /// The keys that may sign.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }
    /// The digest of the policy in force. INVARIANT i02.
    pub const fn policy(&self) -> Digest {
        self.policy
    }
    /// Whether base branch and ledger were strong enough when that was noted last; a ledger begins so. INVARIANT i31.
    pub const fn strong(&self) -> bool {
        self.strong
    }
    /// What people stopped from being executed. INVARIANT i22.
    pub const fn freezes(&self) -> &Freezes {
        &self.freezes
    }
    /// A proposal that has not ended.
    pub fn case(&self, id: ProposalId) -> Option<&Case> {
        self.cases.get(&id)
    }
    /// Proposals that have not ended.
    pub fn cases(&self) -> impl Iterator<Item = (&ProposalId, &Case)> {
        self.cases.iter()
    }
    /// Whether a proposal was received.
    pub fn knows(&self, id: ProposalId) -> bool {
        self.register.knows(id)
    }
    /// A proposal that ended.
    pub fn closed(&self, id: ProposalId) -> Option<Closed<'_>> {
        self.register.closed(id)
    }
    /// What is to be known of a proposal that ended, to take it back.
    pub fn ended(&self, id: ProposalId) -> Option<Ended<'_>> {
        self.register.ended(id)
    }
    /// What takes a proposal back, or was to; the newest, where it was tried several times.
    pub fn undo(&self, id: ProposalId) -> Option<Undo> {
        self.register.undo(id)
    }
    /// What a proposal takes back, because a person asked for that.
    pub fn rolls_back(&self, id: ProposalId) -> Option<ProposalId> {
        self.register.rolls_back(id)
    }
    /// The proposals whose keys and answers are destroyed, and the comments that said so, in the order of their receipt.
    pub fn erased(&self) -> impl Iterator<Item = (ProposalId, CommentId)> {
        self.register.erased()
    }
    /// The [`RECENT`] proposals that ended last, newest first.
    pub fn recently_ended(&self) -> impl Iterator<Item = &Case> {
        let newest_first = self.recent.iter().rev();
        newest_first.filter_map(|id| self.recent(*id))
    }
    /// A proposal as it ended, while it is among the [`RECENT`] newest.
    pub fn recent(&self, id: ProposalId) -> Option<&Case> {
        self.whole.get(&id).map(AsRef::as_ref)
    }
    /// The proposal of a pull request.
    pub fn by_pull(&self, pull: PullNumber) -> Option<ProposalId> {
        self.register.by_pull(pull)
    }
    /// The proposal that an earlier request of the same key made.
    pub fn request(&self, agent: &AgentName, key: &IdempotencyKey) -> Option<ProposalId> {
        self.register.by_request(agent, key)
    }
    /// What was recorded about changes of the rules.
    pub fn amendments(&self) -> &Amendments {
        &self.amendments
    }
    /// Who stands in for whom.
    pub const fn delegations(&self) -> &Delegations {
        &self.delegations
    }
    /// Whether an agent used a nonce.
    pub fn nonce_used(&self, agent: &AgentName, nonce: &Nonce) -> bool {
        self.register.by_nonce(agent, nonce).is_some()
    }
    /// Every role that has a key.
    pub fn roles(&self) -> BTreeSet<Role> {
        self.genesis.keys.iter().map(|key| key.role).collect()
    }
}

/// A case that is not kept whole any more.
#[derive(Debug)]
struct Evicted {
    id: ProposalId,
    case: Arc<Case>,
}

/// Whether the key that signed may write this kind at this position. INVARIANT i03.
fn check_role(keys: &Keys, next: &Authentic) -> Result<(), Finding> {
    let entry = &next.entry;
    let (role, kind, seq) = (entry.actor.role, entry.kind(), entry.seq);
    if next.key == entry.actor.key && kind.written_by(role) && keys.allow(&next.key, role, seq) {
        Ok(())
    } else {
        Err(Finding {
            commit: Some(next.commit),
            seq: Some(seq),
            flaw: Flaw::Role { role, kind, seq },
        })
    }
}
