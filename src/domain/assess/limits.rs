//! Limits that are over, or that a proposal would take over. They hold whether or not an action lists the check;
//! listing it shows every limit as it stands. INVARIANT i20.

use crate::domain::{
    checks::{Level, Problem},
    money,
    policy::{Action, Measure, Over},
    totals::{Count, Totals, Uncounted},
};

/// The most findings reported for one proposal.
const MOST: usize = 20;
/// The field of an amount that holds its minor units.
const MINOR: &str = "minor";

/// Every limit as it stands, what is over first.
pub fn standing(totals: &Totals, action: &Action) -> Vec<Problem> {
    worst_first(totals.iter().map(|count| problem(count, action)).collect())
}

/// What is over, for an action that does not name the check.
pub fn over(totals: &Totals, action: &Action) -> Vec<Problem> {
    let all = totals.iter().map(|count| problem(count, action));
    worst_first(all.filter(|problem| problem.level > Level::Pass).collect())
}

fn worst_first(mut found: Vec<Problem>) -> Vec<Problem> {
    found.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    found.truncate(MOST);
    found
}

/// The currency of the minor units that a limit counts; none for anything else.
fn currency<'a>(action: &'a Action, limit: &str) -> Option<&'a str> {
    let limit = action.limits().iter().find(|known| known.name() == limit)?;
    match limit.measure() {
        Measure::Budget {
            of,
            currency: Some((_, code)),
        } if of.parts().last().is_some_and(|field| field == MINOR) => Some(code),
        Measure::Budget { .. } | Measure::Rate => None,
    }
}

fn problem(count: &Count, action: &Action) -> Problem {
    let (limit, per) = (count.limit(), count.per());
    let currency = currency(action, limit);
    let shown = |counted: i64| match currency {
        Some(code) => money::amount(counted, code),
        None => money::grouped(counted.unsigned_abs()),
    };
    let so_far = count.so_far();
    let mut held = vec![match so_far.ran {
        0 => "nothing ran".to_owned(),
        ran => format!("{} ran", shown(ran)),
    }];
    for (waits, whose) in [(so_far.own, "of this agent"), (so_far.others, "of other agents")] {
        if waits > 0 {
            held.push(format!("{} {whose} wait", shown(waits)));
        }
    }
    let found = match count.uncounted() {
        None => format!(
            "limit `{limit}` of {} in {per}: {}, and this adds {}",
            shown(count.max()),
            held.join(", "),
            shown(count.adds())
        ),
        Some(Uncounted::Currency) => format!("limit `{limit}` counts another currency than this one's"),
        Some(Uncounted::Amount) => {
            format!("limit `{limit}` can't count it: an amount is negative or beyond 64 bits")
        }
    };
    let (level, remedy) = match (count.refuses(), count.raises(), count.uncounted()) {
        (true, _, None) => (
            Level::Deny,
            format!("ask for less, or again when less of it ran in {per} or waits"),
        ),
        (true, _, Some(Uncounted::Currency)) => (
            Level::Deny,
            "ask in the currency of the limit, or have the policy name a limit for this one".into(),
        ),
        (true, _, Some(Uncounted::Amount)) => {
            (Level::Deny, "send a whole number from 0 for each item".into())
        }
        (false, true, _) => (
            Level::Warn,
            match count.over() {
                Over::High => "beyond the limit it needs the gate of the high tier".into(),
                Over::Deny => {
                    "with what other agents have waiting it is over, so it needs the gate of the high tier"
                        .into()
                }
            },
        ),
        (false, false, _) => (Level::Pass, String::new()),
    };
    Problem {
        level,
        at: "/items".into(),
        found,
        remedy,
    }
}
