//! `/rollback`: what ran is taken back by a proposal of its own, which a person asks for and others approve.
//!
//! The catalog says by which action and with which parameters, so that a person gives a reason and nothing else. The
//! agent signed nothing of it: the proposal carries what ran, of which the ledger has the digest, and an executor makes
//! the parameters from that again. INVARIANT i04, i08, i14.

mod command;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(super) use command::COMMAND;
pub use command::{Wish, asked};

use super::{
    canonical::{Salt, digest_of},
    case::Life,
    entry::{Received, Via},
    ids::{AccountId, CommentId, Digest, ItemId, Nonce, PersonName, ProposalId, PullNumber, Timestamp},
    observation::Observation,
    policy::{ParamPath, Policy, Tier},
    proposal::{AgentProof, Item, Proposal, RolledBack},
    receive::{NoUndo, Way, clear_parameters},
    request::{Request, RequestItem},
    review::Rolls as _,
    sealed::{DataKey, placeholder_of},
};

/// What takes a proposal back, or was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The proposal that does.
    pub by: ProposalId,
    /// Where that one stands.
    pub life: Life,
    /// Its pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullNumber>,
}

impl Undo {
    /// Whether no other one may be asked for: it waits, runs, ran, or may have.
    pub const fn stands(&self) -> bool {
        !self.life.ended() || self.life.ran()
    }
}

/// What the ledger says of a proposal that ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// How it ended.
    pub life: Life,
    /// What was authorised.
    pub action: Digest,
    /// When it had run.
    pub ran_at: Option<Timestamp>,
    /// The items that did not run, of one that did.
    pub not_run: Option<&'a BTreeSet<ItemId>>,
    /// What takes it back.
    pub undo: Option<Undo>,
}

/// Why something can't be taken back by a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotRolledBack {
    /// It must be a person's own word.
    #[error("a rollback is asked for by a person of people.yaml, by a comment")]
    Nobody,
    /// An agent has a door of its own.
    #[error("an agent does not ask for it by a comment; propose the action that takes it back")]
    Agent,
    /// Not somebody who may write. INVARIANT i09.
    #[error("a rollback is asked for by people who may write to the repository; ask one of them")]
    NotAWriter,
    /// Something could not be looked up. INVARIANT i10.
    #[error("who may write can't be read now; write it again in a while")]
    Unread,
    /// No such proposal.
    #[error(
        "proposal `{0}` is not on this ledger; check the id, or write it again in a while if it ran just now"
    )]
    Unheard(ProposalId),
    /// Nothing is there to be taken back.
    #[error("proposal `{id}` is {life}; only what ran is taken back")]
    NotRun {
        /// The proposal.
        id: ProposalId,
        /// Where it stands.
        life: Life,
    },
    /// Somebody asked before.
    #[error("proposal `{by}` takes it back and is {life}; {}", remedy(*.life))]
    Already {
        /// What takes it back.
        by: ProposalId,
        /// Where that stands.
        life: Life,
    },
    /// A person's word is no signature: somebody else approves it.
    #[error("what a person has taken back is of medium tier at least; assess it again")]
    Low,
    /// The record is not of what ran.
    #[error("{0} is not what the ledger says of it")]
    Differs(&'static str),
    /// Nothing takes it back.
    #[error(transparent)]
    NoUndo(#[from] NoUndo),
}

/// What helps where somebody asked before.
const fn remedy(life: Life) -> &'static str {
    match life {
        Life::Received | Life::Open => "close its pull request first, to ask anew",
        Life::Partial => "ask the agent to propose what is left",
        Life::Unknown => "a person has to settle first whether it ran",
        Life::Merged
        | Life::Started
        | Life::Executed
        | Life::Refused
        | Life::Errored
        | Life::Undone
        | Life::Voided
        | Life::Denied
        | Life::Expired
        | Life::Cancelled
        | Life::Superseded
        | Life::Bypassed
        | Life::PolicyChanged
        | Life::RefusedAfterMerge => "nothing more is needed",
    }
}

/// Whether an account may ask for a rollback: any person's who may write. It only makes a proposal, and whoever asks for
/// it approves nothing of that.
pub fn may_ask(policy: &Policy, seen: &Observation, account: AccountId) -> Result<(), NotRolledBack> {
    if policy.agent_of(account).is_some() {
        return Err(NotRolledBack::Agent);
    }
    if policy.person_of(account).is_none() {
        return Err(NotRolledBack::Nobody);
    }
    match seen.may_write(account) {
        Some(true) => Ok(()),
        Some(false) => Err(NotRolledBack::NotAWriter),
        None => Err(NotRolledBack::Unread),
    }
}

impl Ended<'_> {
    /// When it had run, where nothing takes it back yet.
    fn rollable(&self, id: ProposalId) -> Result<Timestamp, NotRolledBack> {
        if let Some(Undo { by, life, .. }) = self.undo.filter(Undo::stands) {
            return Err(NotRolledBack::Already { by, life });
        }
        let ran_at = self
            .ran_at
            .filter(|_| matches!(self.life, Life::Executed | Life::Partial));
        ran_at.ok_or(NotRolledBack::NotRun { id, life: self.life })
    }

    /// Whether an item ran.
    fn ran(&self, item: &ItemId) -> bool {
        self.not_run.is_none_or(|not_run| !not_run.contains(item))
    }
}

/// A proposal that ran and can be taken back.
#[derive(Debug)]
pub struct Rollable<'a> {
    proposal: &'a Proposal,
    ran_at: Timestamp,
    items: Vec<&'a Item>,
    way: Way<'a>,
}

impl<'a> Rollable<'a> {
    /// Looks whether a proposal can be taken back now, by the rules in force.
    pub fn of(
        proposal: &'a Proposal,
        ended: &Ended<'_>,
        policy: &'a Policy,
        now: Timestamp,
    ) -> Result<Self, NotRolledBack> {
        let ran_at = ended.rollable(proposal.id)?;
        let way = Way::of(&proposal.binding, ran_at, now, policy)?;
        let items = proposal.binding.items.iter();
        Ok(Self {
            proposal,
            ran_at,
            items: items.filter(|item| ended.ran(&item.id)).collect(),
            way,
        })
    }

    /// What is asked for to take it back: every item that ran, and nothing of the agent's words.
    pub fn request(&self, reason: &str, nonce: Nonce, key: Option<&DataKey>) -> Result<Request, NoUndo> {
        let old = self.proposal;
        let items = self.items.iter().map(|item| {
            let params = clear_parameters(old, item, key).map_err(|_| NoUndo::Sealed)?;
            Ok(RequestItem {
                id: item.id.clone(),
                parameters: self.way.parameters(old.id, item, &params, &old.observed)?,
            })
        });
        Ok(Request {
            operation: self.way.by.name().clone(),
            sponsor: old.binding.sponsor.clone(),
            parameters: None,
            items: items.collect::<Result<_, _>>()?,
            nonce,
            expires_at: None,
            not_before: None,
            idempotency_key: None,
            supersedes: None,
            claimed: serde_json::Map::new(),
            justification: reason.to_owned(),
            exceptions: Vec::new(),
            rollback_plan: None,
            provenance: Default::default(),
            signature: None,
        })
    }

    /// The salts of what is sealed in both: sealed with the same, it has the same commitment.
    pub fn kept(&self, key: Option<&DataKey>) -> Result<BTreeMap<(ItemId, String), Salt>, NoUndo> {
        let old = self.proposal;
        let mut kept = BTreeMap::new();
        for item in &self.items {
            let params = self
                .way
                .parameters(old.id, item, &item.parameters, &old.observed)?;
            for pointer in self.way.by.sensitive().iter().map(ParamPath::pointer) {
                let Some(commitment) = params.pointer(&pointer).and_then(placeholder_of) else {
                    continue;
                };
                let mut sealed = old.sealed.iter().filter(|one| *one.item() == item.id);
                let sealed = sealed.find(|one| one.commitment() == commitment);
                let opened = sealed
                    .zip(key)
                    .and_then(|(sealed, key)| sealed.reveal(old.id, key).ok());
                let (salt, _) = opened.ok_or(NoUndo::Sealed)?;
                kept.insert((item.id.clone(), pointer), salt);
            }
        }
        Ok(kept)
    }

    /// How it is known what takes it back, and who asked for that.
    pub fn proof(&self, by: &PersonName, account: AccountId, comment: CommentId) -> AgentProof {
        AgentProof::RolledBack(Box::new(RolledBack {
            of: self.proposal.id,
            by: by.clone(),
            account,
            comment,
            ran_at: self.ran_at,
            binding: self.proposal.binding.clone(),
            observed: self.proposal.observed.clone(),
        }))
    }
}

/// Whether a proposal takes back what the ledger says, whatever the catalog says: something that ran and that nothing else
/// takes back, all of it that ran, in the name of the same agent. One that no person asked for says nothing of that.
/// `ended` is what the ledger says of what it names.
pub(super) fn admissible(
    received: &Received,
    ended: Option<Ended<'_>>,
    person: Option<&PersonName>,
) -> Result<(), NotRolledBack> {
    let new = &received.proposal;
    let (rolled, said) = match (new.proof.rolled_back(), &received.via) {
        (Some(rolled), Via::Rollback(said)) => (rolled, said),
        (Some(_), Via::Api | Via::Pull { .. } | Via::Comment(_)) | (None, Via::Rollback(_)) => {
            return Err(NotRolledBack::Nobody);
        }
        (None, Via::Api | Via::Pull { .. } | Via::Comment(_)) => return Ok(()),
    };
    if person != Some(&rolled.by) || said.account != rolled.account || said.comment != rolled.comment {
        return Err(NotRolledBack::Nobody);
    }
    if received.assessment.tier == Tier::Low {
        return Err(NotRolledBack::Low);
    }
    let ended = ended.ok_or(NotRolledBack::Unheard(rolled.of))?;
    let ran_at = ended.rollable(rolled.of)?;
    let (was, is) = (&rolled.binding, &new.binding);
    let same = |same: bool, what| {
        if same {
            Ok(())
        } else {
            Err(NotRolledBack::Differs(what))
        }
    };
    same(digest_of(was) == Ok(ended.action), "what is said to have run")?;
    same(rolled.ran_at == ran_at, "when it is said to have run")?;
    same(new.supersedes.is_none(), "what it replaces")?;
    let parties = (&was.agent, &was.sponsor) == (&is.agent, &is.sponsor);
    same(parties, "its agent or sponsor")?;
    let ids = was.items.iter().map(|item| &item.id);
    let ran = ids.filter(|id| ended.ran(id));
    same(
        ran.eq(is.items.iter().map(|item| &item.id)),
        "which of its items ran",
    )?;
    for seen in &rolled.observed {
        let item = was.items.iter().find(|item| item.id == seen.item);
        let carried = item.and_then(|item| item.observed_digest);
        let is_it = carried.is_some() && seen.facts.digest().ok() == carried;
        same(is_it, "what is said to have been found")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
