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
                "        reference: { type",
                "        memo: { type: string }\n        reference: { type",
            ),
        ]);
        let read = |one: &String| one.contains("optional-value-read");
        (rules.lint().into_iter().filter(read).collect::<Vec<_>>(), rules)
    };
    let (found, rules) = optional("params.amount.minor > 5 && params.memo == 'x'");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("warning optional-value-read catalog.yaml:") && found[0].ends_with(
            "a proposal of `payments.create` may leave `params.memo` out; then this condition has no answer, and the proposal is high and can't run -> write `has(params.memo) && ...`, give the parameter a `default`, or list it under `required`"
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
                "        reference: { type",
                "        memo: { type: string }\n        reference: { type",
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
            "warning optional-value-read checks/mine.yaml:3:24 a proposal of `payments.create` may leave `params.memo` out; then the check has no answer, and the proposal can't run -> write `when: has(params.memo)` beside it, give the parameter a `default`, or list it under `required`"
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

/// What is found beyond what the small set has.
fn more(edits: &[(&str, &str, &str)]) -> Vec<String> {
    let before = Rules::small(&[]).lint();
    let found = Rules::small(edits).lint().into_iter();
    found.filter(|one| !before.contains(one)).collect()
}

#[test]
fn a_raise_to_a_tier_that_an_action_has_is_a_warning() {
    let of_payments = "    sensitive: [params.iban]";
    let with = |more: &str| format!("    {more}\n{of_payments}");
    let condition = with("escalate: [{ when: observed, to: medium, because: why }]");
    assert_eq!(
        more(&[(CATALOG, of_payments, &condition)]),
        [
            "warning raise-without-effect catalog.yaml:121:38 this condition raises `payments.create` to medium, and rule 1 of tiers.yaml makes it high already -> remove it, or write a check, which refuses"
        ]
    );
    let limit = with("limits: [{ rate: 5, per: 1d, by: [agent], over: high }]");
    assert_eq!(
        more(&[(CATALOG, of_payments, &limit)]),
        [
            "warning raise-without-effect catalog.yaml:121:53 this limit raises `payments.create` to high, and rule 1 of tiers.yaml makes it high already -> write `over: deny`, which refuses what is beyond it, or remove the limit"
        ]
    );
    let denies = with("limits: [{ rate: 5, per: 1d, by: [agent] }]");
    assert_eq!(more(&[(CATALOG, of_payments, &denies)]), [""; 0]);
}

#[test]
fn a_time_that_another_comes_before_is_a_warning() {
    const TIERS: &str = "tiers.yaml";
    assert_eq!(
        more(&[(TIERS, "approval_valid_for: 24h ", "approval_valid_for: 48h ")]),
        [
            "warning time-without-effect tiers.yaml:41:25 a high proposal expires after 2d, so an approval never gets older than 2d -> make `approval_valid_for` shorter than `expires_after`, or remove it"
        ]
    );
    assert_eq!(
        more(&[(TIERS, "escalate_after: 8h", "escalate_after: 90m")]),
        [
            "warning time-without-effect tiers.yaml:30:21 others are asked after 90m, before the owners are reminded after 2h -> make `remind_after` shorter than `escalate_after`, or remove it"
        ]
    );
}

#[test]
fn an_exception_that_only_parties_could_grant_is_a_warning() {
    let exceptions = |approvers: &str| {
        let text = format!("exceptions: {{ approvers: [{approvers}] }}\n");
        let listed = Rules::small(&[(
            CATALOG,
            "    checks: [text]\n    sensitive",
            "    checks: [text, pii]\n    sensitive",
        )]);
        let found = listed.with("checks/pii.yaml", &text).lint();
        found
            .into_iter()
            .filter(|one| one.contains("checks/pii.yaml"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        exceptions("carol"),
        [
            "warning exception-nobody-can-grant checks/pii.yaml:1:26 nobody can let a proposal of `payments-agent` pass the check `pii`: of those who may, `carol` is the sponsor, and a party never does -> name somebody else as well, or a team of several people"
        ]
    );
    assert_eq!(exceptions("carol, alice"), [""; 0]);
    assert_eq!(exceptions("erin"), [""; 0], "the sponsor of another agent");
}

#[test]
fn a_section_that_only_takes_paths_out_is_a_warning() {
    assert_eq!(
        more(&[(
            "CODEOWNERS",
            "/policies/  ",
            "[Legal]\n!/payments/\n\n[Rules]\n/policies/  "
        )]),
        [
            "warning section-only-excludes CODEOWNERS:12:1 the section `Legal` only takes paths out, so it asks nobody for anything -> add a line that says what `Legal` owns, as in `* @organization/team`, or remove the section"
        ]
    );
}

#[test]
fn lines_that_decide_about_nothing_and_actions_that_no_case_tries_are_warnings() {
    assert_eq!(
        more(&[(
            "CODEOWNERS",
            "/policies/  ",
            "/contracts/ @acme/finance\n/policies/  "
        )]),
        [
            "warning unused-owners-line CODEOWNERS:11:1 no action has a resource that this line matches, so it decides about nothing -> compare it with the `resource` of the actions, or remove it"
        ]
    );
    assert_eq!(
        more(&[("CODEOWNERS", "/crm/  ", "/crm/ @acme/finance\n/crm/  ")]),
        [
            "warning unused-owners-line CODEOWNERS:6:1 line 7 decides wherever this line would: in a section the last line that matches counts -> move it below line 7, or remove it"
        ]
    );
    assert_eq!(
        more(&[(
            "tiers.yaml",
            "  - { impact: moderate, tier: medium }\n",
            "  - { impact: moderate, tier: medium }\n  - { impact: moderate, data: pii, tier: high }\n",
        )]),
        [
            "warning unreachable-tier-rule tiers.yaml:14:5 rule 5 never applies: for whatever matches it, a rule before it matches first -> move it up, make a rule before it narrower, or remove it"
        ]
    );
    let found = more(&[("tests/all.yaml", "action: crm.note", "action: payments.create")]);
    assert!(
        found
            .iter()
            .any(|one| one.starts_with("warning untested-action catalog.yaml:13:3 ")),
        "{found:#?}"
    );
}
