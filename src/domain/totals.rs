//! What an action's limits already count when a proposal arrives, and what it would add. INVARIANT i20.
//!
//! A reservation counts from the moment the proposal is received until it ends, however old it is; an execution counts
//! for one window from its start. So at any moment what may still run and what ran in the window stand together, and
//! whoever takes them over a limit is the one that is raised or refused.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::Span;

/// What happens when a limit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Nothing more runs until the window moved on.
    #[default]
    Deny,
    /// What goes over needs the gate of the high tier.
    High,
}

/// Every limit of the action, once for each value that it is counted by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Totals(Vec<Count>);

/// One limit under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    limit: String,
    counter: String,
    max: i64,
    per: Span,
    over: Over,
    /// Why what the proposal adds can't be counted; it adds nothing then, and is raised or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uncounted: Option<Uncounted>,
    adds: i64,
    #[serde(flatten)]
    so_far: SoFar,
}

/// What a counter holds at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoFar {
    /// What ran, or may have run, within the window.
    #[schemars(range(min = 0))]
    pub ran: i64,
    /// What the same agent has waiting.
    #[schemars(range(min = 0))]
    pub own: i64,
    /// What other agents have waiting.
    #[schemars(range(min = 0))]
    pub others: i64,
}

/// Why an amount can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncounted {
    /// In another currency than the limit's.
    Currency,
    /// Not a whole number from 0 that 64 bits can hold, alone or summed over the items.
    Amount,
}

impl SoFar {
    /// Adds what another counter holds; beyond 64 bits it stays at the most, which every limit is below.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            ran: self.ran.saturating_add(other.ran),
            own: self.own.saturating_add(other.own),
            others: self.others.saturating_add(other.others),
        }
    }
    const fn mine(self) -> i64 {
        self.ran.saturating_add(self.own)
    }
    const fn all(self) -> i64 {
        self.mine().saturating_add(self.others)
    }
    /// Whether nothing of another moment is missing, whatever became of it since.
    pub(super) const fn covers(self, other: Self) -> bool {
        self.mine() >= other.mine() && self.all() >= other.all()
    }
}

impl Count {
    /// A limit that counted nothing so far, and what would be added to it.
    pub(in crate::domain) fn begun(
        limit: String,
        counter: String,
        (max, per, over): (i64, Span, Over),
        adds: Result<i64, Uncounted>,
    ) -> Self {
        Self {
            limit,
            counter,
            max,
            per,
            over,
            uncounted: adds.err(),
            adds: adds.unwrap_or(0),
            so_far: SoFar::default(),
        }
    }
    fn is_like(&self, other: &Self) -> bool {
        let apart_from_so_far =
            |count: &Self| (count.max, count.per, count.over, count.uncounted, count.adds);
        self.limit == other.limit
            && self.counter == other.counter
            && apart_from_so_far(self) == apart_from_so_far(other)
    }
    /// The limit's name.
    pub fn limit(&self) -> &str {
        &self.limit
    }
    /// What is counted, and for whom: the same for every limit over it.
    pub fn counter(&self) -> &str {
        &self.counter
    }
    /// The most in one window.
    pub const fn max(&self) -> i64 {
        self.max
    }
    /// The window.
    pub const fn per(&self) -> Span {
        self.per
    }
    /// What happens when it is over.
    pub const fn over(&self) -> Over {
        self.over
    }
    /// What the proposal adds.
    pub const fn adds(&self) -> i64 {
        self.adds
    }
    /// Why it can't be counted.
    pub const fn uncounted(&self) -> Option<Uncounted> {
        self.uncounted
    }
    /// What was counted before it.
    pub const fn so_far(&self) -> SoFar {
        self.so_far
    }
    /// What the window holds together with it.
    pub const fn reached(&self) -> i64 {
        self.so_far.all().saturating_add(self.adds)
    }
    /// Whether it must not run. What other agents have waiting refuses nobody. INVARIANT i20.
    pub const fn refuses(&self) -> bool {
        match (self.uncounted, self.over) {
            (Some(Uncounted::Amount), _) | (Some(Uncounted::Currency), Over::Deny) => true,
            (Some(Uncounted::Currency), Over::High) | (None, Over::High) => false,
            (None, Over::Deny) => self.so_far.mine().saturating_add(self.adds) > self.max,
        }
    }
    /// Whether it needs the gate of the high tier.
    pub const fn raises(&self) -> bool {
        self.uncounted.is_some() || self.reached() > self.max
    }
    /// Whether running it now would take what ran over the limit. What takes a window over a limit that asks for the high
    /// gate passed that gate when it arrived, unless it is low.
    pub(super) const fn over_by_running(&self, ran: i64, low: bool) -> bool {
        match self.over {
            Over::High if !low => false,
            Over::Deny | Over::High => self.uncounted.is_some() || ran.saturating_add(self.adds) > self.max,
        }
    }
}

impl FromIterator<Count> for Totals {
    fn from_iter<I: IntoIterator<Item = Count>>(counts: I) -> Self {
        Self(counts.into_iter().collect())
    }
}

impl Totals {
    /// Whether both count the same, whatever was counted so far.
    pub(in crate::domain) fn count_alike(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(mine, theirs)| mine.is_like(theirs))
    }

    /// The same with what each counter holds.
    #[must_use]
    pub fn counted(mut self, so_far: impl Fn(&Count) -> SoFar) -> Self {
        for count in &mut self.0 {
            count.so_far = count.so_far.and(so_far(count));
        }
        self
    }

    /// Whether no limit applies.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Every limit under every key.
    pub fn iter(&self) -> impl Iterator<Item = &Count> {
        self.0.iter()
    }
    /// What a proposal with these totals adds to a counter.
    pub fn adds_to(&self, counter: &str) -> i64 {
        let found = self.0.iter().find(|count| count.counter == counter);
        found.map_or(0, Count::adds)
    }
    /// The highest that each limit reaches, by its name, for `totals` in conditions.
    pub fn reached(&self) -> Vec<(&str, i64)> {
        let mut reached: BTreeMap<&str, i64> = BTreeMap::new();
        for count in &self.0 {
            let most = reached.entry(&count.limit).or_insert(0);
            *most = (*most).max(count.reached());
        }
        reached.into_iter().collect()
    }
}
