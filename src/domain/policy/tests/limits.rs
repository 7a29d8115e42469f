use super::*;
use crate::domain::policy::{Measure, Over};

const CHECKS: &str = "    checks: [text]\n    sensitive: [params.iban]";

/// The starter set with something more in `payments.create`.
fn payments(more: &str) -> Vec<SourceFile> {
    with("catalog.yaml", CHECKS, &format!("{more}\n{CHECKS}"))
}

/// What that is answered with, without the file and its line.
fn refused(more: &str) -> String {
    let errors = compile(&payments(more)).expect_err("an error");
    let told = errors.iter().map(|error| {
        let column = error.place().map_or(0, |place| place.column);
        let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
        format!("[{}] {column}: {}{help}", error.rule(), error.message())
    });
    told.collect::<Vec<_>>().join("\n")
}

fn refused_limit(limit: &str) -> String {
    refused(&format!("    limits: [{limit}]"))
}

fn refused_when(when: &str) -> String {
    refused(&format!(
        "    escalate:\n      - {{ when: \"{when}\", to: high, because: b }}"
    ))
}

#[test]
fn i20_limits_have_stable_names_and_what_they_count() {
    let files = payments(
        "    limits:\n      - { rate: 20, per: 1h, by: [agent] }\n      - { budget: params.amount.minor, max: 5000000, \
         currency: EUR, per: 1d, by: [sponsor, params.supplier_id], over: high }\n      - { name: weekly, rate: 100, per: 7d, by: [sponsor] }",
    );
    let action = action(&policy(&files), "payments.create");
    let names: Vec<&str> = action.limits().iter().map(|limit| limit.name()).collect();
    assert_eq!(
        names,
        [
            "rate_per_1h_by_agent",
            "budget_amount_minor_per_1d_by_sponsor_supplier_id",
            "weekly"
        ]
    );
    let [rate, budget, _] = action.limits() else {
        panic!("three limits")
    };
    assert_eq!(
        (rate.max(), rate.over(), rate.measure()),
        (20, Over::Deny, &Measure::Rate)
    );
    assert_eq!((budget.max(), budget.over()), (5_000_000, Over::High));
}

#[test]
fn mistakes_in_limits_are_named_with_their_place() {
    let cases = [
        (
            "{ rate: 20, per: 1h }",
            "[syntax] 14: the field `by` is missing; add it, as in `by: [agent]`",
        ),
        (
            "{ per: 1h, by: [agent] }",
            "[limits] 14: a limit is a `rate`, or a `budget` with its `max`",
        ),
        (
            "{ rate: 0, per: 1h, by: [agent] }",
            "[limits] 22: must be a whole number from 1 to 2^53 - 1; to forbid an action, leave it out of `agents.yaml`",
        ),
        (
            "{ rate: 9007199254740992, per: 1h, by: [agent] }",
            "[limits] 22: must be a whole number from 1 to 2^53 - 1; to forbid an action, leave it out of `agents.yaml`",
        ),
        (
            "{ rate: 2, max: 3, per: 1h, by: [agent] }",
            "[limits] 22: write either `rate`, or `budget` with `max`",
        ),
        (
            "{ rate: 2, per: 0s, by: [agent] }",
            "[limits] 30: a window is 1s to 31d long",
        ),
        (
            "{ rate: 2, per: 32d, by: [agent] }",
            "[limits] 30: a window is 1s to 31d long",
        ),
        (
            "{ rate: 2, per: 1h, by: [] }",
            "[limits] 38: name what it is counted by, each once, as in `[agent, params.supplier_id]`",
        ),
        (
            "{ rate: 2, per: 1h, by: [agent, agent] }",
            "[limits] 38: name what it is counted by, each once, as in `[agent, params.supplier_id]`",
        ),
        (
            "{ rate: 2, per: 1h, by: [agnt] }",
            "[syntax] 39: a limit can't be counted by `agnt`; name `agent`, `sponsor` or a parameter, as in `params.supplier_id`",
        ),
        (
            "{ rate: 2, per: 1h, by: [params.suplier_id] }",
            "[unknown-name] 39: unknown parameter `suplier_id`; did you mean `supplier_id`?",
        ),
        (
            "{ rate: 2, per: 1h, by: [params.amount] }",
            "[limits] 39: `params.amount` must be text, a whole number, or true or false to count by it",
        ),
        (
            "{ rate: 2, per: 1h, by: [params.iban] }",
            "[sensitive] 39: `params.iban` is sensitive and can't be counted by; count by an id that is not sealed",
        ),
        (
            "{ rate: 2, currency: EUR, per: 1h, by: [agent] }",
            "[limits] 35: only a `budget` has a currency",
        ),
        (
            "{ budget: params.amount.minor, per: 1h, by: [agent], currency: EUR }",
            "[limits] 24: a budget needs its `max`, a whole number",
        ),
        (
            "{ budget: params.amount.minor, max: 1, per: 1h, by: [agent] }",
            "[limits] 14: `params.amount.currency` tells amounts apart; add the one that is counted, as in `currency: EUR`",
        ),
        (
            "{ budget: params.amount.minor, max: 1, per: 1h, by: [agent], currency: euro }",
            "[limits] 85: a currency is its ISO 4217 code, as in `EUR`",
        ),
        (
            "{ budget: params.reference, max: 1, per: 1h, by: [agent] }",
            "[limits] 24: `params.reference` must be `type: integer` and `required` to be counted",
        ),
        (
            "{ budget: params.amount.mior, max: 1, per: 1h, by: [agent] }",
            "[unknown-name] 24: unknown parameter `amount.mior`; did you mean `amount.minor`?",
        ),
        (
            "{ rate: 2, per: 1h, by: [agent] }, { rate: 3, per: 1h, by: [agent] }",
            "[duplicate] 49: two limits are named `rate_per_1h_by_agent`; give this one another `name`",
        ),
        (
            "{ name: Per-Hour, rate: 2, per: 1h, by: [agent] }",
            "[limits] 22: a limit's name is a lower-case word of letters, digits and `_`, 64 at most",
        ),
        (
            "{ rate: 2, per: 1h, by: [agent], ovr: high }",
            "[syntax] 47: unknown field `ovr`; did you mean `over`?",
        ),
    ];
    for (limit, expected) in cases {
        assert_eq!(refused_limit(limit), expected, "{limit}");
    }
    let more = "    limits:\n      - { budget: params.amount.minor, max: 99999999999999999999, per: 1h, by: [agent] }";
    assert!(refused(more).contains("whole number"), "{}", refused(more));
    assert_eq!(
        broken("catalog.yaml", "checks: [text]", "checks: [text, limits]"),
        "[limits] catalog.yaml:35:20: the check `limits` has nothing to show: the action declares no `limits`"
    );
}

#[test]
fn mistakes_in_conditions_are_named_with_their_place() {
    let cases = [
        (
            "params.amount.minr > 1",
            "[expression] 31: unknown parameter `amount.minr`; did you mean `amount.minor`?",
        ),
        (
            "param.amount.minor > 1",
            "[expression] 18: unknown variable `param`; did you mean `params`?",
        ),
        (
            "items.exists(i, i.amount.minr > 1)",
            "[expression] 42: unknown parameter `amount.minr`; did you mean `amount.minor`?",
        ),
        (
            "params.iban.startsWith('DE')",
            "[expression] 24: `params.iban` is sensitive; no rule can read it, use another parameter",
        ),
        (
            "totals.weekly > 1",
            "[expression] 24: unknown limit `weekly`; the action declares no `limits`",
        ),
        (
            "params.amount.minor >",
            "[expression] 39: not an expression: mismatched input `<EOF>`",
        ),
    ];
    for (when, expected) in cases {
        assert_eq!(refused_when(when), expected, "{when}");
    }
    let unread = broken(
        "catalog.yaml",
        "    checks: [text]",
        "    escalate: [{ when: affected.count > 5, to: high, because: b }]\n    checks: [text]",
    );
    assert!(
        unread.contains("`affected` is read by `observe`, which this action does not have; add it"),
        "{unread}"
    );
    assert_eq!(
        refused("    escalate: [{ when: 'true', to: low, because: '' }]"),
        "[expression] 36: `escalate` only raises; write `medium` or `high`\n[syntax] 50: `because` must be one line of 1 to 200 characters"
    );
    assert_eq!(
        refused("    escalate: [{ when: 'true', to: high }]"),
        "[syntax] 16: the field `because` is missing; add it, as in `because: \"10,000 or more\"`"
    );
    // The longest that is allowed still compiles in the stack of a thread.
    let long = vec!["params.amount.minor > 1"; 70].join(" || ");
    assert!(refused_when(&format!("{long} || (")).starts_with("[expression]"));
}
