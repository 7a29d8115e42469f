//! Who owns what a proposal acts on, item by item and together.

use std::collections::BTreeSet;

use super::{Owner, OwnerSet, Requirements};
use crate::domain::{
    ids::ItemId,
    policy::{Policy, ResourceError},
    proposal::Binding,
};

/// Who owns the resources of a proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned(Vec<OwnedItem>);

/// Who owns the resource of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedItem {
    /// The item.
    pub item: ItemId,
    /// Its resource, as in `/payments/suppliers/42`, or why it can't be named.
    pub path: Result<String, ResourceError>,
    /// Who must approve; nobody for a resource that can't be named.
    pub requirements: Requirements,
}

impl Policy {
    /// Who owns what a proposal acts on; nothing when the catalog does not know its action, and then it is unowned.
    pub fn owned(&self, binding: &Binding) -> Option<Owned> {
        let action = self.action(&binding.operation)?;
        let items = binding.items.iter().map(|item| {
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
}

impl Owned {
    /// Every item, in the proposal's order.
    pub fn items(&self) -> &[OwnedItem] {
        &self.0
    }
    /// The requirements of all items, each once: items that the same line of the same section decides about share one.
    pub fn sets(&self) -> Vec<&OwnerSet> {
        let mut sets: Vec<&OwnerSet> = Vec::new();
        for set in self.0.iter().flat_map(|item| item.requirements.sets()) {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }
    /// Everyone who is asked, whether needed or not.
    pub fn owners(&self) -> BTreeSet<&Owner> {
        self.sets().into_iter().flat_map(OwnerSet::owners).collect()
    }
    /// The resources that nobody has to approve, which nobody can; an item's id where its resource can't be named.
    pub fn unowned(&self) -> Vec<String> {
        let unowned = self.0.iter().filter(|item| item.requirements.is_unowned());
        unowned
            .map(|item| item.path.clone().unwrap_or_else(|_| item.item.to_string()))
            .collect()
    }
}
