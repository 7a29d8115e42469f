//! What an action's limits already count when a proposal arrives, and what it would add. INVARIANT i20.
//!
//! A reservation counts from the moment the proposal is received until it ends, however old it is; an execution counts
//! for one window from its start. So at any moment what may still run and what ran in the window stand together, and
//! whoever takes them over a limit is the one that is raised or refused.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    canonical::canonical,
    ids::{Digest, Span},
    matter::Matter,
    policy::{CountedBy, Limit, Measure, Over, ParamPath, Policy},
};

/// The longest value that stands in a counter's name as it is, in bytes.
const MAX_SHOWN: usize = 64;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoFar {
    /// What ran, or may have run, within the window.
    pub ran: i64,
    /// What the same agent has waiting.
    pub own: i64,
    /// What other agents have waiting.
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
    /// Whether running it now would take what ran over the limit.
    pub(super) const fn over_by_running(&self, ran: i64) -> bool {
        match self.over {
            Over::Deny => self.uncounted.is_some() || ran.saturating_add(self.adds) > self.max,
            // What takes a window over such a limit passed the high gate when it arrived.
            Over::High => false,
        }
    }
}

impl Totals {
    /// What the limits of the action would count, with nothing counted so far.
    pub fn of(matter: &Matter<'_>, policy: &Policy) -> Self {
        let limits = policy
            .action(matter.operation)
            .map(|action| action.limits())
            .unwrap_or_default();
        let mut counts = Vec::new();
        for limit in limits {
            let mut keyed: BTreeMap<String, Result<i64, Uncounted>> = BTreeMap::new();
            for item in matter.items {
                let key = key(limit, matter, &item.parameters);
                let adds = amount(limit, &item.parameters);
                let sum = keyed.entry(key).or_insert(Ok(0));
                *sum = match (*sum, adds) {
                    (Ok(sum), Ok(adds)) => sum.checked_add(adds).ok_or(Uncounted::Amount),
                    (Err(Uncounted::Amount), _) | (_, Err(Uncounted::Amount)) => Err(Uncounted::Amount),
                    (Err(Uncounted::Currency), _) | (_, Err(Uncounted::Currency)) => Err(Uncounted::Currency),
                };
            }
            counts.extend(keyed.into_iter().map(|(counter, adds)| Count {
                limit: limit.name().to_owned(),
                counter,
                max: limit.max(),
                per: limit.per(),
                over: limit.over(),
                uncounted: adds.err(),
                adds: adds.unwrap_or(0),
                so_far: SoFar::default(),
            }));
        }
        Self(counts)
    }

    /// The same with what each counter holds.
    #[must_use]
    pub fn counted(mut self, so_far: impl Fn(&Count) -> SoFar) -> Self {
        for count in &mut self.0 {
            count.so_far = count.so_far.and(so_far(count));
        }
        self
    }

    /// Whether these are the limits of the action as the policy states them, whatever was counted so far.
    pub fn fit(&self, matter: &Matter<'_>, policy: &Policy) -> bool {
        let mut bare = self.clone();
        bare.0
            .iter_mut()
            .for_each(|count| count.so_far = SoFar::default());
        bare == Self::of(matter, policy)
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

/// What is counted and for whom. A value is written as JSON, so that no two keys are spelled alike.
fn key(limit: &Limit, matter: &Matter<'_>, params: &Value) -> String {
    let what: Cow<'_, str> = match limit.measure() {
        Measure::Rate => "rate".into(),
        Measure::Budget { of, currency: None } => of.to_string().into(),
        Measure::Budget {
            of,
            currency: Some((_, code)),
        } => format!("{of} in {code}").into(),
    };
    let mut text = format!("{} {what} by", matter.operation);
    for by in limit.by() {
        text.push(' ');
        text.push_str(&by.to_string());
        text.push('=');
        text.push_str(&match by {
            CountedBy::Agent => matter.agent.to_string(),
            CountedBy::Sponsor => matter.sponsor.to_string(),
            CountedBy::Param(param) => written(param.find(params).unwrap_or(&Value::Null)),
        });
    }
    text
}

fn written(value: &Value) -> String {
    let bytes = canonical(value).unwrap_or_default();
    if bytes.len() > MAX_SHOWN {
        return Digest::of(&bytes).to_string();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// What an item adds to a limit.
fn amount(limit: &Limit, params: &Value) -> Result<i64, Uncounted> {
    match limit.measure() {
        Measure::Rate => Ok(1),
        Measure::Budget { of, currency } => {
            let amount = of
                .find(params)
                .and_then(Value::as_i64)
                .filter(|amount| *amount >= 0);
            let amount = amount.ok_or(Uncounted::Amount)?;
            let same = |(param, code): &(ParamPath, String)| {
                param.find(params).and_then(Value::as_str) == Some(code)
            };
            if currency.as_ref().is_none_or(same) {
                Ok(amount)
            } else {
                Err(Uncounted::Currency)
            }
        }
    }
}
