//! How much a target is asked to do at a time: bounds for the hosts that actions are carried out on.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    action::Action,
    error::{Errors, Rule},
};
use crate::domain::{ids::Span, source::Node};

const MOST: u32 = 10_000;
const LONGEST: Span = Span::seconds(86_400);

/// What one host is asked to do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetBounds {
    concurrency: Option<NonZeroU32>,
    rate: Option<(NonZeroU32, Span)>,
}

impl TargetBounds {
    /// How many calls may be under way.
    pub const fn concurrency(&self) -> Option<NonZeroU32> {
        self.concurrency
    }
    /// How many calls may begin in a span.
    pub const fn rate(&self) -> Option<(NonZeroU32, Span)> {
        self.rate
    }
}

/// TargetBounds by host, as `host` or `host:port`.
pub(super) type Targets = BTreeMap<String, TargetBounds>;

/// The bounds of an address: those of its host with the port before those of the host.
pub(super) fn find<'a>(targets: &'a Targets, url: &Url) -> Option<(&'a str, &'a TargetBounds)> {
    let host = url.host_str()?;
    let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
    let mut names = with_port.iter().map(String::as_str).chain([host]);
    let (name, bounds) = names.find_map(|name| targets.get_key_value(name))?;
    Some((name, bounds))
}

/// What a host is asked to do at a time, of each process that executes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBounds {
    /// How many calls may be under way at once.
    #[schemars(range(min = 1, max = 10_000))]
    concurrency: Option<u32>,
    /// How many calls may begin within `per`; half of them at once.
    #[schemars(range(min = 1, max = 10_000))]
    rate: Option<u32>,
    /// The span that `rate` is counted in; 1d at most.
    per: Option<Span>,
}

/// Reads `targets` of the catalog. A name that no call goes to would bound nothing.
pub(super) fn read<'a>(
    list: Option<&Node>,
    actions: impl Iterator<Item = &'a Action>,
    errors: &mut Errors,
) -> Targets {
    let mut targets = Targets::new();
    let Some(list) = list else {
        return targets;
    };
    errors.mapping(list, "a mapping from each host to its bounds");
    let called = called(actions);
    for (key, node) in list.entries() {
        if !called.contains(key.text()) {
            let known = called.iter().map(String::as_str);
            errors.unknown(key.mark(), "target", key.text(), known);
        }
        match node.decode::<RawBounds>() {
            Ok(raw) => {
                if let Some(bounds) = check(&raw, node, errors) {
                    targets.insert(key.text().to_owned(), bounds);
                }
            }
            Err(fault) => errors.fault(Rule::Syntax, fault),
        }
    }
    targets
}

fn check(raw: &RawBounds, node: &Node, errors: &mut Errors) -> Option<TargetBounds> {
    let mut count = |field: &str, stated: Option<u32>| {
        let good = stated.filter(|count| *count <= MOST).and_then(NonZeroU32::new);
        if let (Some(count), None) = (stated, good) {
            let message = format!("`{count}` can't be `{field}`; 1 to {MOST}");
            errors.add(Rule::Limits, node.mark_at(&format!("/{field}")), message);
        }
        good
    };
    let concurrency = count("concurrency", raw.concurrency);
    let rate = count("rate", raw.rate);
    let rate = match (raw.rate, raw.per) {
        (None, None) => None,
        (Some(_), Some(per)) if per.millis() > 0 && per <= LONGEST => rate.map(|rate| (rate, per)),
        (Some(_), Some(per)) => {
            let message = format!("`{per}` can't be `per`; up to {LONGEST}");
            errors.add(Rule::Limits, node.mark_at("/per"), message);
            None
        }
        (Some(_), None) | (None, Some(_)) => {
            let message = "`rate` and `per` go together, as in `{ rate: 60, per: 1m }`";
            errors.add(Rule::Limits, node.mark(), message);
            None
        }
    };
    if raw.concurrency.is_none() && raw.rate.is_none() && raw.per.is_none() {
        let message = "this bounds nothing; state `concurrency`, or `rate` and `per`";
        errors.add(Rule::Limits, node.mark(), message);
    }
    (concurrency.is_some() || rate.is_some()).then_some(TargetBounds { concurrency, rate })
}

/// The hosts that actions are carried out on, or asked what they would do, with and without the port.
fn called<'a>(actions: impl Iterator<Item = &'a Action>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for action in actions {
        let placed = action.execute().connectors().into_iter();
        let acts = placed.filter_map(|placed| Some(placed.connector.http()?.request().url()));
        let asks = action.dry_run().map(|dry_run| dry_run.request().url());
        for url in acts.chain(asks) {
            found.insert(url.host().to_owned());
            found.extend(url.with_port());
        }
    }
    found
}
