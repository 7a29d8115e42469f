//! Checks of the organisation's own, in CEL and in Rego.

use serde_json::{Value, json};

use super::{Rules, check, found, gates, note, set};

fn notes(checks: &str) -> Rules {
    Rules::small(&[(
        "catalog.yaml",
        "checks: [text]              #",
        &format!("checks: [{checks}]              #"),
    )])
}

fn batch() -> Value {
    let mut asked = note("x");
    asked.as_object_mut().unwrap().remove("parameters");
    asked.as_object_mut().unwrap().remove("observed");
    asked["items"] = json!([
        { "id": "a", "parameters": { "customer_id": "C-1", "text": "short" } },
        { "id": "b", "parameters": { "customer_id": "C-2", "text": "a long one" } },
    ]);
    asked
}

#[test]
fn a_condition_is_asked_of_every_item_and_says_which_one_and_what_to_do() {
    let short = "summary: Notes are short\nlevel: deny\nwhen: params.customer_id != 'C-9'\nexpression: size(params.text) < 6\nmessage: too long\nremedy: write less\n";
    let rules = notes("short").with("checks/short.yaml", short);
    let anybody = set(note("a long one"), "/parameters/customer_id", json!("C-9"));
    let answers = rules.ask(&[note("short"), note("a long one"), anybody, batch()]);
    assert_eq!(gates(&answers), ["open", "blocked", "open", "blocked"]);
    assert_eq!(
        found(&answers[1], "short"),
        ["deny /items/1/parameters too long; write less"]
    );
    assert_eq!(
        found(&answers[3], "short"),
        ["deny /items/b/parameters too long; write less"]
    );
    let warned = notes("short").with("checks/short.yaml", &short.replace("level: deny", "level: warn"));
    let answers = warned.ask(&[note("a long one")]);
    assert_eq!(
        (gates(&answers), &check(&answers[0], "short")["level"]),
        (vec!["open"], &json!("warn"))
    );
}

#[test]
fn i10_a_condition_without_an_answer_keeps_the_gate_shut() {
    let own = "summary: x\nlevel: warn\nexpression: change.before.frozen == false\nmessage: frozen\nremedy: thaw it\n";
    let rules = Rules::small(&[(
        "catalog.yaml",
        "    checks: [text]\n    # How",
        "    checks: [thawed]\n    # How",
    )])
    .with("checks/thawed.yaml", own);
    let answers = rules.ask(&[super::approved(super::campaign(), &["dave"])]);
    assert_eq!(gates(&answers), ["errored"]);
    assert!(found(&answers[0], "thawed")[0].contains("`change.before.frozen` is not there"));
}

const MODULE: &str = "package main\nimport rego.v1\n\
    deny contains {\"msg\": \"no notes\", \"at\": \"/operation\", \"remedy\": \"call\"} if input.operation == \"crm.note\"\n\
    violation contains \"several\" if count(input.items) > 1\n\
    warn contains msg if {\n\tsome item in input.items\n\tmsg := sprintf(\"%s of %s\", [item.id, input.agent])\n}\n";

#[test]
fn rego_denies_and_warns_by_the_conventions_of_conftest_with_the_proposal_as_input() {
    let answers = notes("mine")
        .with("checks/mine.rego", MODULE)
        .ask(&[note("x"), batch()]);
    assert_eq!(gates(&answers), ["blocked", "blocked"]);
    assert_eq!(
        found(&answers[1], "mine"),
        [
            "deny /operation no notes; call",
            "deny  several; change what the check finds, or drop it",
            "warn  a of support-agent; change what the check finds, or drop it",
            "warn  b of support-agent; change what the check finds, or drop it",
        ]
    );
    assert_eq!(found(&answers[0], "mine").len(), 2);
}

#[test]
fn rego_from_before_opa_1_0_runs_unchanged() {
    let old = "package main\ndeny[msg] {\n\tinput.operation == \"crm.note\"\n\tmsg = \"old\"\n}\n";
    let answer = notes("old").with("checks/old.rego", old).ask_one(note("x"));
    assert_eq!(
        found(&answer, "old"),
        ["deny  old; change what the check finds, or drop it"]
    );
}

#[test]
fn each_file_is_a_package_of_its_own_even_under_one_name() {
    let other = "package main\nimport rego.v1\nwarn contains \"other\" if true\nlimit := 1\n";
    let module = "package main\nimport rego.v1\nwarn contains \"mine\" if limit > 5\nlimit := 9\n";
    let rules = notes("mine, other")
        .with("checks/mine.rego", module)
        .with("checks/other.rego", other);
    let answer = rules.ask_one(note("x"));
    assert_eq!(
        found(&answer, "mine"),
        ["warn  mine; change what the check finds, or drop it"]
    );
    assert_eq!(
        found(&answer, "other"),
        ["warn  other; change what the check finds, or drop it"]
    );
}

#[test]
fn i10_rego_that_fails_or_takes_too_long_keeps_the_gate_shut() {
    let many = (0..400).map(|n| n.to_string()).collect::<Vec<_>>();
    let lists: String = many
        .chunks(100)
        .map(|some| format!("\t{},\n", some.join(", ")))
        .collect();
    let loops = format!(
        "package m\nimport rego.v1\nall := [\n{lists}]\ndeny contains \"x\" if {{\n\tsome a in all\n\tsome b in all\n\tsome c in all\n\ta + b + c < 0\n}}\n"
    );
    for (module, why) in [
        (
            "package m\nimport rego.v1\nwarn contains \"x\" if 1 / (count(input.items) - 1) > 1\n",
            "the check failed: divide by zero",
        ),
        (
            "package m\nimport rego.v1\nwarn contains \"x\" if to_number(input.operation) > 5\n",
            "the check failed: could not parse string as number",
        ),
        (
            "package m\nimport rego.v1\ndeny contains 5\n",
            "a rule gives neither texts nor objects with `msg`",
        ),
        (&loops, "the check exceeds its instruction budget"),
    ] {
        let answer = notes("mine").with("checks/mine.rego", module).ask_one(note("x"));
        assert_eq!(answer["gate"], "errored", "{why}");
        assert_eq!(
            found(&answer, "mine"),
            [format!("errored  {why}; have the check corrected in the policy")]
        );
    }
}

#[test]
fn rego_that_reaches_outside_is_nowhere_or_is_not_bounded_is_an_error_with_its_place() {
    let brackets = format!(
        "deny contains \"x\" if {}{} == 1\n",
        "[".repeat(40),
        "]".repeat(40)
    );
    for (rules, said) in [
        (
            "deny contains \"x\" if http.send({}).status_code == 200\n",
            "3:22 `http.send` can't be used in a check; a check reaches nothing outside",
        ),
        (
            "deny contains \"x\" if time.now_ns() > 1\n",
            "3:22 `time.now_ns` can't be used in a check; `input.at` is when it was asked",
        ),
        (
            "deny contains \"x\" if rand.intn(\"x\", 5) > 1\n",
            "3:22 `rand.intn` can't be used in a check; a check always gives the same",
        ),
        (
            "deny contains \"x\" if inptu.x\n",
            "3:22 not a Rego module: use of undefined variable `inptu` is unsafe",
        ),
        (
            "deny contains \"x\" if count(input.items > 1\n",
            "4:1 not a Rego module: expecting `)` while parsing call expr",
        ),
        (
            "deni contains \"x\" if true\n",
            "3:1 nothing reads the rule `deni`, and it finds nothing; did you mean `deny`?",
        ),
        (
            "found contains \"x\" if true\n",
            "1:1 the module has no rule named `deny`, `violation` or `warn`, so it would find nothing",
        ),
        (
            "import data.lib\ndeny contains \"x\" if lib.bad\n",
            "3:8 `data.lib` is nowhere: a check reads `input` and the rules of its own package",
        ),
        (
            "deny contains \"x\" if data.limits.max > 1\n",
            "3:22 `data.limits.max` is nowhere: a check reads `input` and the rules of its own package",
        ),
        (
            &brackets,
            "3:38 brackets nested too deep, or too many of them deep; flatten the module",
        ),
    ] {
        let rules = notes("mine").with("checks/mine.rego", &format!("package m\nimport rego.v1\n{rules}"));
        assert_eq!(rules.lint(), [format!("error rego checks/mine.rego:{said} -> -")]);
    }
}
