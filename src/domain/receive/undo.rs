//! What takes a proposal back, made from what ran and the catalog; by the gate to propose it, by the executor to compare.
//! INVARIANT i04.

use serde::Serialize;
use serde_json::Value;

use super::proof::{is_persons, without_defaults};
use crate::domain::{
    ids::{ActionName, ItemId, ProposalId, Timestamp},
    policy::{Action, BeforeIt, Policy, RollbackKind, Undoing},
    proposal::{Binding, Item, Observed, Proposal, RolledBack, step_key},
    sealed::{DataKey, placeholder_of},
};

/// Why nothing takes it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoUndo {
    /// Asked for by somebody who is nobody to the policy.
    #[error("a rollback is asked for by a person of people.yaml, by a comment")]
    Nobody,
    /// The catalog says that it can't be.
    #[error("`{0}` can't be taken back, as the catalog says")]
    Never(ActionName),
    /// The catalog does not say how.
    #[error(
        "the catalog does not say with what `{0}` is taken back; add `with` to its `rollback`, or ask its agent to \
         propose that"
    )]
    ByHand(ActionName),
    /// The catalog knows the action no more, or otherwise.
    #[error(
        "the parameters of `{0}` are not those of the catalog any more; ask its agent to propose what takes it back"
    )]
    Changed(ActionName),
    /// Too late.
    #[error("it could be taken back until `{until}`; ask its agent to propose that, if it still helps")]
    Late {
        /// Until when.
        until: Timestamp,
    },
    /// What is needed is not there.
    #[error("item `{item}`: {why}")]
    Missing {
        /// The item.
        item: ItemId,
        /// What is missing.
        why: String,
    },
    /// Its sealed values are not there.
    #[error("its sealed values can't be opened here; ask its agent to propose what takes it back")]
    Sealed,
    /// Something else is proposed.
    #[error("{0} is not what takes it back, as the catalog says")]
    Differs(&'static str),
}

/// How an action is taken back.
#[derive(Debug, Clone, Copy)]
pub struct Way<'p> {
    /// The action that does.
    pub by: &'p Action,
    with: &'p Undoing,
}

/// When an action's proposal that ended at a time can no longer be taken back by a comment; none without a limit, or
/// where none takes it back at all.
pub fn undone_until(action: &Action, ran_at: Timestamp) -> Option<Timestamp> {
    let within = action.undoing().and(action.rollback().within())?;
    Some(ran_at.plus(within))
}

impl<'p> Way<'p> {
    /// How what ran is taken back by the catalog, at a time.
    pub fn of(
        binding: &Binding,
        ran_at: Timestamp,
        now: Timestamp,
        policy: &'p Policy,
    ) -> Result<Self, NoUndo> {
        let operation = &binding.operation;
        let changed = || NoUndo::Changed(operation.clone());
        let action = policy.action(operation).ok_or_else(changed)?;
        if action.rollback().kind() == RollbackKind::None {
            return Err(NoUndo::Never(operation.clone()));
        }
        let by_hand = || NoUndo::ByHand(operation.clone());
        let (by, with) = action.undoing().ok_or_else(by_hand)?;
        if action.schema_digest() != binding.target.schema_digest {
            return Err(changed());
        }
        if let Some(until) = undone_until(action, ran_at).filter(|until| now > *until) {
            return Err(NoUndo::Late { until });
        }
        let by = policy.action(by).ok_or_else(|| NoUndo::Changed(by.clone()))?;
        Ok(Self { by, with })
    }

    /// The parameters that take one item of a proposal back; `params` are its own, in clear or with placeholders.
    pub fn parameters(
        &self,
        id: ProposalId,
        item: &Item,
        params: &Value,
        observed: &[Observed],
    ) -> Result<Value, NoUndo> {
        let seen = observed.iter().find(|seen| seen.item == item.id);
        let from = BeforeIt {
            params,
            before: seen.map(|seen| &seen.facts.before),
            key: &|step| step_key(id, &item.id, step),
        };
        self.with.fill(from).map_err(|error| NoUndo::Missing {
            item: item.id.clone(),
            why: error.to_string(),
        })
    }
}

/// Makes what takes a proposal back again, from what ran and the catalog, and compares.
///
/// That the agent had asked for what ran is not looked at again: an executor did so before it ran, and only an executor
/// tells the ledger that it did, which has the digest of what that was.
pub(super) fn check(
    new: &Proposal,
    rolled: &RolledBack,
    policy: &Policy,
    key: Option<&DataKey>,
) -> Result<(), NoUndo> {
    if !is_persons(&rolled.by, rolled.account, policy) {
        return Err(NoUndo::Nobody);
    }
    let way = Way::of(&rolled.binding, rolled.ran_at, new.created_at, policy)?;
    if new.binding.operation != *way.by.name() {
        return Err(NoUndo::Differs("the action"));
    }
    for item in &new.binding.items {
        let was = rolled.binding.items.iter().find(|was| was.id == item.id);
        let was = was.ok_or(NoUndo::Differs("an item"))?;
        let wanted = way.parameters(rolled.of, was, &was.parameters, &rolled.observed)?;
        let mut whole = item.parameters.clone();
        for sealed in new.sealed.iter().filter(|sealed| *sealed.item() == item.id) {
            // What was sealed before is told by its commitment alone; anything else is opened.
            if wanted
                .pointer(sealed.pointer())
                .and_then(placeholder_of)
                .is_some()
            {
                continue;
            }
            let clear = key.and_then(|key| sealed.open(new.id, key).ok());
            let clear = clear.ok_or(NoUndo::Sealed)?;
            if let Some(place) = whole.pointer_mut(sealed.pointer()) {
                *place = clear;
            }
        }
        let given = without_defaults(new, &item.id, whole.clone());
        let filled = new.defaulted.get(&item.id).map(Vec::as_slice);
        let mut again = given.clone();
        let defaults = way.by.apply_defaults(&mut again);
        if given != wanted || defaults != filled.unwrap_or_default() || again != whole {
            return Err(NoUndo::Differs("what an item is given"));
        }
    }
    Ok(())
}
