//! What a target said it would do, asked before anybody was.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ProposalError, ProposalParts};
use crate::domain::{
    canonical::refuse_inexact,
    ids::{ItemId, Timestamp},
};

/// The statuses that say that a target would do what it was asked (RFC 9110).
const YES: RangeInclusive<u16> = 200..=299;

/// What the target answered to the action's own call, marked so that nothing happens. It is no part of the observation: it
/// is not asked for again before the act, which finds out for itself, so that only the gate vouches for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// The item that it was asked about.
    pub item: ItemId,
    /// When.
    pub at: Timestamp,
    /// The answer's status; 2xx, since a proposal whose target says no is refused.
    pub status: u16,
    /// What the catalog has kept of the answer, by the catalog's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub said: BTreeMap<String, Value>,
}

/// Whether dry runs are of the proposal's items, one each at most, and yeses that have a canonical form.
pub(super) fn check(parts: &ProposalParts) -> Result<(), ProposalError> {
    let items: BTreeSet<&ItemId> = parts.binding.items.iter().map(|item| &item.id).collect();
    let mut asked = BTreeSet::new();
    for dry_run in &parts.dry_runs {
        let item = &dry_run.item;
        if !items.contains(item) || !asked.insert(item) || !YES.contains(&dry_run.status) {
            return Err(ProposalError::DryRun(item.clone()));
        }
        for (name, value) in &dry_run.said {
            refuse_inexact(value, &mut format!("/dry_runs/{item}/{name}"))?;
        }
    }
    Ok(())
}
