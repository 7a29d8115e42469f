//! Limits that are over, or that a proposal would take over. They hold whether or not an action lists the check;
//! listing it shows every limit as it stands. INVARIANT i20.

use crate::domain::{
    checks::{Level, Problem},
    policy::Over,
    totals::{Count, Totals, Uncounted},
};

/// The most findings reported for one proposal.
const MOST: usize = 20;

/// Every limit as it stands, what is over first.
pub fn standing(totals: &Totals) -> Vec<Problem> {
    worst_first(totals.iter().map(problem).collect())
}

/// What is over, for an action that does not name the check.
pub fn over(totals: &Totals) -> Vec<Problem> {
    let all = totals.iter().map(problem);
    worst_first(all.filter(|problem| problem.level > Level::Pass).collect())
}

fn worst_first(mut found: Vec<Problem>) -> Vec<Problem> {
    found.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    found.truncate(MOST);
    found
}

fn problem(count: &Count) -> Problem {
    let (limit, max, per) = (count.limit(), count.max(), count.per());
    let so_far = count.so_far();
    let mut held = vec![format!("{} ran", so_far.ran)];
    for (waits, whose) in [(so_far.own, "of this agent"), (so_far.others, "of other agents")] {
        if waits > 0 {
            held.push(format!("{waits} {whose} wait"));
        }
    }
    let found = match count.uncounted() {
        None => format!(
            "limit `{limit}` of {max} in {per}: {}, and this adds {}",
            held.join(", "),
            count.adds()
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
        (false, false, _) => (Level::Pass, "nothing to do".into()),
    };
    Problem {
        level,
        at: "/items".into(),
        found,
        remedy,
    }
}
