//! `countersign policy lint`.

use super::{json, policy, small, starter};

#[test]
fn the_starter_set_has_no_findings() {
    let dir = starter(&[]);
    let ran = policy(dir.path(), "lint", &["--strict"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    insta::assert_snapshot!(ran.out, @"policies: 0 errors, 0 warnings");
}

#[test]
fn the_smallest_set_of_the_guide_has_no_findings_and_passes_its_cases() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut files = 0;
    for block in guide.split("```").skip(1).step_by(2) {
        let (_, body) = block.split_once('\n').unwrap();
        let Some((path, text)) = body
            .strip_prefix("# policies/")
            .and_then(|body| body.split_once('\n'))
        else {
            continue;
        };
        let path = dir.path().join("policies").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        files += 1;
    }
    assert_eq!(files, 6);
    let ran = policy(dir.path(), "lint", &["--strict"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "policies: 0 errors, 0 warnings\n")
    );
    let ran = policy(dir.path(), "test", &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

#[test]
fn an_error_is_shown_where_it_stands_with_the_likeliest_name() {
    let dir = small(&[
        ("tiers.yaml", "approvals: 2 ", "aprovals: 2 "),
        (
            "catalog.yaml",
            "responsible: payments-agent",
            "responsible: payment-agent",
        ),
        ("CODEOWNERS", "@acme/treasury", "@acme/tresury"),
    ]);
    let ran = policy(dir.path(), "lint", &[]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.err, "");
    insta::assert_snapshot!(ran.out, @r"
    unknown-name

      × unknown team `tresury`
       ╭─[policies/CODEOWNERS:8:38]
     7 │ /campaigns/            @acme/marketing
     8 │ /payments/             @acme/finance @acme/tresury
       ·                                      ──────┬──────
       ·                                            ╰── here
     9 │ 
       ╰────
      help: did you mean `treasury`?

    unknown-name

      × unknown agent `payment-agent`
         ╭─[policies/catalog.yaml:103:20]
     102 │     raci:
     103 │       responsible: payment-agent
         ·                    ──────┬──────
         ·                          ╰── here
     104 │       accountable: finance
         ╰────
      help: did you mean `payments-agent`?

    syntax

      × unknown field `aprovals`
        ╭─[policies/tiers.yaml:34:5]
     33 │   high:
     34 │     aprovals: 2                # never less than 2, nor less than medium
        ·     ────┬───
        ·         ╰── here
     35 │     from: owners
        ╰────
      help: did you mean `approvals`?

    policies: 3 errors, 0 warnings
    ");
    assert!(!ran.out.contains('\u{1b}'), "painted where nobody looks");
    let all = json(&policy(dir.path(), "lint", &["--json"]));
    assert_eq!(all["errors"], 3);
    insta::assert_snapshot!(all["findings"][2], @r#"{"column":5,"file":"tiers.yaml","id":"syntax","line":34,"message":"unknown field `aprovals`","remedy":"did you mean `approvals`?","severity":"error"}"#);
}

#[test]
fn a_warning_is_an_error_only_when_asked() {
    let ran = policy(small(&[]).path(), "lint", &[]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!(ran.out, @r"
    team-of-one

      ⚠ `bob` is the only one of `treasury`, which owns something; while they are away nobody else can approve
      │ for it
        ╭─[policies/people.yaml:13:13]
     12 │     accounts: [{ login: bob, id: 1002 }]
     13 │     teams: [treasury]
        ·             ────┬───
        ·                 ╰── here
     14 │   carol:
        ╰────
      help: add a second person to `treasury`, or name another owner beside it in CODEOWNERS

    policies: 0 errors, 1 warning
    ");
    assert_eq!(policy(small(&[]).path(), "lint", &["--strict"]).code, 3);
}

#[test]
fn a_condition_that_names_nothing_is_an_error_in_the_expression() {
    let escalate = "    escalate:\n      - { when: \"afected.count > 10000\", to: high, because: many }\n    checks: [text]";
    let dir = small(&[("catalog.yaml", "    checks: [text]", escalate)]);
    let ran = policy(dir.path(), "lint", &[]);
    assert_eq!(ran.code, 3);
    insta::assert_snapshot!(ran.out, @r#"
    expression

      × unknown variable `afected`
        ╭─[policies/catalog.yaml:36:18]
     35 │     escalate:
     36 │       - { when: "afected.count > 10000", to: high, because: many }
        ·                  ───┬───
        ·                     ╰── here
     37 │     checks: [text]              # refuses hidden and misleading characters
        ╰────
      help: did you mean `affected`?

    policies: 1 error, 0 warnings
    "#);
}

#[test]
fn a_gate_that_nobody_can_open_is_an_error() {
    let dir = small(&[("CODEOWNERS", "@acme/finance @acme/treasury", "@acme/finance")]);
    let ran = policy(dir.path(), "lint", &[]);
    assert_eq!(ran.code, 3);
    insta::assert_snapshot!(ran.out, @r"
    gate-nobody-can-open

      × `payments.create` is high and needs 2 approvals of different teams by the owners of line 8 of
      │ CODEOWNERS; without the sponsor of `payments-agent`, `carol`, that leaves `alice`
        ╭─[policies/catalog.yaml:98:15]
     97 │     system: bank                # unless stated, the first part of the name
     98 │     resource: /payments/suppliers/{supplier_id}
        ·               ────────────────┬────────────────
        ·                               ╰── here
     99 │     impact: high
        ╰────
      help: name more owners there, add people to their teams, or give the agent another sponsor

    team-of-one

      ⚠ `bob` is the only one of `treasury`, which owns something; while they are away nobody else can approve
      │ for it
        ╭─[policies/people.yaml:13:13]
     12 │     accounts: [{ login: bob, id: 1002 }]
     13 │     teams: [treasury]
        ·             ────┬───
        ·                 ╰── here
     14 │   carol:
        ╰────
      help: add a second person to `treasury`, or name another owner beside it in CODEOWNERS

    policies: 1 error, 1 warning
    ");
}
