//! What is kept of every proposal for good, and small: a ledger of many years is folded in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use super::super::{
    case::{Case, Life},
    ids::{
        AccountId, ActionName, AgentName, CommentId, Digest, IdempotencyKey, ItemId, Nonce, ProposalId,
        PullNumber, Timestamp,
    },
    policy::Tier,
    proposal::Proposal,
    rollback::{Ended, Undo},
};

/// What is known of a proposal that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Closed<'a> {
    /// How it ended.
    pub life: Life,
    /// The agent that asked.
    pub agent: &'a AgentName,
    /// The action.
    pub operation: &'a ActionName,
    /// Its tier.
    pub tier: Tier,
    /// One line for people.
    pub summary: &'a str,
    /// What was authorised.
    pub action: Digest,
    /// Its pull request.
    pub pull: Option<PullNumber>,
    /// One line on why it ended without running.
    pub refused: Option<&'a str>,
    /// The comment by which its key and the answers to it are destroyed. INVARIANT i29.
    pub erased: Option<CommentId>,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    id: ProposalId,
    action: Digest,
    agent: Arc<AgentName>,
    operation: Arc<ActionName>,
    /// Where its summary begins; it ends where the next one's begins.
    summary: usize,
    pull: Option<PullNumber>,
    life: Life,
    tier: Tier,
    /// When it had run.
    ran_at: Option<Timestamp>,
}

/// A row as it stood, with what stands beside it.
#[derive(Debug)]
pub(super) struct Noted {
    row: Row,
    refused: Option<Box<str>>,
    erased: Option<CommentId>,
    not_run: Option<BTreeSet<ItemId>>,
}

/// How a proposal stands, as far as its line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) life: Life,
    pub(super) erased: bool,
}

/// Stands for a value that an agent may use once: 128 bits of SHA-256 over its kind, the agent and the value.
///
/// Equal values always meet, so that no repetition is missed. For two values of one agent to meet by intent takes 2^64
/// tries of that agent, and gets its own request taken for a repetition; to meet another agent's takes 2^128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint([u8; 16]);

impl Fingerprint {
    fn request(agent: &AgentName, key: &IdempotencyKey) -> Self {
        Self::of("request", agent, key.as_str())
    }
    fn nonce(agent: &AgentName, nonce: &Nonce) -> Self {
        Self::of("nonce", agent, nonce.as_str())
    }
    /// Neither a kind nor a name holds a NUL, so that no other three make the same bytes.
    fn of(kind: &str, agent: &AgentName, value: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [kind, agent.as_str(), value] {
            hash.update(part);
            hash.update([0]);
        }
        let digest: [u8; 32] = hash.finalize().into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// Written as 32 hex digits.
impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:032x}", u128::from_be_bytes(self.0)))
    }
}
impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = u128::from_str_radix(&text, 16).map_err(D::Error::custom)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// A proposal's row with what stands beside it, to be written down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    slot: usize,
    id: ProposalId,
    life: Life,
    agent: AgentName,
    operation: ActionName,
    tier: Tier,
    summary: String,
    action: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pull: Option<PullNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased: Option<CommentId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    co_writers: BTreeSet<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ran_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_run: Option<BTreeSet<ItemId>>,
    /// The slot of what it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolls_back: Option<usize>,
    /// Its idempotency key's and its nonce's.
    used: Vec<Fingerprint>,
}

impl Line {
    pub(super) const fn slot(&self) -> usize {
        self.slot
    }
    pub(super) const fn standing(&self) -> Standing {
        Standing {
            life: self.life,
            erased: self.erased.is_some(),
        }
    }
}

/// Every proposal of the ledger, in the order in which they were received. A slot is a place in that order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Register {
    rows: Vec<Row>,
    summaries: String,
    /// Slots by id. Ids and pull requests grow with time: a new one goes to the end, or close to it.
    by_id: Vec<usize>,
    /// Slots of those that have a pull request, by its number.
    by_pull: Vec<usize>,
    /// Slots by idempotency key and by nonce.
    used: BTreeMap<Fingerprint, usize>,
    /// Why proposals did not run, by slot.
    refused: BTreeMap<usize, Box<str>>,
    /// The comments that had proposals erased, by slot.
    erased: BTreeMap<usize, CommentId>,
    /// Whoever changed a proposal, or what it descends from, by slot.
    co_writers: BTreeMap<usize, BTreeSet<AccountId>>,
    /// The items that did not run of proposals that did, by slot.
    not_run: BTreeMap<usize, BTreeSet<ItemId>>,
    /// What takes something back, and what that is, by slots.
    rolls_back: BTreeMap<usize, usize>,
    /// The newest last.
    undone_by: BTreeMap<usize, Vec<usize>>,
    agents: BTreeSet<Arc<AgentName>>,
    operations: BTreeSet<Arc<ActionName>>,
}

impl Register {
    /// A new proposal.
    pub(super) fn receive(&mut self, proposal: &Proposal, tier: Tier, co_writers: &BTreeSet<AccountId>) {
        let agent = &proposal.binding.agent;
        let slot = self.rows.len();
        if !co_writers.is_empty() {
            self.co_writers.insert(slot, co_writers.clone());
        }
        if let Some(of) = proposal.binding.rolls_back.and_then(|id| self.slot(id)) {
            self.rolls_back.insert(slot, of);
            self.undone_by.entry(of).or_default().push(slot);
        }
        if let Err(place) = self.place(proposal.id) {
            self.by_id.insert(place, slot);
        }
        self.used
            .insert(Fingerprint::request(agent, &proposal.idempotency_key), slot);
        self.used.insert(Fingerprint::nonce(agent, &proposal.nonce), slot);
        self.rows.push(Row {
            id: proposal.id,
            action: proposal.action_digest(),
            agent: shared(&mut self.agents, agent),
            operation: shared(&mut self.operations, &proposal.binding.operation),
            summary: self.summaries.len(),
            pull: None,
            life: Life::Received,
            tier,
            ran_at: None,
        });
        self.summaries.push_str(&proposal.summary);
    }

    /// Takes back what was received last.
    pub(super) fn forget(&mut self, newest: &Proposal) {
        let newest_row = self.rows.last().filter(|row| row.id == newest.id);
        let Some(pull) = newest_row.map(|row| row.pull) else {
            return;
        };
        // Found through the row, so before it goes.
        if let Some(pull) = pull {
            self.remove_pull(pull);
        }
        if let Ok(place) = self.place(newest.id) {
            self.by_id.remove(place);
        }
        let Some(row) = self.rows.pop() else { return };
        let (slot, agent) = (self.rows.len(), &newest.binding.agent);
        self.used
            .remove(&Fingerprint::request(agent, &newest.idempotency_key));
        self.used.remove(&Fingerprint::nonce(agent, &newest.nonce));
        self.refused.remove(&slot);
        self.erased.remove(&slot);
        self.co_writers.remove(&slot);
        self.not_run.remove(&slot);
        if let Some(of) = self.rolls_back.remove(&slot)
            && let Some(by) = self.undone_by.get_mut(&of)
        {
            by.pop();
            if by.is_empty() {
                self.undone_by.remove(&of);
            }
        }
        self.summaries.truncate(row.summary);
        unshare(&mut self.agents, row.agent);
        unshare(&mut self.operations, row.operation);
    }

    /// Brings a proposal's row to where its case stands.
    pub(super) fn follow(&mut self, case: &Case) {
        let Some(slot) = self.slot(case.proposal.id) else {
            return;
        };
        let pull = case.opened.as_ref().map(|opened| opened.pull);
        if let Some(row) = self.rows.get_mut(slot) {
            row.life = case.life;
            row.ran_at = case.ran_at;
            if let Some(pull) = pull
                && row.pull.is_none()
            {
                row.pull = Some(pull);
                if let Err(place) = self.place_of_pull(pull) {
                    self.by_pull.insert(place, slot);
                }
            }
        }
        self.refuse(slot, case.refused.as_deref().map(Into::into));
        let not_run = case.ran_at.map(|_| case.not_run());
        self.leave_out(slot, not_run.filter(|items| !items.is_empty()));
    }

    /// A proposal that had ended otherwise was merged around the gate.
    pub(super) fn bypass(&mut self, id: ProposalId, reason: &str) {
        let Some(slot) = self.slot(id) else { return };
        if let Some(row) = self.rows.get_mut(slot) {
            row.life = Life::Bypassed;
        }
        self.refuse(slot, Some(reason.into()));
    }

    /// A proposal that ended is erased.
    pub(super) fn erase(&mut self, id: ProposalId, by: CommentId) {
        if let Some(slot) = self.slot(id) {
            self.erased.insert(slot, by);
        }
    }

    /// The proposals that are erased, in the order of their receipt.
    pub(super) fn erased(&self) -> impl Iterator<Item = (ProposalId, CommentId)> {
        let all = self.erased.iter();
        all.filter_map(|(slot, by)| Some((self.id(*slot)?, *by)))
    }

    fn refuse(&mut self, slot: usize, why: Option<Box<str>>) {
        match why {
            Some(why) => self.refused.insert(slot, why),
            None => self.refused.remove(&slot),
        };
    }

    fn leave_out(&mut self, slot: usize, items: Option<BTreeSet<ItemId>>) {
        match items {
            Some(items) => self.not_run.insert(slot, items),
            None => self.not_run.remove(&slot),
        };
    }

    /// How a proposal's row stands, so that it can be put back.
    pub(super) fn note(&self, id: ProposalId) -> Option<Noted> {
        let slot = self.slot(id)?;
        let row = self.rows.get(slot)?.clone();
        let refused = self.refused.get(&slot).cloned();
        let erased = self.erased.get(&slot).copied();
        let not_run = self.not_run.get(&slot).cloned();
        Some(Noted {
            row,
            refused,
            erased,
            not_run,
        })
    }

    /// Puts a row back as it was noted.
    pub(super) fn put_back(&mut self, noted: Noted) {
        let Some(slot) = self.slot(noted.row.id) else {
            return;
        };
        let now = self.rows.get(slot).and_then(|row| row.pull);
        if let Some(pull) = now
            && noted.row.pull.is_none()
        {
            self.remove_pull(pull);
        }
        if let Some(row) = self.rows.get_mut(slot) {
            *row = noted.row;
        }
        self.refuse(slot, noted.refused);
        self.leave_out(slot, noted.not_run);
        match noted.erased {
            Some(by) => self.erased.insert(slot, by),
            None => self.erased.remove(&slot),
        };
    }

    /// Whether a proposal was ever received.
    pub(super) fn knows(&self, id: ProposalId) -> bool {
        self.slot(id).is_some()
    }

    /// A proposal that ended.
    pub(super) fn closed(&self, id: ProposalId) -> Option<Closed<'_>> {
        let slot = self.slot(id)?;
        let row = self.rows.get(slot).filter(|row| row.life.ended())?;
        Some(Closed {
            life: row.life,
            agent: &row.agent,
            operation: &row.operation,
            tier: row.tier,
            summary: self.summary(slot)?,
            action: row.action,
            pull: row.pull,
            refused: self.refused.get(&slot).map(AsRef::as_ref),
            erased: self.erased.get(&slot).copied(),
        })
    }

    /// What is to be known of a proposal that ended, to take it back.
    pub(super) fn ended(&self, id: ProposalId) -> Option<Ended<'_>> {
        let slot = self.slot(id)?;
        let row = self.rows.get(slot).filter(|row| row.life.ended())?;
        Some(Ended {
            life: row.life,
            action: row.action,
            ran_at: row.ran_at,
            not_run: self.not_run.get(&slot),
            undo: self.undo(id),
        })
    }

    /// What takes a proposal back, the newest where that was tried several times.
    pub(super) fn undo(&self, id: ProposalId) -> Option<Undo> {
        let by = self.undone_by.get(&self.slot(id)?)?.last()?;
        let row = self.rows.get(*by)?;
        Some(Undo {
            by: row.id,
            life: row.life,
            pull: row.pull,
        })
    }

    /// What a proposal takes back.
    pub(super) fn rolls_back(&self, id: ProposalId) -> Option<ProposalId> {
        self.id(*self.rolls_back.get(&self.slot(id)?)?)
    }

    /// The accounts of whoever changed a proposal, or what it descends from.
    pub(super) fn co_writers(&self, id: ProposalId) -> impl Iterator<Item = AccountId> {
        let slot = self.slot(id);
        let accounts = slot.and_then(|slot| self.co_writers.get(&slot));
        accounts.into_iter().flatten().copied()
    }

    /// How every proposal stands, by slot.
    pub(super) fn standings(&self) -> impl Iterator<Item = Standing> {
        (0..).zip(&self.rows).map(|(slot, row)| Standing {
            life: row.life,
            erased: self.erased.contains_key(&slot),
        })
    }

    /// The rows of some slots, in their order.
    pub(super) fn lines(&self, slots: &BTreeSet<usize>) -> Vec<Line> {
        let mut used: BTreeMap<usize, Vec<Fingerprint>> = BTreeMap::new();
        if !slots.is_empty() {
            for (fingerprint, slot) in self.used.iter().filter(|(_, slot)| slots.contains(slot)) {
                used.entry(*slot).or_default().push(*fingerprint);
            }
        }
        let line = |slot: &usize| {
            let row = self.rows.get(*slot)?;
            Some(Line {
                slot: *slot,
                id: row.id,
                life: row.life,
                agent: row.agent.as_ref().clone(),
                operation: row.operation.as_ref().clone(),
                tier: row.tier,
                summary: self.summary(*slot)?.to_owned(),
                action: row.action,
                pull: row.pull,
                refused: self.refused.get(slot).map(|why| why.to_string()),
                erased: self.erased.get(slot).copied(),
                co_writers: self.co_writers.get(slot).cloned().unwrap_or_default(),
                ran_at: row.ran_at,
                not_run: self.not_run.get(slot).cloned(),
                rolls_back: self.rolls_back.get(slot).copied(),
                used: used.remove(slot).unwrap_or_default(),
            })
        };
        slots.iter().filter_map(line).collect()
    }

    /// The register that these rows make; none when they make none: a slot is missing, or a value that is used once is
    /// there twice.
    pub(super) fn of(lines: BTreeMap<usize, Line>) -> Option<Self> {
        let mut register = Self::default();
        for (slot, line) in lines {
            if slot != register.rows.len() {
                return None;
            }
            for fingerprint in line.used {
                if register.used.insert(fingerprint, slot).is_some() {
                    return None;
                }
            }
            if line.pull.is_some() {
                register.by_pull.push(slot);
            }
            register.by_id.push(slot);
            register.rows.push(Row {
                id: line.id,
                action: line.action,
                agent: shared(&mut register.agents, &line.agent),
                operation: shared(&mut register.operations, &line.operation),
                summary: register.summaries.len(),
                pull: line.pull,
                life: line.life,
                tier: line.tier,
                ran_at: line.ran_at,
            });
            register.summaries.push_str(&line.summary);
            if !line.co_writers.is_empty() {
                register.co_writers.insert(slot, line.co_writers);
            }
            if let Some(of) = line.rolls_back {
                register.rolls_back.insert(slot, of);
                register.undone_by.entry(of).or_default().push(slot);
            }
            register.not_run.extend(line.not_run.map(|items| (slot, items)));
            register
                .refused
                .extend(line.refused.map(|why| (slot, why.into_boxed_str())));
            register.erased.extend(line.erased.map(|by| (slot, by)));
        }
        let rows = std::mem::take(&mut register.rows);
        let id = |slot: &usize| rows.get(*slot).map(|row| row.id);
        let pull = |slot: &usize| rows.get(*slot).and_then(|row| row.pull);
        register.by_id.sort_unstable_by_key(id);
        register.by_pull.sort_unstable_by_key(pull);
        let once = register.by_id.is_sorted_by(|a, b| id(a) < id(b))
            && register.by_pull.is_sorted_by(|a, b| pull(a) < pull(b));
        register.rows = rows;
        once.then_some(register)
    }

    fn summary(&self, slot: usize) -> Option<&str> {
        let row = self.rows.get(slot)?;
        let next = self.rows.get(slot + 1);
        let end = next.map_or(self.summaries.len(), |next| next.summary);
        self.summaries.get(row.summary..end)
    }

    pub(super) fn by_pull(&self, pull: PullNumber) -> Option<ProposalId> {
        let place = self.place_of_pull(pull).ok()?;
        self.id(*self.by_pull.get(place)?)
    }
    pub(super) fn by_request(&self, agent: &AgentName, key: &IdempotencyKey) -> Option<ProposalId> {
        self.id(*self.used.get(&Fingerprint::request(agent, key))?)
    }
    pub(super) fn by_nonce(&self, agent: &AgentName, nonce: &Nonce) -> Option<ProposalId> {
        self.id(*self.used.get(&Fingerprint::nonce(agent, nonce))?)
    }

    fn id(&self, slot: usize) -> Option<ProposalId> {
        self.rows.get(slot).map(|row| row.id)
    }
    fn slot(&self, id: ProposalId) -> Option<usize> {
        self.by_id.get(self.place(id).ok()?).copied()
    }
    fn place(&self, id: ProposalId) -> Result<usize, usize> {
        self.by_id.binary_search_by_key(&Some(id), |slot| self.id(*slot))
    }
    fn place_of_pull(&self, pull: PullNumber) -> Result<usize, usize> {
        let pull_of = |slot: &usize| self.rows.get(*slot).and_then(|row| row.pull);
        self.by_pull.binary_search_by_key(&Some(pull), pull_of)
    }
    fn remove_pull(&mut self, pull: PullNumber) {
        if let Ok(place) = self.place_of_pull(pull) {
            self.by_pull.remove(place);
        }
    }
}

/// One copy of a name that many rows hold.
fn shared<T: Ord + Clone>(names: &mut BTreeSet<Arc<T>>, name: &T) -> Arc<T> {
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let new = Arc::new(name.clone());
    names.insert(Arc::clone(&new));
    new
}

/// Lets go of a name when no row holds it any more.
fn unshare<T: Ord>(names: &mut BTreeSet<Arc<T>>, name: Arc<T>) {
    if Arc::strong_count(&name) <= 2 {
        names.remove(&*name);
    }
}

#[cfg(test)]
impl Register {
    /// Bytes that grow with the number of proposals, from below: a tree's nodes are two thirds full on average.
    pub(super) fn bytes(&self) -> usize {
        let Self {
            rows,
            summaries,
            by_id,
            by_pull,
            used,
            refused,
            erased,
            co_writers,
            not_run,
            rolls_back,
            undone_by,
            agents,
            operations,
        } = self;
        let node = |pair: usize| pair * 3 / 2;
        let why = refused.values().map(|why| why.len()).sum::<usize>();
        let names = agents.iter().map(|name| name.as_str().len()).sum::<usize>()
            + operations.iter().map(|name| name.as_str().len()).sum::<usize>();
        rows.len() * size_of::<Row>()
            + summaries.len()
            + (by_id.len() + by_pull.len()) * size_of::<usize>()
            + used.len() * node(size_of::<(Fingerprint, usize)>())
            + erased.len() * node(size_of::<(usize, CommentId)>())
            + refused.len() * node(size_of::<(usize, Box<str>)>())
            + why
            + not_run.values().map(BTreeSet::len).sum::<usize>() * node(size_of::<ItemId>())
            + (rolls_back.len() + undone_by.values().map(Vec::len).sum::<usize>())
                * node(size_of::<(usize, usize)>())
            + co_writers.values().map(BTreeSet::len).sum::<usize>() * node(size_of::<AccountId>())
            + names
    }
}
