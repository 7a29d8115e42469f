//! What an action's limits would count for what is asked. INVARIANT i20.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{CountedBy, Limit, Measure, ParamPath, Policy};
use crate::domain::{
    canonical::canonical,
    ids::Digest,
    matter::Matter,
    totals::{Count, Totals, Uncounted},
};

/// The longest value that stands in a counter's name as it is, in bytes.
const MAX_SHOWN: usize = 64;

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
            let rule = (limit.max(), limit.per(), limit.over());
            counts.extend(
                keyed
                    .into_iter()
                    .map(|(counter, adds)| Count::begun(limit.name().to_owned(), counter, rule, adds)),
            );
        }
        counts.into_iter().collect()
    }

    /// Whether these are the limits of the action as the policy states them, whatever was counted so far.
    pub fn fit(&self, matter: &Matter<'_>, policy: &Policy) -> bool {
        self.count_alike(&Self::of(matter, policy))
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
