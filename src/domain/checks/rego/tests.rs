use serde_json::json;

use super::*;
use crate::domain::checks::testing::{with, with_items};

fn found(module: &str, params: Value) -> Vec<String> {
    let module = Module::compile(module).unwrap_or_else(|error| panic!("{error:?}"));
    with_items(vec![params], |matter| {
        module
            .run(matter)
            .into_iter()
            .map(|problem| {
                format!(
                    "{:?} {} {}; {}",
                    problem.level, problem.at, problem.found, problem.remedy
                )
            })
            .collect()
    })
}

fn wrong(module: &str) -> String {
    let error = Module::compile(module).unwrap_err();
    let place = error.mark.map_or_else(String::new, |mark| {
        format!("{}:{} ", mark.place().line, mark.place().column)
    });
    format!("{place}{}", error.message)
}

const MODULE: &str = r#"
package main

import rego.v1

deny contains msg if {
    some item in input.items
    item.parameters.amount > 100
    msg := sprintf("item %s asks for %d", [item.id, item.parameters.amount])
}

violation contains {"msg": "no", "at": "/items/1", "remedy": "ask less"} if input.items[0].parameters.amount == 7

warn_weekend contains "it is the weekend" if startswith(input.at, "2026-11-22")

denied := true
"#;

#[test]
fn the_conventions_of_conftest_hold() {
    assert_eq!(
        found(MODULE, json!({"amount": 1})),
        ["Warn  it is the weekend; change what the check finds, or drop it"]
    );
    assert_eq!(
        found(MODULE, json!({"amount": 101})),
        [
            "Deny  item 1 asks for 101; change what the check finds, or drop it",
            "Warn  it is the weekend; change what the check finds, or drop it",
        ]
    );
    assert_eq!(
        found(MODULE, json!({"amount": 7}))[0],
        "Deny /items/1 no; ask less"
    );
}

#[test]
fn modules_from_before_opa_1_0_run_unchanged() {
    let module = r#"
package main
deny[msg] {
    input.items[_].parameters.amount > 100
    msg = "too much"
}
warn[{"msg": "hm"}] { input.agent == "campaign-agent" }
"#;
    assert_eq!(
        found(module, json!({"amount": 101})),
        [
            "Deny  too much; change what the check finds, or drop it",
            "Warn  hm; change what the check finds, or drop it"
        ]
    );
}

#[test]
fn rules_of_other_shapes_count_too() {
    assert_eq!(
        found("package a.b\ndeny if input.agent != \"x\"", json!({})).len(),
        1
    );
    assert_eq!(found("package a\ndeny := [\"a\", \"b\"]", json!({})).len(), 2);
    assert_eq!(found("package a\ndeny := false", json!({})).len(), 0);
}

#[test]
fn i10_what_fails_is_an_error_and_never_a_pass() {
    let long = "package a\nimport rego.v1\ndeny contains msg if {\n some a in input.items[0].parameters.list\n some b in input.items[0].parameters.list\n some c in input.items[0].parameters.list\n a == b\n b == c\n a == 1000\n msg := \"x\" }";
    let list: Vec<u32> = (0..200).collect();
    assert_eq!(
        found(long, json!({ "list": list })),
        ["Errored  the check exceeds its instruction budget; have the check corrected in the policy"]
    );
    let strict = "package a\nimport rego.v1\ndeny contains msg if { to_number(input.justification) > 3; msg := \"x\" }";
    assert!(
        found(strict, json!({}))[0].starts_with("Errored  the check failed"),
        "{:?}",
        found(strict, json!({}))
    );
    assert!(found("package a\ndeny := {1, 2}", json!({}))[0].starts_with("Errored"));
    assert!(found("package a\ndeny := 3", json!({}))[0].starts_with("Errored"));
}

#[test]
fn messages_are_safe_to_show_and_bounded() {
    let module = "package a\nimport rego.v1\ndeny contains input.items[0].parameters.text";
    let text = format!("a\u{202e}b\nc{}", "x".repeat(1000));
    let told = found(module, json!({ "text": text }));
    assert!(
        told[0].starts_with("Deny  a\\u{202e}b cxxx") && told[0].len() < 500,
        "{told:?}"
    );
    let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let module = "package a\nimport rego.v1\ndeny contains m if some m in input.items[0].parameters.many";
    assert_eq!(found(module, json!({ "many": many })).len(), 20);
}

#[test]
fn what_a_module_sees_is_the_matter() {
    let module =
        Module::compile("package a\nimport rego.v1\ndeny contains m if some m, _ in input\n").unwrap();
    let keys = with(vec![json!({})], Vec::new(), json!({"x": 1}), |matter| {
        let problems = module.run(matter);
        problems
            .into_iter()
            .map(|problem| problem.found)
            .collect::<Vec<_>>()
            .join(" ")
    });
    assert_eq!(
        keys,
        "agent at claimed exceptions items justification observed operation provenance rollback_plan sponsor target"
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    insta::assert_snapshot!(wrong("package a\nimport rego.v1\ndeny contains msg if { msg := "), @"3:28 not a Rego module: expecting `}` while parsing set");
    insta::assert_snapshot!(wrong("package a\nimport rego.v1\ndeny contains msg if { msg := foo(1) }"), @"3:24 not a Rego module: unknown function: `foo`");
    insta::assert_snapshot!(wrong("package a\nimport rego.v1\ndeny contains msg if { msg := nowhere }"), @"3:24 not a Rego module: undefined variable: `nowhere`");
    insta::assert_snapshot!(wrong("package a\nallow := true"), @"1:1 the module has no rule named `deny`, `violation` or `warn`, so it would find nothing");
    insta::assert_snapshot!(wrong("package a\n# time.now_ns()\nx := \"http.send(\"\ndeny if time.now_ns() > 1"), @"4:9 `time.now_ns` can't be used in a check; `input.at` is when it was asked");
    for call in [
        "http.send({})",
        "rand.intn(\"a\", 3)",
        "opa.runtime()",
        "net.lookup_ip_addr(\"a\")",
        "numbers.range(1, 1000000)",
        "uuid.rfc4122(\"a\")",
        "print(1)",
    ] {
        let told = wrong(&format!(
            "package a\nimport rego.v1\ndeny contains x if x := {call}"
        ));
        assert!(told.contains("can't be used in a check"), "{told}");
    }
    assert!(wrong(&format!("package a\n# {}", "x".repeat(MAX_SOURCE))).contains("is the limit"));
    for text in [
        "",
        "\u{0}",
        "package",
        "package a\ndeny[",
        &"(".repeat(60_000),
        "package a\ndeny if ((((((((((((((((((((((((((((((((((((((((((((((((((1))",
    ] {
        let _ = Module::compile(text);
    }
}

#[test]
fn the_same_proposal_gives_the_same_order() {
    let module = "package a\nimport rego.v1\ndeny contains m if some m in [\"c\", \"a\", \"b\"]";
    assert_eq!(found(module, json!({})), found(module, json!({})));
    assert!(found(module, json!({}))[0].contains(" a;"));
}

#[test]
fn brackets_that_take_the_parser_for_ever_are_refused_before_it_reads_them() {
    let deep = |open: &str, close: &str| {
        format!(
            "package m\nimport rego.v1\ndeny contains \"x\" if {}1{} == 2\n",
            open.repeat(200),
            close.repeat(200)
        )
    };
    let too_deep = "brackets nested deeper than 8; give a part a name";
    assert_eq!(wrong(&deep("[", "]")), format!("3:30 {too_deep}"));
    assert_eq!(wrong(&deep("{\"a\":", "}")), format!("3:62 {too_deep}"));
    // Comments and texts have no brackets.
    let fine = "package m\nimport rego.v1\n# [[[[[[[[[[[[\ndeny contains \"[[[[[[[[[[[[\" if input.operation == `{{{{{{{{{{{{`\n";
    assert!(Module::compile(fine).is_ok(), "{:?}", Module::compile(fine).err());
}

#[test]
fn i10_what_is_nowhere_is_an_error_and_not_undefined() {
    let nowhere = "is nowhere: a check reads `input` and the rules of its own package";
    for (rules, place) in [
        (
            "deny contains \"x\" if data.limits.max > 5\n",
            "3:22 `data.limits.max`",
        ),
        (
            "import data.lib\ndeny contains \"x\" if lib.bad\n",
            "3:8 `data.lib`",
        ),
        ("deny contains \"x\" if data[\"m\"].deny\n", "3:22 `data`"),
    ] {
        assert_eq!(
            wrong(&format!("package m\nimport rego.v1\n{rules}")),
            format!("{place} {nowhere}")
        );
    }
    let replaced =
        "package m\nimport rego.v1\nf(x) := x\ng(x) := f(x)\ndeny contains \"x\" if g(1) with f as g\n";
    assert_eq!(
        wrong(replaced),
        "5:32 `with` can't replace `f` in a check; only `input`"
    );
}
