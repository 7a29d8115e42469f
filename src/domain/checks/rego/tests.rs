use std::collections::BTreeSet;

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
    let doublings: String = (1..40)
        .map(|n| format!("  x{n} := concat(\"\", [x{0}, x{0}])\n", n - 1))
        .collect();
    let huge = format!(
        "package a\nimport rego.v1\ndeny contains x39 if {{\n  x0 := input.justification\n{doublings}}}"
    );
    assert_eq!(
        found(&huge, json!({})),
        ["Errored  the check exceeds its memory budget; have the check corrected in the policy"]
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
fn what_calls_itself_is_refused_and_long_chains_too() {
    let module = |body: &str| format!("package main\n\nimport rego.v1\n\n{body}\n");
    for (body, said) in [
        (
            "deny contains f(3) if true\n\nf(x) := f(x)",
            "7:1 `f` calls itself",
        ),
        ("deny contains \"x\" if p\n\np if q\n\nq if p", "`p` calls itself"),
        (
            "deny contains x if {\n\tsome x in deny\n}",
            "5:1 `deny` calls itself",
        ),
        (
            "deny contains \"x\" if data.main[input.operation]",
            "recursion detected",
        ),
        (
            "deny contains f(3) if true\n\nf(x) := [y | y := g(x)]\n\ng(x) := 1 if x == 0\n\ng(x) := f(x - 1) if x > 0",
            "calls itself",
        ),
    ] {
        let error = wrong(&module(body));
        assert!(error.contains(said), "{body}: {error}");
    }
    let chain = |length: usize| {
        let rules = (1..length).map(|n| format!("r{n} := [x | x := r{}]", n + 1));
        let rules: Vec<String> = rules.collect();
        module(&format!(
            "deny contains \"x\" if count(r1) > 1\n\n{}\n\nr{length} := 1",
            rules.join("\n\n")
        ))
    };
    assert_eq!(found(&chain(15), json!({})), Vec::<String>::new());
    let error = wrong(&chain(16));
    assert!(error.contains("waits for more than 16 rules in a row"), "{error}");
    assert!(wrong(&chain(2_000)).contains("waits for more than 16 rules in a row"));
    assert_eq!(
        wrong(&format!("\u{feff}{}", module("deny := false"))),
        "1:1 the file begins with a byte order mark; save it as UTF-8 without"
    );
}

#[test]
fn brackets_are_counted_before_anything_reads_them() {
    let nested = |depth: usize, open: &str, close: &str| {
        let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        format!("package main\n\nimport rego.v1\n\ndeny contains \"x\" if count({value}) > 9\n")
    };
    for (open, close) in [("[", "]"), ("{", "}"), ("{\"a\": ", "}")] {
        assert!(Module::compile(&nested(8, open, close)).is_ok());
        for depth in [20, 31, 5_000] {
            assert!(
                wrong(&nested(depth, open, close)).starts_with("5:"),
                "{depth} {open}"
            );
        }
    }
    // A bracket in a text or a comment is none.
    let text = format!(
        "package main\n\nimport rego.v1\n\n# {0}\ndeny contains \"{0}\" if `{0}` == \"\"\n",
        "[".repeat(100)
    );
    assert_eq!(found(&text, json!({})), Vec::<String>::new());
}

#[test]
fn expressions_and_bodies_are_counted_before_anything_reads_them() {
    let body =
        |text: &str| format!("package main\n\nimport rego.v1\n\ndeny contains \"x\" if {{\n{text}\n}}\n");
    for text in [
        format!("\tx := {{1}}{}", " |\n{2}".repeat(5_000)),
        format!("\tx := {{1}}{}", "\n| {2}".repeat(5_000)),
        format!("\tx := input{}", "[\n\"a\"]".repeat(5_000)),
        format!("\tx := count([1, 2]){}", " +\ncount([1, 2])".repeat(3_000)),
        format!("\tx := 1{}", " -\n-1".repeat(5_000)),
        format!("\tx := 1{}", " +\n# more\n\n1".repeat(5_000)),
        format!("\t1 in [1]{}", " in\n[true]".repeat(4_000)),
    ] {
        assert!(wrong(&body(&text)).contains("more than 256 steps"), "{text:.40}");
    }
    let many = "\tinput.agent == \"x\"\n".repeat(2_500);
    assert!(
        wrong(&body(&many)).contains("more than 1000 expressions"),
        "a long body"
    );
    let list = format!("\tcount([{}]) > 3", vec!["1"; 20_000].join(", "));
    assert!(wrong(&body(&list)).contains("more than 1000"), "a long list");
    let deep = (0..15).fold("1".to_owned(), |inner, _| {
        format!("({inner}{})", " +\n1".repeat(100))
    });
    assert!(wrong(&body(&format!("\t{deep} > 3"))).contains("more than 256 steps"));
    // As deep as it may be, it fits a thread's stack.
    let long = body(&format!("\t1{} < 3", " +\n1".repeat(100)));
    assert_eq!(found(&long, json!({})), Vec::<String>::new());
    // What people write is far from it, in many rules as in one.
    let rules = "deny contains \"x\" if {\n\tsome item in input.items\n\titem.parameters.amount.minor + 1 > 3\n\tnot item.id in [\"1\", \"2\"]\n}\n\n";
    let fine = format!("package main\n\nimport rego.v1\n\n{}", rules.repeat(40));
    assert!(
        Module::compile(&fine).is_ok(),
        "{:?}",
        Module::compile(&fine).err()
    );
}

#[test]
fn the_same_proposal_gives_the_same_order() {
    let module = "package a\nimport rego.v1\ndeny contains m if some m in [\"c\", \"a\", \"b\"]";
    assert_eq!(found(module, json!({})), found(module, json!({})));
    assert!(found(module, json!({}))[0].contains(" a;"));
}

#[test]
fn what_costs_more_than_it_is_counted_as_is_refused() {
    let with = |call: &str| wrong(&format!("package a\ndeny := {call}\n"));
    assert!(with("units.parse(\"1e999999999G\")").starts_with("2:9 `units.parse` can't be used"));
    assert!(with("sprintf(\"%99999999d\", [1])").contains("99 at most"));
    assert!(with("sprintf(\"\\u0025999d\", [1])").contains("99 at most"));
    assert!(with("sprintf(`%100d`, [1])").contains("99 at most"));
    assert!(with("sprintf(concat(\"\", [\"%9999\", \"9999d\"]), [1])").contains("as a text in its place"));
    assert!(with("sprintf( # \"%d\"\n input.agent, [1])").contains("as a text in its place"));
    let fine = "package a\ndeny contains sprintf(\"%5d %s 100%% %d of 12345\", [1, input.agent, 2])";
    assert_eq!(found(fine, json!({})).len(), 1);
}

#[test]
fn a_place_is_one_of_the_text_whatever_stands_before_it() {
    let text = "package a\ndeny contains x if {\n\t\"\u{fc}\u{fc}\" == input.agent\n\tx := \"\u{fc}\n}\n";
    let error = Module::compile(text).unwrap_err();
    let mark = error.mark.unwrap();
    assert!(text.get(mark.bytes().0..).is_some(), "{error:?}");
    assert_eq!((mark.place().line, mark.place().column), (4, 9), "{error:?}");
}

#[test]
fn i10_a_field_that_no_proposal_has_is_an_error_and_not_undefined() {
    insta::assert_snapshot!(wrong("package a\nimport rego.v1\ndeny contains \"x\" if input.itmes[0].id == \"1\""), @"3:22 `input.itmes` is nowhere: did you mean `input.items`?");
    insta::assert_snapshot!(wrong("package a\ndeny := input.parameters.memo"), @"2:9 `input.parameters.memo` is nowhere: write `some item in input.items`, then `item.parameters`");
    insta::assert_snapshot!(wrong("package a\ndeny := input.action"), @"2:9 `input.action` is nowhere: did you mean `input.operation`?");
    insta::assert_snapshot!(wrong("package a\ndeny := input.document.kind == \"Pod\""), @"2:9 `input.document.kind` is nowhere: `input` has `operation`, `agent`, `sponsor`, `target`, `items`, `observed`, `claimed`, `justification`, `rollback_plan`, `exceptions`, `provenance`, `at`");
    with_items(vec![json!({})], |matter| {
        let written: Value = serde_json::from_str(&input(matter).unwrap()).unwrap();
        let fields: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, nowhere::FIELDS.into());
    });
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
        let module = format!("package m\nimport rego.v1\n{rules}");
        assert_eq!(wrong(&module), format!("{place} {nowhere}"));
    }
    let replaced =
        "package m\nimport rego.v1\nf(x) := x\ng(x) := f(x)\ndeny contains \"x\" if g(1) with f as g\n";
    assert_eq!(
        wrong(replaced),
        "5:32 `f` can't be replaced by `with` in a check; only `input`"
    );
    let own =
        "package m.n\nimport rego.v1\n# data.x\nlimit := 5\ndeny contains \"data.x\" if data.m.n.limit > 5\n";
    assert!(Module::compile(own).is_ok(), "{:?}", Module::compile(own).err());
}

#[test]
fn i10_a_rule_that_nothing_reads_and_that_nearly_is_deny_is_an_error() {
    let beside = |rule: &str| {
        wrong(&format!(
            "package a\nimport rego.v1\nwarn contains \"w\" if true\n{rule}\n"
        ))
    };
    insta::assert_snapshot!(beside("deni contains \"x\" if true"), @"4:1 nothing reads the rule `deni`, and it finds nothing; did you mean `deny`?");
    insta::assert_snapshot!(beside("  waring_late contains \"x\" if true"), @"4:3 nothing reads the rule `waring_late`, and it finds nothing; did you mean `warn_late`?");
    insta::assert_snapshot!(beside("default Deny := false"), @"4:9 nothing reads the rule `Deny`, and it finds nothing; did you mean `deny`?");
    insta::assert_snapshot!(wrong("package a\nviolations[\"x\"] { true }\nwarn[\"w\"] { true }"), @"2:1 nothing reads the rule `violations`, and it finds nothing; did you mean `violation`?");
    let read = "package a\nimport rego.v1\ndenys := 5\nwarn contains \"w\" if\n  denys > 3\n";
    assert_eq!(found(read, json!({})).len(), 1);
}

#[test]
fn i10_a_rule_counts_however_it_is_indented() {
    let module = "package a\nimport rego.v1\nwarn contains \"w\" if true\n  deny contains \"x\" if true\n\tviolation contains \"y\" if {\n  true\n}\n";
    assert_eq!(
        found(module, json!({})),
        [
            "Deny  x; change what the check finds, or drop it",
            "Deny  y; change what the check finds, or drop it",
            "Warn  w; change what the check finds, or drop it"
        ]
    );
}

#[test]
fn a_rule_that_nothing_reads_is_known() {
    let module = "package a\nimport rego.v1\n\nlimit := 5\n\nexception contains \"x\" if true\n\nother if limit > 3\n\ntest_x if true\n\ndefault allow := false\n\nf(x) := g(x)\n\ng(x) := x\n\ndeny contains msg if {\n\tmsg := sprintf(\"%d\", [f(limit)])\n}\n";
    let module = Module::compile(module).unwrap_or_else(|error| panic!("{error:?}"));
    let idle: Vec<String> = module
        .idle()
        .iter()
        .map(|one| format!("{} {}", one.name, one.mark.place().line))
        .collect();
    assert_eq!(idle, ["exception 6", "other 8", "allow 12"]);
}
