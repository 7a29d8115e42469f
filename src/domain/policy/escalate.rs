//! `escalate` of the catalog: conditions that raise an action's tier. They never lower it. INVARIANT i13.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    error::{Errors, Rule},
    expression::{Expression, Names},
    tiers::Tier,
};
use crate::domain::source::Node;

/// The most conditions of one action.
const MOST: usize = 32;

/// A condition and the tier it asks for.
#[derive(Debug, Clone)]
pub struct Escalation {
    when: Expression,
    to: Tier,
    because: String,
}

impl Escalation {
    /// The condition.
    pub fn when(&self) -> &Expression {
        &self.when
    }
    /// The tier it raises to; above low.
    pub fn to(&self) -> Tier {
        self.to
    }
    /// Why, in its author's words.
    pub fn because(&self) -> &str {
        &self.because
    }
}

/// A condition that raises the tier; it never lowers it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEscalation {
    /// An expression (CEL) over `params`, `items`, `change`, `affected`, `totals`, `agent`, `sponsor` and `now`.
    when: String,
    /// The tier it raises to: `medium` or `high`.
    to: Tier,
    /// Why, for the people who approve.
    because: String,
}

/// Reads an action's `escalate`; conditions with errors are left out.
pub(super) fn read(list: &Node, names: &Names<'_>, errors: &mut Errors) -> Vec<Escalation> {
    let raw: Vec<RawEscalation> = match list.decode() {
        Ok(raw) => raw,
        Err(fault) => {
            errors.fault(Rule::Syntax, fault);
            return Vec::new();
        }
    };
    if raw.len() > MOST {
        let message = format!("an action has at most {MOST} conditions; join some with `||`");
        errors.add(Rule::Expression, list.mark(), message);
    }
    let mut found = Vec::new();
    for (raw, node) in raw.into_iter().zip(list.items()) {
        if raw.to == Tier::Low {
            let message = "`escalate` only raises; write `medium` or `high`";
            errors.add(Rule::Expression, node.mark_at("/to"), message);
        }
        let because = raw.because.trim();
        if because.is_empty() || because.len() > 200 || because.chars().any(char::is_control) {
            let message = "`because` must be one line of 1 to 200 characters";
            errors.add(Rule::Syntax, node.mark_at("/because"), message);
        }
        match Expression::compile(&raw.when, names, node.mark_at("/when")) {
            Ok(when) => found.push(Escalation {
                when,
                to: raw.to,
                because: because.to_owned(),
            }),
            Err(fault) => errors.fault(Rule::Expression, fault),
        }
    }
    found
}
