//! What an expression may read.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap, rc::Rc};

use serde_json::Value;

use super::{ExpressionError as Error, eval::Val};
use crate::domain::{matter::Matter, proposal::ObservedFacts};

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// The parameters of one item; see [`super::Expression::any`] for batches.
    Params,
    /// The parameters of every item, as a list.
    Items,
    /// What the bot read of one item: `before` and, where the target says it, `after`. INVARIANT i13.
    Change,
    /// What the bot read of whom and what all items touch: `count`, `audience`, `deltas`. INVARIANT i13.
    Affected,
    /// Each limit's running total by its name, this proposal included.
    Totals,
    /// The agent's name.
    Agent,
    /// The sponsor's name.
    Sponsor,
    /// When it was asked.
    Now,
    /// The action's name.
    Action,
    /// What only the agent says.
    Claimed,
    /// Whether the bot read something of every item.
    Observed,
}

impl Root {
    /// Every variable.
    pub const ALL: [Self; 11] = [
        Self::Params,
        Self::Items,
        Self::Change,
        Self::Affected,
        Self::Totals,
        Self::Agent,
        Self::Sponsor,
        Self::Now,
        Self::Action,
        Self::Claimed,
        Self::Observed,
    ];

    /// The variable as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Items => "items",
            Self::Change => "change",
            Self::Affected => "affected",
            Self::Totals => "totals",
            Self::Agent => "agent",
            Self::Sponsor => "sponsor",
            Self::Now => "now",
            Self::Action => "action",
            Self::Claimed => "claimed",
            Self::Observed => "observed",
        }
    }
}

/// The values that an expression reads, taken from the matter as they are asked for.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    matter: &'a Matter<'a>,
    totals: &'a [(&'a str, i64)],
    view: View,
    claims: bool,
    together: OnceCell<Value>,
}

/// What `params` is.
#[derive(Debug, Clone, Copy)]
enum View {
    Item(usize),
    Together,
}

impl<'a> Scope<'a> {
    /// What a matter says; `params` and `change` are its first item's. No running totals are known.
    pub fn of(matter: &'a Matter<'a>) -> Self {
        Self {
            matter,
            totals: &[],
            view: View::Item(0),
            claims: true,
            together: OnceCell::new(),
        }
    }
    /// The same with each limit's running total by its name.
    #[must_use]
    pub fn with_totals(self, totals: &'a [(&'a str, i64)]) -> Self {
        Self { totals, ..self }
    }
    /// The same as if the agent claimed nothing. INVARIANT i13.
    #[must_use]
    pub fn without_claims(self) -> Self {
        Self {
            claims: false,
            ..self
        }
    }
    /// The same with `params` and `change` of another item, counted from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self {
            view: View::Item(index),
            together: OnceCell::new(),
            ..self.clone()
        }
    }

    /// One scope an item, and for a batch one of all items together; one in any case, so that nothing is never asked.
    pub(super) fn views(&self) -> impl Iterator<Item = Self> {
        let items = self.matter.items.len().max(1);
        let together = (items > 1).then(|| Self {
            view: View::Together,
            together: OnceCell::new(),
            ..self.clone()
        });
        (0..items).map(|index| self.item(index)).chain(together)
    }

    pub(super) fn root(&self, root: Root) -> Result<Val<'_>, Error> {
        let text = |text: &'a str| Val::Text(Cow::Borrowed(text));
        Ok(match root {
            Root::Params => self.params()?,
            Root::Items => {
                let items = self.matter.items.iter();
                Val::List(
                    items
                        .map(|item| Val::of(&item.parameters))
                        .collect::<Result<_, _>>()?,
                )
            }
            Root::Change => self.change()?,
            Root::Affected => self.affected()?,
            Root::Totals => {
                let totals = self.totals.iter();
                Val::Record(totals.map(|(name, total)| (*name, Val::Int(*total))).collect())
            }
            Root::Agent => text(self.matter.agent.as_str()),
            Root::Sponsor => text(self.matter.sponsor.as_str()),
            Root::Now => Val::Time(self.matter.at.millis()),
            Root::Action => text(self.matter.operation.as_str()),
            Root::Claimed if self.claims => Val::Fields(self.matter.claimed),
            Root::Claimed => Val::Record(Rc::default()),
            Root::Observed => Val::Bool(self.observed()),
        })
    }

    fn params(&self) -> Result<Val<'_>, Error> {
        match self.view {
            View::Item(index) => {
                let item = self.matter.items.get(index);
                item.map_or_else(
                    || Err(Error::Missing(Root::Params.name().into())),
                    |item| Val::of(&item.parameters),
                )
            }
            View::Together => {
                if self.together.get().is_none() {
                    let mut all = self.matter.items.iter().map(|item| &item.parameters);
                    let mut sum = all.next().cloned().unwrap_or(Value::Null);
                    for next in all {
                        add(&mut sum, next)?;
                    }
                    // Set once; a second value could only be the same.
                    let _ = self.together.set(sum);
                }
                self.together.get().map_or(Ok(Val::Null), Val::of)
            }
        }
    }

    fn facts(&self) -> impl Iterator<Item = &'a ObservedFacts> {
        self.matter.observed.iter().map(|observed| &observed.facts)
    }

    fn observed(&self) -> bool {
        let read = |item: &crate::domain::proposal::Item| {
            self.matter
                .observed
                .iter()
                .any(|observed| observed.item == item.id)
        };
        !self.matter.items.is_empty() && self.matter.items.iter().all(read)
    }

    fn change(&self) -> Result<Val<'a>, Error> {
        let index = match self.view {
            View::Item(index) => index,
            View::Together => 0,
        };
        let item = self.matter.items.get(index);
        let found = item.and_then(|item| self.matter.observed.iter().find(|seen| seen.item == item.id));
        let mut fields = Vec::new();
        if let Some(seen) = found {
            fields.push(("before", Val::of(&seen.facts.before)?));
            if let Some(after) = &seen.facts.after {
                fields.push(("after", Val::of(after)?));
            }
        }
        Ok(Val::Record(fields.into()))
    }

    /// What all items touch, together. A count that is not known of every item is not known.
    fn affected(&self) -> Result<Val<'a>, Error> {
        let mut fields = Vec::new();
        if self.observed()
            && let Some(counts) = self
                .facts()
                .map(|facts| facts.affected.count)
                .collect::<Option<Vec<u64>>>()
        {
            let sum = counts
                .into_iter()
                .try_fold(0_i64, |sum, count| sum.checked_add(i64::try_from(count).ok()?));
            fields.push(("count", Val::Int(sum.ok_or(Error::Overflow("affected.count"))?)));
        }
        let mut audiences: Vec<&str> = Vec::new();
        for audience in self
            .facts()
            .filter_map(|facts| facts.affected.audience.as_deref())
        {
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
        match audiences.as_slice() {
            [] => {}
            [one] => fields.push(("audience", Val::Text(Cow::Borrowed(one)))),
            many => fields.push(("audience", Val::Text(many.join(", ").into()))),
        }
        let mut deltas: BTreeMap<&str, Val<'_>> = BTreeMap::new();
        for (name, delta) in self.facts().flat_map(|facts| &facts.affected.deltas) {
            let delta = Val::of(delta)?;
            match (deltas.get_mut(name.as_str()), delta) {
                (None, delta) => {
                    deltas.insert(name, delta);
                }
                (Some(Val::Int(sum)), Val::Int(more)) => {
                    *sum = sum.checked_add(more).ok_or(Error::Overflow("affected.deltas"))?;
                }
                (Some(_), _) => {}
            }
        }
        fields.push(("deltas", Val::Record(deltas.into_iter().collect())));
        Ok(Val::Record(fields.into()))
    }
}

/// Adds every whole number of one value to its place in another; all else stays the first's.
fn add(sum: &mut Value, more: &Value) -> Result<(), Error> {
    match (sum, more) {
        (Value::Object(sum), Value::Object(more)) => {
            for (name, more) in more {
                match sum.get_mut(name) {
                    Some(sum) => add(sum, more)?,
                    None => {
                        sum.insert(name.clone(), more.clone());
                    }
                }
            }
        }
        (Value::Array(sum), Value::Array(more)) => {
            for (sum, more) in sum.iter_mut().zip(more) {
                add(sum, more)?;
            }
        }
        (sum @ Value::Number(_), Value::Number(more)) => {
            let (Some(one), Some(other)) = (sum.as_i64(), more.as_i64()) else {
                return Err(Error::Overflow("the total of the items"));
            };
            let added = one.checked_add(other);
            *sum = added.ok_or(Error::Overflow("the total of the items"))?.into();
        }
        _ => {}
    }
    Ok(())
}
