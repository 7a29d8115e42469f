//! Files that nobody means to write: an answer that names the place and the next step, and never a hang.

use std::{fs, path::Path};

use super::{json, policy, starter};
use crate::cli::{Ran, run};

/// The lint of a starter set with one file's bytes replaced.
fn with(path: &str, bytes: impl AsRef<[u8]>) -> Ran {
    let dir = starter(&[]);
    fs::write(dir.path().join("policies").join(path), bytes).unwrap();
    policy(dir.path(), "lint", &[])
}

/// The lint of a starter set whose check of one's own holds another expression.
fn expression(text: &str) -> Ran {
    let dir = starter(&[]);
    let path = dir.path().join("policies/checks/working-hours.yaml");
    let check = fs::read_to_string(&path).unwrap();
    let lines = check.lines().map(|line| match line.starts_with("expression:") {
        true => format!("expression: {text}\n"),
        false => format!("{line}\n"),
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    policy(dir.path(), "lint", &[])
}

/// The lint of a starter set with another Rego module.
fn rego(rules: &str) -> Ran {
    let module = format!("package countersign.exports\n\nimport rego.v1\n\n{rules}\n");
    with("checks/export-fields.rego", module)
}

fn finds(ran: &Ran, said: &str) {
    assert_eq!((ran.code, ran.err.as_str()), (3, ""), "{said}: {}", ran.out);
    assert!(ran.out.contains(said), "{said}: {}", ran.out);
}

fn refuses(ran: &Ran, said: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{said}");
    assert!(ran.err.contains(said), "{said}: {}", ran.err);
}

#[test]
fn yaml_that_grows_or_nests_is_refused_where_it_does() {
    let bomb = (0..9).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        let refs = vec![format!("*a{n}"); 10].join(", ");
        format!("{text}a{}: &a{} [{refs}]\n", n + 1, n + 1)
    });
    let ran = with("catalog.yaml", bomb);
    finds(&ran, "too many aliases; write the values out");
    finds(&ran, "[policies/catalog.yaml:");
    for opened in ["[", "{a: "] {
        let closed = if opened == "[" { "]" } else { "}" };
        let deep = format!("actions: {}1{}", opened.repeat(60), closed.repeat(60));
        let ran = with("catalog.yaml", deep);
        finds(&ran, "nested deeper than 32 levels; flatten it");
        finds(&ran, "[policies/catalog.yaml:1:");
    }
    finds(
        &with("tiers.yaml", "rules: []\nrules: []\n"),
        "the key `rules` appears twice; keep one",
    );
    finds(
        &with("tiers.yaml", "rules: []\nrules: []\n"),
        "[policies/tiers.yaml:2:1]",
    );
    finds(
        &with("people.yaml", "a: 1\n---\nb: 1\n"),
        "more than one document",
    );
}

#[test]
fn a_file_that_is_too_long_is_not_read_to_its_end() {
    for path in [
        "catalog.yaml",
        "CODEOWNERS",
        "checks/export-fields.rego",
        "tests/finance.yaml",
        "README.md",
    ] {
        let ran = with(path, "# nothing\n".repeat(1_000_000));
        refuses(&ran, &format!("`policies/{path}` is larger than 1 MiB"));
    }
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_place() {
    let ran = with("catalog.yaml", b"actions:\n  \"\xc3\xa9\xff\": 1\n");
    refuses(&ran, "`policies/catalog.yaml` is not UTF-8 at line 2, column 5");
    refuses(&ran, "save it as UTF-8");
    refuses(
        &with("CODEOWNERS", b"\xff\xfe/\0"),
        "is not UTF-8 at line 1, column 1",
    );
}

#[test]
fn line_ends_of_windows_change_nothing() {
    let dir = starter(&[]);
    let mut folders = vec![dir.path().join("policies")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace('\n', "\r\n")).unwrap();
        }
    }
    let ran = policy(dir.path(), "lint", &["--strict"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "policies: 0 errors, 0 warnings\n")
    );
    let ran = policy(dir.path(), "test", &["--require-coverage"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

#[test]
fn a_byte_order_mark_is_passed_over_or_named() {
    let dir = starter(&[]);
    let marked = |path: &str| {
        let text = fs::read_to_string(dir.path().join("policies").join(path)).unwrap();
        with(path, format!("\u{feff}{text}"))
    };
    for path in ["catalog.yaml", "people.yaml", "tiers.yaml", "tests/finance.yaml"] {
        assert_eq!(marked(path).code, 0, "{path}");
    }
    for path in ["CODEOWNERS", "checks/export-fields.rego"] {
        let ran = marked(path);
        finds(&ran, "begins with a byte order mark; save it as UTF-8 without");
        finds(&ran, &format!("[policies/{path}:1:1]"));
    }
}

#[test]
fn an_empty_file_is_named() {
    for path in [
        "catalog.yaml",
        "tiers.yaml",
        "people.yaml",
        "agents.yaml",
        "tests/finance.yaml",
        "checks/pii.yaml",
    ] {
        for nothing in ["", "\n", "# only a comment\n"] {
            let ran = with(path, nothing);
            finds(&ran, "the file is empty; fill it in, or remove it");
            finds(&ran, &format!("[policies/{path}:1:1]"));
        }
    }
    finds(
        &with("CODEOWNERS", ""),
        "nobody owns `/crm/customers/{customer_id}`, so nobody can approve it",
    );
    finds(
        &with("checks/export-fields.rego", ""),
        "[policies/checks/export-fields.rego:1:1]",
    );
}

#[test]
fn what_is_no_file_is_named() {
    let lint = |change: &dyn Fn(&Path)| {
        let dir = starter(&[]);
        change(&dir.path().join("policies"));
        policy(dir.path(), "lint", &[])
    };
    let ran = lint(&|policies| {
        fs::remove_file(policies.join("tiers.yaml")).unwrap();
        fs::create_dir(policies.join("tiers.yaml")).unwrap();
    });
    finds(&ran, "tiers.yaml: the file is missing");
    assert_eq!(run(&["policy", "lint", "Cargo.toml"]).code, 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        // A link to itself, a way back up, and one that leads out.
        for (name, to) in [
            ("loop.yaml", "loop.yaml"),
            ("up", ".."),
            ("hosts.yaml", "/etc/hosts"),
        ] {
            let ran = lint(&|policies| symlink(to, policies.join("tests").join(name)).unwrap());
            refuses(&ran, &format!("`policies/tests/{name}` is a symbolic link"));
            refuses(&ran, "put the file itself there");
        }
        let ran = lint(&|policies| {
            let pipe = policies.join("tests/pipe.yaml");
            let made = std::process::Command::new("mkfifo").arg(pipe).status().unwrap();
            assert!(made.success());
        });
        refuses(&ran, "`policies/tests/pipe.yaml` is no file");
    }
}

#[test]
fn expressions_that_would_blow_up_are_refused_where_they_stand() {
    for (text, said) in [
        (
            "items.all(a, items.all(b, items.all(c, a == b)))".to_owned(),
            "loops nested deeper than 2; split the expression",
        ),
        (
            format!("{}true{}", "(".repeat(1_000), ")".repeat(1_000)),
            "brackets nested deeper than",
        ),
        (vec!["true"; 2_000].join(" && "), "4096 is the limit, split it"),
    ] {
        let ran = expression(&text);
        finds(&ran, said);
        finds(&ran, "[policies/checks/working-hours.yaml:7:");
    }
}

#[test]
fn rego_that_is_none_or_may_not_end_is_refused_where_it_stands() {
    let ran = rego("deny contains \"x\" if {");
    finds(&ran, "not a Rego module: ");
    finds(&ran, "[policies/checks/export-fields.rego:6:1]");
    let ran = rego("deny contains f(3) if true\n\nf(x) := f(x)");
    finds(&ran, "`f` calls itself; a check that may not end can't be used");
    finds(&ran, "[policies/checks/export-fields.rego:7:1]");
    finds(
        &rego("deny contains \"x\" if p\n\np if q\n\nq if p"),
        "calls itself",
    );
    let chain: Vec<String> = (0..500).map(|n| format!("r{n} := r{}", n + 1)).collect();
    let chain = format!("deny contains \"x\" if r0\n\n{}\n\nr500 := 1", chain.join("\n\n"));
    finds(&rego(&chain), "waits for more than 16 rules in a row");
    finds(
        &rego("deny contains \"x\" if http.send({}).status"),
        "a check reaches nothing outside",
    );
    let nested = format!(
        "deny contains x if x := {}1{}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    finds(&rego(&nested), "brackets nested too deep");
    let long = format!(
        "deny contains \"x\" if {{\n\tx := {{1}}{}\n}}",
        " |\n{2}".repeat(6_000)
    );
    finds(&rego(&long), "an expression of more than 256 steps; split it");
}

#[test]
fn rego_beyond_its_budget_keeps_the_gate_shut() {
    let words = "a".repeat(60);
    let slow = format!(
        "deny contains \"x\" if {{\n\txs := split(\"{words}\", \"\")\n\tsome p in xs\n\tsome q in xs\n\tsome r in xs\n\tp == concat(\"\", [q, r])\n}}"
    );
    let doublings: String = (1..60)
        .map(|n| format!("\tx{n} := concat(\"\", [x{0}, x{0}])\n", n - 1))
        .collect();
    let huge = format!("deny contains x59 if {{\n\tx0 := \"{words}\"\n{doublings}}}");
    for (rules, said) in [
        (slow, "exceeds its instruction budget"),
        (huge, "exceeds its memory budget"),
    ] {
        let dir = starter(&[]);
        let module = format!("package countersign.exports\n\nimport rego.v1\n\n{rules}\n");
        fs::write(dir.path().join("policies/checks/export-fields.rego"), module).unwrap();
        let ran = policy(dir.path(), "test", &["--filter", "exports.customers"]);
        assert_eq!(ran.code, 1);
        assert!(ran.out.contains(said), "{said}: {}", ran.out);
        let told = json(&policy(
            dir.path(),
            "test",
            &["--filter", "exports.customers", "--json"],
        ));
        let cases = told["cases"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            assert_eq!(case["checks"]["export-fields"], "errored");
            assert_ne!(case["gate"], "open");
        }
    }
}
