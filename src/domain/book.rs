//! The fold of the ledger: every case, and what may be recorded next.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde::Serialize;

mod begin;
mod staging;

pub use begin::{BeginError, first_key, genesis_entry};
pub use staging::{Before, StageError, Staged};

use super::{
    amendment::Amendments,
    audit::{Authentic, Finding, Flaw, Recorded},
    case::{Case, Life},
    delegation::{self, Delegations, NotDelegated},
    entry::{Actor, Draft, Entry, Event, Genesis, Role, SEMANTICS},
    ids::{
        ActionName, AgentName, Digest, IdempotencyKey, KeyId, Nonce, PersonName, ProposalId, PullNumber, Seq,
        Timestamp,
    },
    keys::Keys,
    policy::Tier,
    subject::subject,
};

/// Ended cases that are kept whole, so that their pull requests can still be made to show the end.
pub const RECENT: usize = 256;

pub use super::illegal::{Illegal, MAX_PENDING};

/// What is kept of a proposal that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Closed {
    /// How it ended.
    pub life: Life,
    /// The agent that asked.
    pub agent: AgentName,
    /// The action.
    pub operation: ActionName,
    /// Its tier.
    pub tier: Tier,
    /// One line for people.
    pub summary: String,
    /// What was authorised.
    pub action: Digest,
    /// Its pull request.
    pub pull: Option<PullNumber>,
    /// One line on why it ended without running.
    pub refused: Option<String>,
    /// The entry that ended it.
    pub last: Seq,
    /// The whole case, while it is among the [`RECENT`] newest to end.
    #[serde(skip)]
    pub case: Option<Arc<Case>>,
}

/// Everything the ledger says, folded up to its head.
#[derive(Debug, Clone)]
pub struct Book {
    genesis: Genesis,
    genesis_digest: Digest,
    next: Seq,
    head: Digest,
    time: Timestamp,
    keys: Keys,
    policy: Digest,
    cases: BTreeMap<ProposalId, Case>,
    closed: BTreeMap<ProposalId, Closed>,
    recent: VecDeque<ProposalId>,
    requests: BTreeMap<(AgentName, IdempotencyKey), ProposalId>,
    nonces: BTreeMap<(AgentName, Nonce), ProposalId>,
    pulls: BTreeMap<PullNumber, ProposalId>,
    delegations: Delegations,
    amendments: Arc<Amendments>,
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
            closed: BTreeMap::new(),
            recent: VecDeque::new(),
            requests: BTreeMap::new(),
            nonces: BTreeMap::new(),
            pulls: BTreeMap::new(),
            delegations: Delegations::default(),
            amendments: Arc::default(),
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
        )
    }

    fn legal(
        &self,
        proposal: Option<ProposalId>,
        person: Option<&PersonName>,
        event: &Event,
        digests: &super::entry::Digests,
    ) -> Result<(), Illegal> {
        if let Some(admissible) = self.amendments.admissible(self.policy, proposal, event, digests) {
            return Ok(admissible?);
        }
        match event {
            Event::Genesis(_) => return Err(Illegal::SecondGenesis),
            Event::Incident(_) if proposal.is_none() => return Ok(()),
            Event::Delegated(_) if proposal.is_some() => return Err(NotDelegated::AboutAProposal.into()),
            Event::Delegated(said) => return Ok(delegation::admissible(said, person, self.time)?),
            Event::Received(received) => return self.receivable(proposal, received, digests),
            _ => {}
        }
        let no = || Illegal::NoCase(proposal);
        let id = proposal.ok_or_else(no)?;
        if let (Event::Bypassed(_) | Event::Incident(_), Some(closed)) = (event, self.closed.get(&id)) {
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
        if let Some(closed) = self.closed.get(&id) {
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
                match self.pulls.get(&opened.pull) {
                    Some(by) => Err(Illegal::Pull {
                        pull: opened.pull,
                        by: *by,
                    }),
                    None => Ok(()),
                }
            }
            Event::Started(started) => {
                let low = case.tier() == Tier::Low;
                let outbox = started.claim == super::entry::ClaimedBy::Outbox;
                if digests.action.is_none() || digests.plan.is_none() {
                    Err(Illegal::Digest("plan"))
                } else if low == outbox {
                    Ok(())
                } else {
                    Err(Illegal::Claim)
                }
            }
            Event::Finished(finished) => same_instance(case, &finished.instance),
            Event::Unknown(unknown) => same_instance(case, &unknown.instance),
            _ => Ok(()),
        }
    }

    fn receivable(
        &self,
        id: Option<ProposalId>,
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
        used(
            "nonce",
            self.nonces.get(&(agent.clone(), proposal.nonce.clone())).copied(),
        )?;
        used(
            "id",
            (self.cases.contains_key(&proposal.id) || self.closed.contains_key(&proposal.id))
                .then_some(proposal.id),
        )?;
        // Low tier is received with its end, after the act: it waits for nobody, and must not stay unrecorded.
        if received.assessment.tier == Tier::Low {
            return Ok(());
        }
        let pending = self
            .cases
            .values()
            .filter(|case| case.proposal.binding.agent == *agent)
            .count();
        if pending >= MAX_PENDING {
            return Err(Illegal::Pending { agent: agent.clone() });
        }
        Ok(())
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
        self.legal(entry.proposal, person, &entry.event, &entry.digests)
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
        Ok(Recorded {
            commit: next.commit,
            digest: next.digest,
            entry: next.entry,
        })
    }

    fn advance(&mut self, entry: &Entry, digest: Digest) -> Option<Evicted> {
        if let Event::Delegated(said) = &entry.event {
            self.delegations.record(entry.time, said.clone());
        }
        if Amendments::concerns(&entry.event) {
            Arc::make_mut(&mut self.amendments).record(entry);
        }
        if let Event::Policy(enacted) = &entry.event {
            self.policy = enacted.new;
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
            let agent = &proposal.binding.agent;
            self.requests
                .insert((agent.clone(), proposal.idempotency_key.clone()), id);
            self.nonces.insert((agent.clone(), proposal.nonce.clone()), id);
            let case = Case::received(
                Arc::new(proposal.as_ref().clone()),
                received.assessment.clone(),
                self.policy,
                entry.seq,
            );
            self.cases.insert(id, case);
            return None;
        }
        if let Some(closed) = self.closed.get_mut(&id) {
            if let Event::Bypassed(refusal) = &entry.event {
                closed.life = Life::Bypassed;
                closed.refused = Some(refusal.reason.clone());
            }
            if let Some(case) = &mut closed.case {
                Arc::make_mut(case).follow(&entry.event, &entry.digests, entry.time, entry.seq);
            }
            closed.last = entry.seq;
            return None;
        }
        let case = self.cases.get_mut(&id)?;
        case.follow(&entry.event, &entry.digests, entry.time, entry.seq);
        if let Event::Opened(opened) = &entry.event {
            self.pulls.insert(opened.pull, id);
        }
        if case.life.ended() {
            let mut closed = Closed {
                life: case.life,
                agent: case.proposal.binding.agent.clone(),
                operation: case.proposal.binding.operation.clone(),
                tier: case.tier(),
                summary: case.proposal.summary.clone(),
                action: case.proposal.action_digest(),
                pull: case.opened.as_ref().map(|opened| opened.pull),
                refused: case.refused.clone(),
                last: entry.seq,
                case: None,
            };
            closed.case = self.cases.remove(&id).map(Arc::new);
            self.recent.push_back(id);
            self.closed.insert(id, closed);
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
        let case = self.closed.get_mut(&id)?.case.take()?;
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
                self.closed
                    .get(&id)
                    .map(|closed| (closed.summary.as_str(), closed.tier))
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
    /// A proposal that has not ended.
    pub fn case(&self, id: ProposalId) -> Option<&Case> {
        self.cases.get(&id)
    }
    /// Proposals that have not ended.
    pub fn cases(&self) -> impl Iterator<Item = (&ProposalId, &Case)> {
        self.cases.iter()
    }
    /// A proposal that ended.
    pub fn closed(&self, id: ProposalId) -> Option<&Closed> {
        self.closed.get(&id)
    }
    /// The [`RECENT`] proposals that ended last, newest first.
    pub fn recently_ended(&self) -> impl Iterator<Item = &Case> {
        let newest_first = self.recent.iter().rev();
        newest_first.filter_map(|id| self.recent(*id))
    }
    /// A proposal as it ended, while it is among the [`RECENT`] newest.
    pub fn recent(&self, id: ProposalId) -> Option<&Case> {
        self.closed.get(&id)?.case.as_deref()
    }
    /// Proposals that ended.
    pub fn all_closed(&self) -> impl Iterator<Item = (&ProposalId, &Closed)> {
        self.closed.iter()
    }
    /// The proposal of a pull request.
    pub fn by_pull(&self, pull: PullNumber) -> Option<ProposalId> {
        self.pulls.get(&pull).copied()
    }
    /// The proposal that an earlier request of the same key made.
    pub fn request(&self, agent: &AgentName, key: &IdempotencyKey) -> Option<ProposalId> {
        self.requests.get(&(agent.clone(), key.clone())).copied()
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
        self.nonces.contains_key(&(agent.clone(), nonce.clone()))
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

fn same_instance(case: &Case, instance: &super::ids::InstanceId) -> Result<(), Illegal> {
    match &case.started {
        Some(started) if started.instance == *instance => Ok(()),
        Some(_) | None => Err(Illegal::Instance),
    }
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
