//! What would be silently without an answer, or without effect, is said before it ships.

use super::{Rules, payment};
use serde_json::json;

const CATALOG: &str = "catalog.yaml";

/// Payments with a condition, and what is said of it.
fn condition(when: &str) -> Vec<String> {
    let of_payments = "    sensitive: [params.iban]";
    let with = format!("    escalate: [{{ when: \"{when}\", to: high, because: why }}]\n{of_payments}");
    Rules::small(&[(CATALOG, of_payments, &with)]).lint()
}

#[test]
fn a_condition_that_never_has_an_answer_is_an_error_that_says_what_would() {
    for (when, said) in [
        (
            "affected.count",
            "this gives `affected.count` (a number); a condition gives true or false -> compare it, as in `affected.count > 0`",
        ),
        (
            "affected.count > '10000'",
            "`>` never has an answer for `affected.count` (a number) and text -> write `10000` without quotes",
        ),
        (
            "params.reference > 5",
            "`>` never has an answer for `params.reference` (text) and a number -> `string()` makes text of a number, `int()` a number of text",
        ),
        (
            "params.amount > 1000000",
            "`>` never has an answer for `params.amount` (a map) and a number -> use a field of it, as in `params.amount.currency`",
        ),
        (
            "now.getHours() >= '7'",
            "`>=` never has an answer for a number and text -> write `7` without quotes",
        ),
        (
            "observed && params.amount.minor.startsWith('5')",
            "`startsWith` never has an answer for `params.amount.minor` (a number) and text -> -",
        ),
    ] {
        let found = condition(when);
        assert_eq!(found.len(), 1, "{when}: {found:#?}");
        assert!(
            found[0].starts_with("error expression catalog.yaml:") && found[0].ends_with(said),
            "{when}: {}",
            found[0]
        );
    }
}

#[test]
fn an_optional_parameter_that_a_condition_reads_is_a_warning_until_it_is_asked_for() {
    let optional = |when: &str| {
        let of_payments = "    sensitive: [params.iban]";
        let with = format!("    escalate: [{{ when: \"{when}\", to: high, because: why }}]\n{of_payments}");
        let rules = Rules::small(&[
            (CATALOG, of_payments, &with),
            (
                CATALOG,
                "        reference:",
                "        memo: { type: string }\n        reference:",
            ),
        ]);
        let read = |one: &String| one.contains("optional-value-read");
        (rules.lint().into_iter().filter(read).collect::<Vec<_>>(), rules)
    };
    let (found, rules) = optional("params.amount.minor > 5 && params.memo == 'x'");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("warning optional-value-read catalog.yaml:") && found[0].ends_with(
            "a proposal of `payments.create` may leave `params.memo` out; then this condition has no answer, and the proposal is high and can't run -> write `has(params.memo) && ...`, give it a `default`, or list it under `required`"
        ),
        "{}",
        found[0]
    );
    // It is as the warning says.
    let without = rules.ask_one(payment());
    assert_eq!(without["gate"], json!("blocked"), "{without}");
    for when in [
        "has(params.memo) && params.memo == 'x'",
        "params.memo == 'x' && has(params.memo)",
        "has(params.memo) ? params.memo == 'x' : false",
    ] {
        let (found, rules) = optional(when);
        assert_eq!(found, [""; 0], "{when}");
        assert_ne!(rules.ask_one(payment())["gate"], json!("blocked"), "{when}");
    }
}

#[test]
fn a_check_of_ones_own_is_read_the_same_way_for_every_action_that_names_it() {
    let check = |condition: &str| {
        let text = format!("summary: Short\nlevel: deny\n{condition}\nmessage: no\nremedy: shorten it\n");
        let rules = Rules::small(&[
            (
                CATALOG,
                "    checks: [text]\n    sensitive: [params.iban]",
                "    checks: [mine]\n    sensitive: [params.iban]",
            ),
            (
                CATALOG,
                "        reference:",
                "        memo: { type: string }\n        reference:",
            ),
        ]);
        let about = |one: &String| one.contains("checks/mine.yaml");
        let found = rules.with("checks/mine.yaml", &text).lint();
        found.into_iter().filter(about).collect::<Vec<_>>()
    };
    assert_eq!(
        check("expression: params.amount.minor < '5'"),
        [
            "error expression checks/mine.yaml:3:33 `<` never has an answer for `params.amount.minor` (a number) and text, for the action `payments.create`, which names this check -> write `5` without quotes"
        ]
    );
    assert_eq!(
        check("expression: size(params.memo) < 5"),
        [
            "warning optional-value-read checks/mine.yaml:3:24 a proposal of `payments.create` may leave `params.memo` out; then the check has no answer, and the proposal can't run -> write `has(params.memo) && ...`, give it a `default`, or list it under `required`"
        ]
    );
    for fine in [
        "when: has(params.memo)\nexpression: size(params.memo) < 5",
        "expression: \"!has(params.memo) || size(params.memo) < 5\"",
        "expression: \"action == 'crm.note' ? params.amount.minor == 'x' : params.amount.minor > 5\"",
    ] {
        assert_eq!(check(fine), [""; 0], "{fine}");
    }
}

#[test]
fn what_the_bot_never_reads_is_a_warning_where_a_condition_reads_it() {
    let of_payments = "    sensitive: [params.iban]";
    let with = format!(
        "    escalate: [{{ when: \"affected.audience == 'all'\", to: high, because: why }}]\n{of_payments}"
    );
    let rules = Rules::small(&[
        (CATALOG, of_payments, &with),
        (
            CATALOG,
            "preview?minor={amount.minor}&currency={amount.currency}\n        before: /before\n        after: /after\n        affected:\n          count: /count\n          audience: /audience\n",
            "preview\n        before: /before\n        affected:\n          count: /count\n",
        ),
    ]);
    let found = rules.lint();
    assert!(
        found[0].starts_with("warning optional-value-read catalog.yaml:") && found[0].ends_with(
            "the `observe` of `payments.create` never reads `affected.audience`; then this condition has no answer, and the proposal is high and can't run -> say in `observe` where the answer has it, or write `has(affected.audience) && ...`"
        ),
        "{found:#?}"
    );
}

#[test]
fn a_rule_of_a_module_that_nothing_reads_is_never_dropped_silently() {
    let check = |rules: &str| {
        let module = format!("package main\n\nimport rego.v1\n\n{rules}\n");
        let listed = Rules::small(&[(
            CATALOG,
            "checks: [text]              #",
            "checks: [mine]              #",
        )]);
        let rules = listed.with("checks/mine.rego", &module);
        let found = rules.lint();
        let about = |one: &String| one.contains("checks/mine.rego");
        (found.into_iter().filter(about).collect::<Vec<_>>(), rules)
    };
    let (found, _) = check("warn contains \"w\" if true\n\ndeni contains \"d\" if true");
    assert_eq!(
        found,
        [
            "error rego checks/mine.rego:7:1 nothing reads the rule `deni`, and it finds nothing; did you mean `deny`? -> -"
        ]
    );
    let (found, _) = check("warn contains \"w\" if true\n\nallow if input.agent == \"x\"");
    assert_eq!(
        found,
        [
            "warning unread-rule checks/mine.rego:7:1 nothing reads the rule `allow`, so it changes nothing -> name it `deny`, `violation` or `warn`, have one of those read it, or remove it"
        ]
    );
    // One that is indented counts like any other.
    let (found, rules) = check("warn contains \"w\" if true\n\n  deny contains \"d\" if true");
    assert_eq!(found, [""; 0]);
    assert_eq!(rules.ask_one(super::note("x"))["gate"], json!("blocked"));
}
