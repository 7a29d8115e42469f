//! Who owns what a proposal acts on, item by item and together.

use std::collections::BTreeSet;

use super::{Owner, OwnerSet, Requirements};
use crate::domain::{
    ids::{ActionName, ItemId},
    policy::{Policy, ResourceError},
    proposal::Item,
};

/// Who owns the resources of a proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned<'p>(Vec<OwnedItem<'p>>);

/// Who owns the resource of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedItem<'p> {
    /// The item.
    pub item: ItemId,
    /// Its resource, as in `/payments/suppliers/42`, or why it can't be named.
    pub path: Result<String, ResourceError>,
    /// Who must approve; nobody for a resource that can't be named.
    pub requirements: Requirements<'p>,
}

impl Policy {
    /// Who owns what a proposal acts on; nothing when the catalog does not know its action, and then it is unowned.
    pub fn owned(&self, operation: &ActionName, items: &[Item]) -> Option<Owned<'_>> {
        let action = self.action(operation)?;
        let items = items.iter().map(|item| {
            let path = action.resource().path(&item.parameters);
            let requirements = path
                .as_ref()
                .map(|path| self.owners().requirements(path))
                .unwrap_or_default();
            OwnedItem {
                item: item.id.clone(),
                path,
                requirements,
            }
        });
        Some(Owned(items.collect()))
    }

    /// Who owns some paths, each for itself.
    pub fn owned_paths(&self, paths: impl IntoIterator<Item = String>) -> Owned<'_> {
        let items = paths.into_iter().map(|path| OwnedItem {
            item: ItemId::only(),
            requirements: self.owners().requirements(&path),
            path: Ok(path),
        });
        Owned(items.collect())
    }
}

impl<'p> Requirements<'p> {
    /// Each set with the approvals that it needs, as [`Owned::needs`] says.
    pub fn needs(&self, gate: u8) -> impl Iterator<Item = (&'p OwnerSet, u8)> {
        let own = move |set: &OwnerSet| {
            if set.is_optional() {
                0
            } else {
                set.need().unwrap_or(gate)
            }
        };
        let total: u32 = self.sets().iter().map(|set| u32::from(own(set))).sum();
        self.sets().iter().map(move |&set| match own(set) {
            0 => (set, 0),
            own if total < u32::from(gate) => (set, own.max(gate)),
            own => (set, own),
        })
    }
}

impl<'p> Owned<'p> {
    /// Every item, in the proposal's order.
    pub fn items(&self) -> &[OwnedItem<'p>] {
        &self.0
    }
    /// The requirements of all items, each once, with the approvals that it needs where the gate of the tier demands
    /// `gate`; an optional one needs none. Items that the same line of the same section decides about share one.
    ///
    /// A section's count stands instead of the gate's, but never opens a gate for less: an item whose sections
    /// together ask for fewer approvals than the gate has the gate's number asked of each of them.
    pub fn needs(&self, gate: u8) -> Vec<(&'p OwnerSet, u8)> {
        let mut needs: Vec<(&OwnerSet, u8)> = Vec::new();
        for item in &self.0 {
            for (set, need) in item.requirements.needs(gate) {
                match needs.iter_mut().find(|(known, _)| *known == set) {
                    Some((_, known)) => *known = need.max(*known),
                    None => needs.push((set, need)),
                }
            }
        }
        needs
    }
    /// Everyone who is asked, whether needed or not.
    pub fn owners(&self) -> BTreeSet<&'p Owner> {
        let sets = self.0.iter().flat_map(|item| item.requirements.sets());
        sets.flat_map(|set| set.owners()).collect()
    }
    /// The resources that nobody has to approve, which nobody can; an item's id where its resource can't be named.
    pub fn unowned(&self) -> Vec<String> {
        let unowned = self.0.iter().filter(|item| item.requirements.is_unowned());
        unowned
            .map(|item| item.path.clone().unwrap_or_else(|_| item.item.to_string()))
            .collect()
    }
}
