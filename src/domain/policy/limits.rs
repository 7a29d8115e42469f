//! How much of an action may run in a while: `limits` of the catalog, each a rate or a budget over a sliding window.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::{
    error::{Errors, Rule},
    param::ParamPath,
    schema::ParamSchema,
};
use crate::domain::{
    canonical::MAX_INTEGER,
    ids::Span,
    money,
    source::{Fault, Node, nearest},
    totals::Over,
};

/// The check that shows how each limit stands, as the catalog names it.
pub const LIMITS: &str = "limits";

/// The longest window.
pub const MAX_WINDOW: Span = Span::seconds(31 * 86_400);
/// The most limits of one action.
const MOST: usize = 16;

/// What a limit is counted by: each has a window of its own for every value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub enum CountedBy {
    /// The agent.
    Agent,
    /// The sponsor, whichever of their agents asks.
    Sponsor,
    /// A parameter, such as the beneficiary.
    Param(ParamPath),
}

impl fmt::Display for CountedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Sponsor => f.write_str("sponsor"),
            Self::Param(param) => param.fmt(f),
        }
    }
}
impl FromStr for CountedBy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "agent" => Ok(Self::Agent),
            "sponsor" => Ok(Self::Sponsor),
            other => other.parse().map(Self::Param).map_err(|_| {
                format!(
                    "a limit can't be counted by `{}`; name `agent`, `sponsor` or a parameter, as in `params.supplier_id`",
                    other.escape_debug()
                )
            }),
        }
    }
}
impl<'de> Deserialize<'de> for CountedBy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// What a limit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Items.
    Rate,
    /// The sum of a parameter over the items.
    Budget {
        /// The parameter, a whole number.
        of: ParamPath,
        /// The currency that is counted (ISO 4217), and the parameter that names an item's.
        currency: Option<(ParamPath, String)>,
    },
}

/// One limit of an action. INVARIANT i20.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    name: String,
    measure: Measure,
    max: i64,
    per: Span,
    by: Vec<CountedBy>,
    over: Over,
}

impl Limit {
    /// Its name, stable while what it counts does not change: its author's, or made of what it counts.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// What it counts.
    pub fn measure(&self) -> &Measure {
        &self.measure
    }
    /// The most in one window; at least 1.
    pub fn max(&self) -> i64 {
        self.max
    }
    /// The window, which slides.
    pub fn per(&self) -> Span {
        self.per
    }
    /// What it is counted by; at least one.
    pub fn by(&self) -> &[CountedBy] {
        &self.by
    }
    /// What happens when it is over.
    pub fn over(&self) -> Over {
        self.over
    }
}

/// How much may run in a while: a `rate`, or a `budget` with its `max`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimit {
    /// Its name; made of what it counts unless stated.
    name: Option<String>,
    /// The most items in one window.
    rate: Option<u64>,
    /// The parameter whose sum is counted, as in `params.amount.minor`.
    budget: Option<ParamPath>,
    /// The most of that sum in one window.
    max: Option<u64>,
    /// The window, which slides; 31d at most.
    per: Span,
    /// What is counted apart: `agent`, `sponsor`, or a parameter such as the beneficiary.
    by: Vec<CountedBy>,
    /// The currency that is counted, as in `EUR`.
    currency: Option<String>,
    /// What happens beyond it; `deny` unless stated.
    #[serde(default)]
    over: Over,
}

/// Reads an action's `limits`; those with errors are left out.
pub(super) fn read(
    list: &Node,
    params: &ParamSchema,
    sensitive: &[ParamPath],
    errors: &mut Errors,
) -> Vec<Limit> {
    let raw: Vec<RawLimit> = match list.decode() {
        Ok(raw) => raw,
        Err(fault) => {
            errors.fault(Rule::Syntax, fault);
            return Vec::new();
        }
    };
    if raw.len() > MOST {
        let message = format!("an action has at most {MOST} limits");
        errors.add(Rule::Limits, list.mark(), message);
    }
    let mut names = BTreeSet::new();
    let mut limits = Vec::new();
    for (raw, node) in raw.into_iter().zip(list.items()) {
        let reading = Reading {
            node,
            params,
            sensitive,
        };
        let Some(limit) = reading.limit(raw, errors) else {
            continue;
        };
        if !names.insert(limit.name.clone()) {
            let message = format!(
                "two limits are named `{}`; give this one another `name`",
                limit.name
            );
            errors.add(Rule::Duplicate, node.mark(), message);
        }
        limits.push(limit);
    }
    limits
}

struct Reading<'a> {
    node: &'a Node,
    params: &'a ParamSchema,
    sensitive: &'a [ParamPath],
}

impl Reading<'_> {
    fn limit(&self, raw: RawLimit, errors: &mut Errors) -> Option<Limit> {
        let before = errors.len();
        let mut no = |field: &str, message: String| {
            errors.add(Rule::Limits, self.node.mark_at(&format!("/{field}")), message);
        };
        let (max, field) = match (raw.rate, &raw.budget, raw.max) {
            (Some(rate), None, None) => (Some(rate), "rate"),
            (None, Some(_), Some(max)) => (Some(max), "max"),
            (None, Some(_), None) => {
                no("budget", "a budget needs its `max`, a whole number".into());
                (None, "max")
            }
            (Some(_), _, _) => {
                no("rate", "write either `rate`, or `budget` with `max`".into());
                (None, "rate")
            }
            (None, None, _) => {
                no("", "a limit is a `rate`, or a `budget` with its `max`".into());
                (None, "")
            }
        };
        if max.is_some_and(|max| !(1..=MAX_INTEGER).contains(&max)) {
            no(
                field,
                "must be a whole number from 1 to 2^53 - 1; to forbid an action, leave it out of `agents.yaml`".into(),
            );
        }
        if raw.per.millis() == 0 || raw.per > MAX_WINDOW {
            no("per", format!("a window is 1s to {MAX_WINDOW} long"));
        }
        let distinct: BTreeSet<&CountedBy> = raw.by.iter().collect();
        if raw.by.is_empty() || distinct.len() < raw.by.len() {
            no(
                "by",
                "name what it is counted by, each once, as in `[agent, params.supplier_id]`".into(),
            );
        }
        if raw.name.as_deref().is_some_and(|name| !is_name(name)) {
            no(
                "name",
                "a limit's name is a lower-case word of letters, digits and `_`, 64 at most".into(),
            );
        }
        for (by, index) in raw.by.iter().zip(0..) {
            if let CountedBy::Param(param) = by {
                self.key(param, &format!("/by/{index}"), errors);
            }
        }
        let measure = match &raw.budget {
            None => {
                if raw.currency.is_some() {
                    let mark = self.node.mark_at("/currency");
                    errors.add(Rule::Limits, mark, "only a `budget` has a currency");
                }
                Measure::Rate
            }
            Some(of) => self.budget(of, raw.currency.as_deref(), errors)?,
        };
        let name = raw.name.unwrap_or_else(|| made_of(&measure, raw.per, &raw.by));
        (errors.len() == before).then_some(Limit {
            name,
            measure,
            max: i64::try_from(max?).ok()?,
            per: raw.per,
            by: raw.by,
            over: raw.over,
        })
    }

    /// A parameter that values are told apart by.
    fn key(&self, param: &ParamPath, at: &str, errors: &mut Errors) {
        let mark = self.node.mark_at(at);
        let Some(schema) = self.params.find(param) else {
            return self.missing(param, at, errors);
        };
        let kind = schema.get("type").and_then(Value::as_str);
        if !matches!(kind, Some("string" | "integer" | "boolean")) {
            let message = format!("`{param}` must be text, a whole number, or true or false to count by it");
            errors.add(Rule::Limits, mark, message);
        }
        // Every proposal seals with a salt of its own, so that equal values do not meet. INVARIANT i29.
        if self.is_sealed(param) {
            let message =
                format!("`{param}` is sensitive and can't be counted by; count by an id that is not sealed");
            errors.add(Rule::Sensitive, mark, message);
        }
    }

    fn budget(&self, of: &ParamPath, currency: Option<&str>, errors: &mut Errors) -> Option<Measure> {
        let mark = self.node.mark_at("/budget");
        let Some(schema) = self.params.find(of) else {
            self.missing(of, "/budget", errors);
            return None;
        };
        if schema.get("type").and_then(Value::as_str) != Some("integer") || !self.params.is_always_there(of) {
            let message = format!("`{of}` must be `type: integer` and `required` to be counted");
            errors.add(Rule::Limits, mark, message);
        }
        if self.is_sealed(of) {
            let message = format!("`{of}` is sensitive and can't be counted; leave it out of `sensitive`");
            errors.add(Rule::Sensitive, mark, message);
        }
        let beside = of.beside("currency");
        let beside = beside.filter(|beside| self.params.find(beside).is_some());
        let currency = match (beside, currency) {
            (None, None) => None,
            (Some(beside), Some(code)) => {
                if code.len() != 3 || !code.bytes().all(|c| c.is_ascii_uppercase()) {
                    let message = "a currency is its ISO 4217 code, as in `EUR`";
                    errors.add(Rule::Limits, self.node.mark_at("/currency"), message);
                } else if money::CODES.binary_search(&code).is_err() {
                    let near = nearest(code, money::CODES.iter().copied());
                    let help = near.map(|near| format!("did you mean `{near}`?"));
                    let message = format!(
                        "`{code}` is no currency of ISO 4217, so every amount would be in another currency"
                    );
                    let fault = Fault::new(self.node.mark_at("/currency"), message);
                    errors.fault(Rule::Limits, fault.with_help(help));
                }
                if self.is_sealed(&beside) || !self.params.is_always_there(&beside) {
                    let message = format!("`{beside}` must be `required` and not sensitive to be counted");
                    errors.add(Rule::Limits, self.node.mark_at("/currency"), message);
                }
                Some((beside, code.to_owned()))
            }
            (Some(beside), None) => {
                let message = format!(
                    "`{beside}` tells amounts apart; add the one that is counted, as in `currency: EUR`"
                );
                errors.add(Rule::Limits, self.node.mark(), message);
                None
            }
            (None, Some(_)) => {
                let message = format!("there is no parameter `currency` beside `{of}`; remove `currency`");
                errors.add(Rule::Limits, self.node.mark_at("/currency"), message);
                None
            }
        };
        Some(Measure::Budget {
            of: of.clone(),
            currency,
        })
    }

    fn is_sealed(&self, param: &ParamPath) -> bool {
        let hidden = |other: &ParamPath| param.is_within(other) || other.is_within(param);
        self.sensitive.iter().any(hidden)
    }

    fn missing(&self, param: &ParamPath, at: &str, errors: &mut Errors) {
        let paths = self.params.paths();
        let known = paths.iter().map(String::as_str);
        errors.unknown(self.node.mark_at(at), "parameter", &param.dotted(), known);
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

/// A name that says what is counted: `budget_amount_minor_per_1d_by_sponsor_supplier_id`.
fn made_of(measure: &Measure, per: Span, by: &[CountedBy]) -> String {
    let word = |param: &ParamPath| param.dotted().replace(['.', '-'], "_").to_ascii_lowercase();
    let what = match measure {
        Measure::Rate => "rate".to_owned(),
        Measure::Budget { of, .. } => format!("budget_{}", word(of)),
    };
    let by: Vec<String> = by
        .iter()
        .map(|by| match by {
            CountedBy::Param(param) => word(param),
            CountedBy::Agent | CountedBy::Sponsor => by.to_string(),
        })
        .collect();
    format!("{what}_per_{per}_by_{}", by.join("_"))
}
